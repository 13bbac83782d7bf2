"""Whether anything differs between filters: their values shuffled within each image, many times."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

SHUFFLES = 1000
PLACES, LEAST = 4096, 16
"""Filters times groups of images that one shuffle takes, about, and groups at the least."""
AT_ONCE = 1 << 19
"""Numbers that are shuffled at once."""
ROUNDING = 1e-9
"""Share by which sums of the same numbers in another order may differ."""


def differing(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Return (M,) images on which the filters of (F, M) values are not all alike."""
    return np.asarray((values != values[:1]).any(axis=0))


def shuffled_p_value(values: NDArray[Any], seed: int = 0) -> float:
    """Return how likely filters that are interchangeable on every image differ as much as these.

    The measure is the sum over filters of the square of what they add up to; of right and wrong it
    orders as Cochran's Q does. p is (1 + shuffles at or above it) / (1 + shuffles).

    Images on which all filters are alike say nothing. The others fall at random into groups, of one
    image each where they are few, and each shuffle turns the filters of every group around a circle
    by a random number of places. Such turns are a subgroup of the permutations within each image,
    so the test is exact likewise; a thousand of all permutations cost ten times as much, and those
    of all images a hundred times, and judge no better.

    Parameters
    ----------
    values
        (F, M): right or wrong, or real numbers.

    Returns
    -------
    float
        p, 1/1001 at the least; 1 where nothing differs, or nothing can.
    """
    F = len(values)
    images = np.flatnonzero(differing(values))
    if not len(images):
        return 1.0
    g = np.random.default_rng(seed)
    groups = np.array_split(g.permutation(images), min(len(images), max(LEAST, PLACES // F)))
    exact = values.dtype.kind in "bi"
    dtype = np.int64 if exact else np.float64
    sums = np.stack([values[:, group].sum(axis=1, dtype=dtype) for group in groups])
    if not exact:  # for precision: what a group adds to all filters alike changes no order
        sums -= sums.mean(axis=1, keepdims=True)
    found = _squares(sums[np.newaxis])[0]
    limit = found if exact else found * (1 - ROUNDING)
    turned = np.lib.stride_tricks.sliding_window_view(np.tile(sums, 2), F, axis=1)
    each = np.arange(len(sums))
    above, left = 0, SHUFFLES
    while left:
        now = min(left, max(1, AT_ONCE // sums.size))
        shuffled = turned[each, g.integers(F, size=(now, len(sums)))]
        above += int((_squares(shuffled) >= limit).sum())
        left -= now
    return (1 + above) / (1 + SHUFFLES)


def _squares(sums: NDArray[Any]) -> NDArray[Any]:
    """Return (N,) the sum over filters of the squares of what (N, group, filter) add up to."""
    total = sums.sum(axis=1)
    return np.asarray((total * total).sum(axis=1))
