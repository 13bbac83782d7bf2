"""The network `shapes`: AlexNet's plan, small enough for a laptop without a GPU.

It is the network that carviz opens with, trained on `ShapesAndColors` so that its first bank has
filters for luminance and filters for color, and nothing between. How that was done is in
``recipes/shapes.py`` of the repository; what came of it, in figures, in ``weights/shapes.md``
beside this file.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import nn

from carviz.zoo.bundled import load_bundled
from carviz.zoo.shapes_and_colors import CLASSES, MEAN, STD


class ShapesNetwork(nn.Module):
    """Four convolutions and two linear layers; images (image, 3, 64, 64) to logits (image, class).

    The first bank, `features.0`, reads RGB through 32 filters of 9 x 9. There is no normalisation:
    a filter is its convolution's channel. Of 20 million multiply-adds an image, the first bank
    takes 8 and the second 9, which ablations of the first can share; the rest takes 3.

    Parameters
    ----------
    classes
        Class names, one a logit.

    Attributes
    ----------
    classes : tuple of str
        Class names, one a logit.
    normalize : tuple
        (mean, std), three floats each, for RGB values in [0, 1]: what the network expects.
    """

    def __init__(self, classes: tuple[str, ...] = CLASSES) -> None:
        super().__init__()
        self.classes = classes
        self.normalize = (MEAN, STD)
        self.features = nn.Sequential(
            nn.Conv2d(3, 32, 9, stride=2, padding=4),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(32, 48, 5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(48, 64, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(64, 64, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(3)
        self.classifier = nn.Sequential(
            nn.Dropout(0.3),
            nn.Linear(64 * 3 * 3, 96),
            nn.ReLU(inplace=True),
            nn.Linear(96, len(classes)),
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits (image, class) of normalised images (image, 3, height, width)."""
        maps = self.avgpool(self.features(images))
        return cast(torch.Tensor, self.classifier(torch.flatten(maps, 1)))


def load_shapes_network(weights: str | None = "DEFAULT") -> ShapesNetwork:
    """Load the network `shapes`, as `carviz.zoo.bundled.load_bundled` does.

    Examples
    --------
    >>> network = load_shapes_network()
    >>> network(torch.zeros(2, 3, 64, 64)).shape
    torch.Size([2, 16])
    """
    return load_bundled("shapes", ShapesNetwork, weights)
