"""Floor 0: what measuring starts from: images with labels, their preprocessing, a safe copy."""

from carviz.evaluate.fingerprints import fingerprint_images, fingerprint_model, versions
from carviz.evaluate.images import Images
from carviz.evaluate.models import check_model, device_of, shadow
from carviz.evaluate.order import stratified_order
from carviz.evaluate.preprocessing import Normalization, find_normalization

__all__ = [
    "Images",
    "Normalization",
    "check_model",
    "device_of",
    "find_normalization",
    "fingerprint_images",
    "fingerprint_model",
    "shadow",
    "stratified_order",
    "versions",
]
