"""Which networks there are by name, and what is known of them without building any."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from carviz.zoo import drawing, tiny_alexnet
from carviz.zoo.bundled import WEIGHTS

if TYPE_CHECKING:
    import pandas as pd

SIZES = {"shapes": drawing.SIZE, "tiny-alexnet": tiny_alexnet.SIZE}
"""Height and width of the bundled networks' images, in pixels."""


def list_models() -> pd.DataFrame:
    """Return a table of the networks that `load_model` knows, the bundled ones first.

    Nothing is downloaded, and no network is built.

    Returns
    -------
    pandas.DataFrame
        A row a network: ``name``; ``source`` ("bundled" or "torchvision"); ``parameters`` (how
        many, missing where they are not installed); ``accuracy`` (top-1, a fraction, as published
        for the default weights, or as its card says; NaN where none does); ``weights`` (names
        for ``load_model(weights=…)``, with commas, the default first) and ``image_size`` (height
        and width in pixels that its preprocessing ends in).

    Examples
    --------
    >>> list_models().name.head(3).tolist()
    ['shapes', 'tiny-alexnet', 'alexnet']
    """
    import pandas as pd

    frame = pd.DataFrame([*_bundled(), *_torchvision()])
    return frame.astype({"parameters": "Int64"})


def _bundled() -> Iterator[dict[str, Any]]:
    for name, size in SIZES.items():
        yield {
            "name": name,
            "source": "bundled",
            "parameters": _count(name),
            "accuracy": _accuracy(name),
            "weights": "DEFAULT",
            "image_size": size,
        }


def _torchvision() -> Iterator[dict[str, Any]]:
    import torchvision

    for name in torchvision.models.list_models(module=torchvision.models):
        entries = torchvision.models.get_model_weights(name)
        best = entries.DEFAULT
        yield {
            "name": name,
            "source": "torchvision",
            "parameters": best.meta["num_params"],
            "accuracy": best.meta["_metrics"]["ImageNet-1K"]["acc@1"] / 100,
            "weights": ", ".join([best.name, *(e.name for e in entries if e is not best)]),
            "image_size": best.transforms().crop_size[0],
        }


def _count(name: str) -> int | None:
    """Return how many parameters the bundled weights hold, read off the file's head."""
    from safetensors import safe_open

    path = WEIGHTS / f"{name}.safetensors"
    if not path.is_file():
        return None
    with safe_open(path, framework="np") as file:
        count: int = sum(math.prod(file.get_slice(key).get_shape()) for key in file.keys())  # noqa: SIM118
    return count


def _accuracy(name: str) -> float:
    """Return the accuracy that a bundled network's card tells, NaN without a card."""
    path = WEIGHTS / f"{name}.md"
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    found = re.search(r"^Accuracy: ([\d.]+\d)", text, re.MULTILINE)
    return float(found[1]) if found else math.nan
