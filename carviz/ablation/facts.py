"""Chunks of images that are measured together, and what comes of one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Tick = Callable[[int], None]
"""Told after every batch how many (filter, image) pairs were done; what it raises ends the run."""


@dataclasses.dataclass(frozen=True)
class Facts:
    """What one chunk of m images says: axes filter (F) and image (m).

    Parameters
    ----------
    targets
        (m,) true class.
    baseline
        (m,) predicted class.
    predictions
        (F, m) predicted class without the filter.
    drop
        (F, m) fall of log p(true class), in nats.
    """

    targets: NDArray[np.int64]
    baseline: NDArray[np.int32]
    predictions: NDArray[np.int32]
    drop: NDArray[np.float64]

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Return the facts of several blocks of images as one."""
        names = [field.name for field in dataclasses.fields(cls)]
        return cls(*(np.concatenate([getattr(p, n) for p in parts], axis=-1) for n in names))


@dataclasses.dataclass(frozen=True, eq=False)
class Chunk:
    """Images that are measured together and merged as one.

    Parameters
    ----------
    place
        The chunk's place in the order of chunks.
    numbers
        (m,) the images' numbers in the data.
    images, targets
        ``(image, channel, height, width)`` and ``(image,)``, on the CPU, or where they will run.
    bank
        Which of the banks that are measured together it is run for: its place among them.
    objects
        (m,) what is true of each image, where a label does not say it: `targets` are then digests.
    """

    place: int
    numbers: list[int]
    images: Tensor
    targets: Tensor
    bank: int = 0
    objects: list[Any] | None = None
