"""Floor 0: what measuring starts from: images with labels, their preprocessing, a safe copy."""

from carviz.evaluate.arithmetic import arithmetic
from carviz.evaluate.fingerprints import fingerprint_images, fingerprint_model, versions
from carviz.evaluate.free_memory import free_memory
from carviz.evaluate.images import Images, check_labels
from carviz.evaluate.models import check_model, device_of, placed, placement, shadow
from carviz.evaluate.order import stratified_order
from carviz.evaluate.preprocessing import Normalization, find_normalization
from carviz.evaluate.progress import Progress, telling
from carviz.evaluate.watching import Watch, watch_model, weights_changed

__all__ = [
    "Images",
    "Normalization",
    "Progress",
    "Watch",
    "arithmetic",
    "check_labels",
    "check_model",
    "device_of",
    "find_normalization",
    "fingerprint_images",
    "fingerprint_model",
    "free_memory",
    "placed",
    "placement",
    "shadow",
    "stratified_order",
    "telling",
    "versions",
    "watch_model",
    "weights_changed",
]
