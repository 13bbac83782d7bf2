"""Whether anything differs between filters: tests by shuffling filters, and by flipping images."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

TURNS = 1000
"""Shuffles, and flips, that a test draws."""
PLACES, LEAST = 4096, 16
"""Filters times groups of images that one shuffle takes, about, and groups at the least."""
FLIPPED = 100
"""Groups of images that are flipped, at the most."""
AT_ONCE = 1 << 19
"""Numbers that are shuffled at once."""
ROUNDING = 1e-9
"""Share by which sums of the same numbers in another order may differ."""


def differing(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Return (M,) images on which the filters of (F, M) values are not all alike."""
    return np.asarray((values != values[:1]).any(axis=0))


def difference_p_value(values: NDArray[Any], seed: int = 0) -> float:
    """Return how likely filters that do not differ differ as much as these: the larger of two p.

    Cochran's Q by shuffling the filters within each image asks whether the filters are
    interchangeable, and is exact if they are. Filters of one mean need not be: some act alike on
    images of a kind, and then Q calls far more than one bank of twenty different (Myers and others,
    *Repeated measurements on a dichotomous variable: Q and F tests*, Psychological Bulletin 92,
    1982; from images of `shapes` and tiny-alexnet drawn again and again, up to five of twenty).
    Flipping images keeps how filters go together, and its p holds there; so both have to agree.

    Parameters
    ----------
    values
        (F, M): right or wrong, or real numbers.

    Returns
    -------
    float
        p, 1/1001 at the least; 1 where nothing differs, or nothing can.
    """
    return max(flipped_p_value(values, seed), shuffled_p_value(values, seed))


def flipped_p_value(values: NDArray[Any], seed: int = 0) -> float:
    """Return p of the same measure when what filters differ by changes its sign image by image.

    The test is exact where an image is as likely to have these differences as the opposite ones,
    and else right with many images, however filters go together. With two filters it is the sign
    test. Images fall at random into groups, whose sums are more even than they, and flip together.
    """
    images = np.flatnonzero(differing(values))
    if not len(images):
        return 1.0
    g = np.random.default_rng(seed)
    sums = _group_sums(values, g.permutation(images), FLIPPED).astype(np.float64)
    sums -= sums.mean(axis=1, keepdims=True)
    signs = g.choice((-1.0, 1.0), size=(TURNS, len(sums)))
    total = np.concatenate([sums.sum(axis=0, keepdims=True), signs @ sums])
    squares = (total * total).sum(axis=1)
    above = int((squares[1:] >= squares[0] * (1 - ROUNDING)).sum())
    return (1 + above) / (1 + TURNS)


def shuffled_p_value(values: NDArray[Any], seed: int = 0) -> float:
    """Return how likely filters that are interchangeable on every image differ as much as these.

    The measure is the sum over filters of the square of what they add up to; of right and wrong it
    orders as Cochran's Q does. p is (1 + shuffles at or above it) / (1 + shuffles).

    Images on which all filters are alike say nothing. The others fall at random into groups, of one
    image each where they are few, and each shuffle turns the filters of every group around a circle
    by a random number of places. Such turns are a subgroup of the permutations within each image,
    so the test is exact likewise; a thousand of all permutations cost ten times as much, and those
    of all images a hundred times, and judge no better.
    """
    F = len(values)
    images = np.flatnonzero(differing(values))
    if not len(images):
        return 1.0
    g = np.random.default_rng(seed)
    exact = values.dtype.kind in "bi"
    sums = _group_sums(values, g.permutation(images), max(LEAST, PLACES // F))
    if not exact:  # for precision: what a group adds to all filters alike changes no order
        sums -= sums.mean(axis=1, keepdims=True)
    found = _squares(sums[np.newaxis])[0]
    limit = found if exact else found * (1 - ROUNDING)
    turned = np.lib.stride_tricks.sliding_window_view(np.tile(sums, 2), F, axis=1)
    each = np.arange(len(sums))
    above, left = 0, TURNS
    while left:
        now = min(left, max(1, AT_ONCE // sums.size))
        shuffled = turned[each, g.integers(F, size=(now, len(sums)))]
        above += int((_squares(shuffled) >= limit).sum())
        left -= now
    return (1 + above) / (1 + TURNS)


def _group_sums(values: NDArray[Any], images: NDArray[np.int64], groups: int) -> NDArray[Any]:
    """Return (group, F) what filters add up to in each of so many groups, or of as many images."""
    dtype = np.int64 if values.dtype.kind in "bi" else np.float64
    parts = np.array_split(images, min(len(images), groups))
    return np.stack([values[:, part].sum(axis=1, dtype=dtype) for part in parts])


def _squares(sums: NDArray[Any]) -> NDArray[Any]:
    """Return (N,) the sum over filters of the squares of what (N, group, filter) add up to."""
    total = sums.sum(axis=1)
    return np.asarray((total * total).sum(axis=1))
