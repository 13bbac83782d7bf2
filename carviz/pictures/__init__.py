"""Floor 2: what a filter sees, as pictures: float arrays (height, width, 3) in [0, 1]."""

from carviz.pictures.effective import effective_weights, iter_effective_weights
from carviz.pictures.exciting import Exciting, find_exciting
from carviz.pictures.filters import RgbFilters, read_rgb_filters
from carviz.pictures.patches import TopPatches, top_patches
from carviz.pictures.synthesis import Excited, excite, iter_excite
from carviz.pictures.weights import rgb_weights, weight_pictures

__all__ = [
    "Excited",
    "Exciting",
    "RgbFilters",
    "TopPatches",
    "effective_weights",
    "excite",
    "find_exciting",
    "iter_effective_weights",
    "iter_excite",
    "read_rgb_filters",
    "rgb_weights",
    "top_patches",
    "weight_pictures",
]
