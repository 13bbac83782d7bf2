"""Which mean and standard deviation the preprocessing took out of raw RGB. Found once, here."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import ConcatDataset

from carviz.evaluate.class_names import layers
from carviz.evaluate.images import Images
from carviz.evaluate.repeated_readings import flatten

Triple = tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class Normalization:
    """The network reads (raw - mean) / std, channel by channel; raw RGB is in [0, 1].

    Parameters
    ----------
    mean, std
        One number a channel.
    source
        Where they were found, in words: results say so.
    """

    mean: Triple
    std: Triple
    source: str

    def to_rgb(self, images: Tensor) -> Tensor:
        """Return raw pictures ``(image, channel, height, width)`` in [0, 1]."""
        shape = (-1, 1, 1)
        mean = torch.tensor(self.mean, dtype=images.dtype, device=images.device).view(shape)
        std = torch.tensor(self.std, dtype=images.dtype, device=images.device).view(shape)
        return (images * std + mean).clamp(0, 1)


def find_normalization(
    data: Any = None, model: Any = None, normalize: tuple[Any, Any] | None = None
) -> Normalization | None:
    """Return the preprocessing's mean and std, or None where nothing says them.

    Looked at in this order: `normalize` = (mean, std); ``data.mean`` and ``data.std``; a Normalize
    in ``data.transform`` (torchvision's weights presets too); ``model.normalize``, as the models
    of `carviz.load_model` carry it. Wrappers (DataLoader, Subset) are looked through; of chained
    data sets that differ there is none.

    Raises
    ------
    ValueError
        If `normalize` is not a pair of as many numbers each, or a std is not positive.
    """
    if normalize is not None:
        return _checked(normalize, "normalize=(mean, std)")
    source = data.source if isinstance(data, Images) else data
    for layer in layers(source):
        if isinstance(layer, ConcatDataset):
            parts = [find_normalization(part, model) for part in layer.datasets]
            ways = {None if part is None else (part.mean, part.std) for part in parts}
            return parts[0] if len(ways) == 1 else None
        if _has_both(layer):
            return _checked((layer.mean, layer.std), "the data's mean and std")
        found = [t for t in flatten(getattr(layer, "transform", None)) if _has_both(t)]
        if len(found) == 1:
            name = type(found[0]).__name__
            return _checked((found[0].mean, found[0].std), f"{name} in the data's transform")
    carried = getattr(model, "normalize", None)
    if isinstance(carried, tuple) and len(carried) == 2:
        return _checked(carried, "the model's own preprocessing")
    return None


def _has_both(thing: Any) -> bool:
    pair = (getattr(thing, "mean", None), getattr(thing, "std", None))
    return all(isinstance(x, (tuple, list, Tensor)) for x in pair)


def _checked(pair: Any, source: str) -> Normalization:
    try:
        mean, std = (tuple(float(x) for x in part) for part in pair)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"normalize is a pair (mean, std) of one number a channel each; found {pair!r}."
        ) from error
    if len(mean) != len(std) or not all(s > 0 for s in std) or any(m != m for m in mean):
        raise ValueError(
            f"normalize is (mean, std), as many numbers each, every std positive; found {pair!r}."
        )
    return Normalization(mean, std, source)
