"""*ShapesAndColors*: images whose classes are known to be about shape or about color.

The data set on which the network `shapes` was trained and on which carviz can be checked: whoever
says that a filter serves colors can look up, in `ShapesAndColors.kinds`, which classes are colors.
Nothing is downloaded; `carviz.zoo.drawing` draws every picture from a seed.
"""

from __future__ import annotations

import operator
import threading
from collections import OrderedDict
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from carviz.zoo.drawing import HUES, SHAPES, SIZE, draw

CLASSES: tuple[str, ...] = (*SHAPES, *HUES)
"""Class names; a label is a place in this tuple."""

KINDS: MappingProxyType[str, Literal["shape", "color"]] = MappingProxyType(
    {name: "shape" if name in SHAPES else "color" for name in CLASSES}
)
"""What each class is about."""

MEAN: tuple[float, float, float] = (0.5, 0.5, 0.5)
STD: tuple[float, float, float] = (0.1, 0.1, 0.1)
"""Images are normalised as ``(rgb - MEAN) / STD``.

The three channels share one mean and one standard deviation, about those of the pictures, so that
grey stays grey: other values would tilt the plane of colors against (1, 1, 1).
"""

TEST_SEED = 0
"""The default seed: the images on which the figures of the network's card were measured."""

TRIAL_SEED = 1
"""The seed of the images on which recipes were tried before one was chosen."""

TRAINING_SEED = 1000
"""The seed of the images that the bundled network was trained on."""

_LABELS, _PICTURES = 0, 1
"""Which stream of random numbers of a seed is for what."""


class ShapesAndColors(Dataset[tuple[torch.Tensor, int]]):
    """Drawn images, 64 x 64 RGB, of 10 classes defined by shape and 6 defined by color.

    A shape differs from its ground in luminance only, a color in hue only (see
    `carviz.zoo.drawing`). Images 0 to 15 hold each class once, and so do the next 16, so that
    classes are balanced to within one image; image `i` depends on `seed` and `i` alone, so that a
    larger data set begins with the smaller one.

    Parameters
    ----------
    count
        How many images; 2,000 take about two seconds to draw, and 98 MB in memory. Pictures are
        kept for the process, so that a second data set of the same seed costs next to nothing.
    seed
        Which images. The bundled network was trained on seed 1000 (`TRAINING_SEED`); the default,
        0, and every other seed give images on which it was never trained.

    Attributes
    ----------
    images : torch.Tensor
        Normalised images, float32, (count, 3, 64, 64).
    targets : torch.Tensor
        Labels, int64, (count,).
    classes : tuple of str
        Class names, (16,).
    kinds : dict
        Class name -> "shape" or "color".
    mean, std : tuple of float
        What the images were normalised with, red, green and blue, for RGB values in [0, 1].

    Raises
    ------
    TypeError
        If `count` or `seed` is no integer.
    ValueError
        If `count` is below 1 or `seed` below 0.

    Examples
    --------
    >>> data = ShapesAndColors(count=32)
    >>> image, label = data[0]
    >>> tuple(image.shape), data.kinds[data.classes[label]] in ("shape", "color")
    ((3, 64, 64), True)
    """

    def __init__(self, *, count: int = 2000, seed: int = TEST_SEED) -> None:
        self.opened: dict[str, Any] | None = None
        self.count = _integer("count", count, least=1)
        self.seed = _integer("seed", seed, least=0)
        self.classes = CLASSES
        self.kinds = dict(KINDS)
        self.mean = MEAN
        self.std = STD
        self.targets = torch.from_numpy(draw_labels(self.seed, 0, self.count))
        self._pictures = _drawn.pictures(self.seed, self.count)
        self.images = _normalise(self._pictures)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        """Return a normalised image (3, 64, 64) and its label; IndexError outside the data."""
        return self.images[index], int(self.targets[index])

    def __repr__(self) -> str:
        return f"{type(self).__name__}(count={self.count}, seed={self.seed})"

    def picture(self, index: int) -> NDArray[np.float32]:
        """Return the picture as drawn, for looking at.

        Returns
        -------
        numpy.ndarray
            RGB in [0, 1], float32, (height, width, 3).
        """
        picture: NDArray[np.float32] = self._pictures[index].astype(np.float32) / np.float32(255)
        return picture


def _integer(name: str, value: int, *, least: int) -> int:
    """Return `value` as an int, or raise an error that says what is wrong with it."""
    try:
        number = operator.index(value)
    except TypeError as error:
        raise TypeError(_complaint(name, value, least)) from error
    if isinstance(value, bool):
        raise TypeError(_complaint(name, value, least))
    if number < least:
        raise ValueError(_complaint(name, value, least))
    return number


def _complaint(name: str, value: object, least: int) -> str:
    return (
        f"{name} must be an integer of at least {least}, found {value!r} "
        f"({type(value).__name__}); ShapesAndColors(count=2000, seed=0) are the defaults"
    )


def draw_labels(seed: int, start: int, stop: int) -> NDArray[np.int64]:
    """Draw the labels of the images from `start` up to `stop`, int64, (image,).

    Images 0 to 15 hold the classes in a random order, and so does every further block of 16.
    """
    size = len(CLASSES)
    blocks = range(start // size, -(-stop // size))
    orders = [np.random.default_rng((seed, _LABELS, block)).permutation(size) for block in blocks]
    first = blocks.start * size
    return np.concatenate(orders)[start - first : stop - first].astype(np.int64)


def draw_pictures(seed: int, start: int, stop: int) -> NDArray[np.uint8]:
    """Draw the pictures from `start` up to `stop`: eight bits, (picture, height, width, 3)."""
    pictures = np.empty((stop - start, SIZE, SIZE, 3), np.uint8)
    labels = draw_labels(seed, start, stop)
    for index, (number, label) in enumerate(zip(range(start, stop), labels, strict=True)):
        rng = np.random.default_rng((seed, _PICTURES, number))
        np.rint(draw(CLASSES[label], rng).picture * 255, out=pictures[index], casting="unsafe")
    return pictures


def _normalise(pictures: NDArray[np.uint8]) -> torch.Tensor:
    """Return normalised images, float32, (image, channel, height, width)."""
    images = torch.from_numpy(pictures.transpose(0, 3, 1, 2).astype(np.float32, order="C"))
    for channel, (mean, std) in enumerate(zip(MEAN, STD, strict=True)):
        images[:, channel].sub_(255 * mean).div_(255 * std)
    return images


class _Drawn:
    """The pictures drawn so far in this process, of the last two seeds that were asked for."""

    def __init__(self, seeds: int = 2) -> None:
        self._limit = seeds
        self._kept: OrderedDict[int, NDArray[np.uint8]] = OrderedDict()
        self._lock = threading.Lock()

    def pictures(self, seed: int, count: int) -> NDArray[np.uint8]:
        """Return the first `count` pictures of `seed`, read-only: data sets share them."""
        with self._lock:
            kept = self._kept.pop(seed, np.empty((0, SIZE, SIZE, 3), np.uint8))
            if len(kept) < count:
                kept = np.concatenate([kept, draw_pictures(seed, len(kept), count)])
                kept.flags.writeable = False
            self._kept[seed] = kept
            while len(self._kept) > self._limit:
                self._kept.popitem(last=False)
            return kept[:count]


_drawn = _Drawn()
