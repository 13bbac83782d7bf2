"""Bundled networks and images, whose truth is known; networks by name and folders of images."""

from carviz.zoo.datasets import DATASETS
from carviz.zoo.folders import SPLITS
from carviz.zoo.listing import list_models
from carviz.zoo.loaded import LoadedImages
from carviz.zoo.loading import load_data
from carviz.zoo.models import load_model
from carviz.zoo.shapes_and_colors import ShapesAndColors

__all__ = [
    "DATASETS", "SPLITS", "LoadedImages", "ShapesAndColors", "list_models", "load_data",
    "load_model",
]  # fmt: skip
