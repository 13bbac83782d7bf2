"""ImageNet's 1,000 classes: their WordNet numbers, and their names as torchvision has them."""

from __future__ import annotations

from pathlib import Path

SYNSETS: tuple[str, ...] = tuple(
    Path(__file__).with_name("imagenet_synsets.txt").read_text(encoding="ascii").split()
)
"""The WordNet numbers of ILSVRC 2012's classes, in the order of the networks' logits."""

SHARED_NAMES = {
    "crane": ("n02012849", "n03126707"),
    "maillot": ("n03710637", "n03710721"),
}
"""Names that WordNet 3.0 puts first for two of the classes; all others have one of their own.

torchvision calls them crane bird and crane, maillot and maillot tank suit; timm both alike.
"""


def imagenet_names() -> tuple[str, ...]:
    """Return the names of the classes, in the order of the networks' logits."""
    from torchvision.models import AlexNet_Weights

    return tuple(AlexNet_Weights.DEFAULT.meta["categories"])
