"""Floor 2: what a filter sees, as pictures: float arrays (height, width, 3) in [0, 1]."""

from carviz.pictures.effective import (
    IMAGES,
    effective_weights,
    iter_effective_weights,
    open_source,
    refuse_other_than_rgb_images,
)
from carviz.pictures.exciting import A_FILTER, Exciting, find_exciting, iter_exciting
from carviz.pictures.filters import RgbFilters, read_rgb_filters, reads_rgb, unit_weights
from carviz.pictures.maps import (
    ActivationMaps,
    activation_maps,
    field_numbers,
    maps_of,
    overlay,
    spread,
)
from carviz.pictures.patches import TopPatches, check_exciting, clip_boxes, cut_patches, top_patches
from carviz.pictures.pulling import pull_back
from carviz.pictures.synthesis import Excited, excite, iter_excite
from carviz.pictures.weights import rgb_weights, weight_pictures

__all__ = [
    "A_FILTER",
    "IMAGES",
    "ActivationMaps",
    "Excited",
    "Exciting",
    "RgbFilters",
    "TopPatches",
    "activation_maps",
    "check_exciting",
    "clip_boxes",
    "cut_patches",
    "effective_weights",
    "excite",
    "field_numbers",
    "find_exciting",
    "iter_effective_weights",
    "iter_excite",
    "iter_exciting",
    "maps_of",
    "open_source",
    "overlay",
    "pull_back",
    "read_rgb_filters",
    "reads_rgb",
    "refuse_other_than_rgb_images",
    "rgb_weights",
    "spread",
    "top_patches",
    "unit_weights",
    "weight_pictures",
]
