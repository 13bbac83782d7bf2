"""Floor 2: what a filter sees, as pictures: float arrays (height, width, 3) in [0, 1]."""

from carviz.pictures.weights import RgbFilters, read_rgb_filters, rgb_weights

__all__ = ["RgbFilters", "read_rgb_filters", "rgb_weights"]
