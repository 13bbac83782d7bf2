"""The network `shapes`: AlexNet's plan, small enough for a laptop without a GPU.

It is the network that carviz opens with, trained on `ShapesAndColors` so that its first bank has
filters for luminance and filters for color, and nothing between. How that was done is in
`carviz.zoo.train`; what came of it, in figures, in ``weights/shapes.md`` beside this file.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import torch
from safetensors.torch import load_file
from torch import nn

from carviz.zoo.shapes_and_colors import CLASSES, MEAN, STD

WEIGHTS = Path(__file__).with_name("weights") / "shapes.safetensors"
"""The bundled weights, half precision."""


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
    """Load the network `shapes`, in evaluation mode, float32.

    Parameters
    ----------
    weights
        "DEFAULT" for the bundled weights, None for random ones: the same on every call, and drawn
        without touching torch's global generator.

    Raises
    ------
    TypeError
        If `weights` is neither a string nor None.
    ValueError
        If `weights` is another string.
    FileNotFoundError
        If the bundled weights are not where they were installed.

    Examples
    --------
    >>> network = load_shapes_network()
    >>> network(torch.zeros(2, 3, 64, 64)).shape
    torch.Size([2, 16])
    """
    rule = 'weights must be "DEFAULT" (the bundled ones) or None (random ones)'
    if weights is not None and not isinstance(weights, str):
        raise TypeError(f"{rule}, found a {type(weights).__name__}; use one of the two")
    if weights not in ("DEFAULT", None):
        raise ValueError(f"{rule}, found {weights!r}; use one of the two")
    network = empty_network()
    if weights is None:
        randomise(network, seed=0)
    else:
        _fill(network, WEIGHTS)
    return network.eval()


def empty_network() -> ShapesNetwork:
    """Make the network without setting its weights, nor touching torch's global generator."""
    with torch.device("meta"):
        network = ShapesNetwork()
    return network.to_empty(device="cpu")


def randomise(network: nn.Module, *, seed: int) -> None:
    """Set every weight to He's normal initial values, and every bias to 0, in place."""
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def _fill(network: nn.Module, path: Path) -> None:
    if not path.is_file():
        raise FileNotFoundError(
            f"the weights of the network shapes belong at {path}, found no file there; "
            "install carviz again, or make them anew with: python -m carviz.zoo.train shapes"
        )
    network.load_state_dict({name: tensor.float() for name, tensor in load_file(path).items()})
