"""Bundled networks and images, whose truth is known; networks by name and folders of images."""

from carviz.zoo.folders import FolderImages, load_data
from carviz.zoo.models import load_model
from carviz.zoo.shapes_and_colors import ShapesAndColors

__all__ = ["FolderImages", "ShapesAndColors", "load_data", "load_model"]
