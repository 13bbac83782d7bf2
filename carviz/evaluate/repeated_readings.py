"""Whether data gives the same image at each reading: its transform is looked at, then tried."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import nn

from carviz.evaluate.class_names import layers

TWICE = 24
"""Images that are read twice. An augmentation that strikes each reading with probability 0.1
shows in one of them in 99 of 100 tries: two readings differ with probability 0.18 then."""

RANDOM = frozenset(
    {
        *("AugMix", "AugMixAugment", "AutoAugment", "ColorJitter", "ElasticTransform"),
        *("ScaleJitter", "TrivialAugmentWide"),
    }
)
"""Random steps whose names do not begin with Rand."""
CERTAIN = frozenset(
    {
        *("RandomAdjustSharpness", "RandomAutocontrast", "RandomEqualize", "RandomGrayscale"),
        *("RandomHorizontalFlip", "RandomInvert", "RandomPosterize", "RandomSolarize"),
        *("RandomVerticalFlip",),
    }
)
"""Steps that draw nothing but whether they strike: with p = 1 they always give the same."""

ATTRIBUTES = ("transform", "transforms", "_transform")


def readings_of(images: int) -> int:
    """Return how often each of the tried images is read, so that all of them see as many pairs."""
    return max(2, -(-2 * TWICE // max(1, images)))


def random_step(data: Any) -> str:
    """Return the first random step in the transform of data or of what it wraps; "" if none."""
    for layer in layers(data):
        for name in ATTRIBUTES:
            for step in _steps(getattr(layer, name, None)):
                if _is_random(step):
                    return type(step).__name__
    return ""


def flatten(transform: Any) -> Iterator[Any]:
    """Yield the steps of a transform, those inside its compositions too."""
    if transform is None:
        return
    inner = getattr(transform, "transforms", None)
    if isinstance(inner, (list, tuple, nn.ModuleList)):
        for step in inner:
            yield from flatten(step)
    elif isinstance(transform, nn.Sequential):
        for step in transform:
            yield from flatten(step)
    else:
        yield transform


def _steps(transform: Any, depth: int = 0) -> Iterator[Any]:
    """Yield steps and compositions: a composition may be random itself (RandomApply)."""
    if transform is None or depth > 10:
        return
    yield transform
    inner = getattr(transform, "transforms", None)
    if inner is None and isinstance(transform, nn.Sequential):
        inner = list(transform)
    if isinstance(inner, (list, tuple, nn.ModuleList)):
        # What a step of chance 0 holds never strikes.
        for step in () if _chance(transform) == 0 else inner:
            yield from _steps(step, depth + 1)
    elif inner is None:
        # torchvision's data sets hold a pair of transforms, for images and for labels.
        yield from _steps(getattr(transform, "transform", None), depth + 1)


def _is_random(step: Any) -> bool:
    name = type(step).__name__
    if not (name.startswith("Rand") or name in RANDOM):  # RandFlip in MONAI
        return False
    chance = _chance(step)
    return not (chance == 0 or (chance == 1 and name in CERTAIN))


def _chance(step: Any) -> float | None:
    chances = (getattr(step, name, None) for name in ("p", "prob", "probability"))
    return next((float(c) for c in chances if isinstance(c, (int, float))), None)
