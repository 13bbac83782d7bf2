"""The network `tiny-alexnet`: AlexNet's convolutions, trained on photographs of 200 classes.

It is there so that what was published about AlexNet's filters can be asked of a network of the same
kind without downloading anything. How it was trained stands in ``recipes/tiny_alexnet.py`` of the
repository; what came of it, in figures, in ``weights/tiny-alexnet.md``.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from carviz.zoo.bundled import load_bundled

SIZE = 112
"""Height and width of its images, in pixels: Tiny-ImageNet's 64, enlarged."""

MEAN: tuple[float, float, float] = (0.485, 0.456, 0.406)
STD: tuple[float, float, float] = (0.229, 0.224, 0.225)
"""Images are normalised as ``(rgb - MEAN) / STD``: ImageNet's mean and standard deviation."""

_LINES = Path(__file__).with_name("tiny_imagenet_classes.tsv").read_text(encoding="utf-8")
SYNSETS, CLASSES = zip(*(line.split("\t") for line in _LINES.splitlines()), strict=True)
"""WordNet numbers and names of Tiny-ImageNet's 200 classes, in the order of the logits."""


class TinyAlexNet(nn.Module):
    """torchvision's AlexNet as far as its last max-pooling, then one linear layer.

    Images (image, 3, 112, 112) to logits (image, class). The five banks stand where torchvision's
    stand, `features.0` to `features.10`, with 64, 192, 384, 256 and 256 filters. There is no
    normalisation: a filter is its convolution's channel.

    Attributes
    ----------
    classes : tuple of str
        Class names, one a logit.
    synsets : tuple of str
        WordNet numbers of the classes, as Tiny-ImageNet's and ImageNet's folders are named.
    normalize : tuple
        (mean, std), three floats each, for RGB values in [0, 1]: what the network expects.
    transform : callable
        `prepare`: from a PIL image to what the network expects.
    """

    def __init__(self) -> None:
        super().__init__()
        self.classes = CLASSES
        self.synsets = SYNSETS
        self.normalize = (MEAN, STD)
        self.transform = prepare
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 11, stride=4, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(64, 192, 5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(192, 384, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 256, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(256, 256, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(2)
        self.classifier = nn.Sequential(nn.Dropout(0.3), nn.Linear(256 * 2 * 2, len(CLASSES)))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits (image, class) of normalised images (image, 3, height, width)."""
        maps = self.avgpool(self.features(images))
        return cast(torch.Tensor, self.classifier(torch.flatten(maps, 1)))


def load_tiny_alexnet(weights: str | None = "DEFAULT") -> TinyAlexNet:
    """Load the network `tiny-alexnet`, as `carviz.zoo.bundled.load_bundled` does.

    Examples
    --------
    >>> network = load_tiny_alexnet(weights=None)
    >>> network(torch.zeros(2, 3, 112, 112)).shape
    torch.Size([2, 200])
    """
    return load_bundled("tiny-alexnet", TinyAlexNet, weights)


def prepare(picture: Any) -> torch.Tensor:
    """Return a PIL image as the network expects it: (3, 112, 112), normalised.

    The shorter side is brought to 112 pixels, and the middle is kept.
    """
    return cast(torch.Tensor, _steps()(picture))


@cache
def _steps() -> Any:
    from torchvision import transforms

    return transforms.Compose(
        [
            transforms.Resize(SIZE),
            transforms.CenterCrop(SIZE),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, STD),
        ]
    )
