"""Between which places a filter's true rank lies: from the differences of all pairs of filters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from carviz.results.statistics import sign_test

LEVEL = 0.05
AT_ONCE = 4096
"""Images whose values are turned into floats at once."""
PSEUDO = 3.0
"""Images that are added to the spread of each pair's differences, not to their mean, with a
difference as large as the largest that any two filters of the bank have: three images that never
came have a chance of 5% (the rule of three). Falls of log p lie in so few images that without them
filters of equal means are told apart by large falls that just one of them has met: of 40, 100 and
320 images drawn from 6,400 of *shapes*, with all means of its first bank made equal, all true ranks
were held in 9, 21 and 60% of 200 draws, and in all with them."""


def rank_intervals(higher: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return (F,) and (F,): the highest and the lowest place that a filter may have.

    One more than the number of filters that are surely higher, and F less the number of those that
    are surely lower. Where `higher` errs in a pair in one bank of twenty, all true ranks lie
    between these in 95% of banks (Mogstad, Romano, Shaikh and Wilhelm, *Inference for ranks with
    applications to mobility across neighbourhoods and academic achievement across countries*,
    Review of Economic Studies 91, 2024).

    Parameters
    ----------
    higher
        (F, F) whether the filter of the row is surely higher than that of the column.
    """
    return 1 + higher.sum(axis=0), len(higher) - higher.sum(axis=1)


def surely_higher(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Return (F, F) whether a filter's mean is surely above another's, all pairs at 95% at once.

    Right and wrong (bool): the exact sign test of the images on which just one of the two is right.
    Real numbers: Student's t of the paired differences, with `PSEUDO` images more in their spread.
    Holm's correction runs over all pairs.

    The sign test would not do for real numbers: it compares medians, and falls of log p of many
    small ones and few large ones have means in one order and medians in the other.

    Parameters
    ----------
    values
        (F, M): filters with the larger sums are the higher ones.
    """
    F = len(values)
    above, below = np.triu_indices(F, 1)
    if values.dtype == np.bool_:
        difference, p_values = _signs(values, above, below)
    else:
        difference, p_values = _means(values, above, below)
    sure = holm(p_values) & (difference != 0)
    higher = np.zeros((F, F), dtype=np.bool_)
    higher[above, below] = sure & (difference > 0)
    higher[below, above] = sure & (difference < 0)
    return higher


def holm(p_values: NDArray[np.float64], level: float = LEVEL) -> NDArray[np.bool_]:
    """Return which hypotheses fall, at `level` for all of them together (Holm's steps)."""
    order = np.argsort(p_values, kind="stable")
    passed = p_values[order] <= level / np.arange(len(order), 0, -1)
    first = len(order) if passed.all() else int(np.argmin(passed))
    fallen = np.zeros(len(order), dtype=np.bool_)
    fallen[order[:first]] = True
    return fallen


def _signs(
    right: NDArray[np.bool_], above: NDArray[np.int64], below: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return by how many images the first of each pair is better, and the sign test's p."""
    both = np.zeros((len(right), len(right)))
    for part in _parts(right, np.float32):  # whole numbers, exact in it
        both += part @ part.T
    count = both.diagonal()
    only_first = count[above] - both[above, below]
    only_second = count[below] - both[above, below]
    # Counts repeat in most pairs, and a p is dear.
    pairs, place = np.unique(only_first + 1j * only_second, return_inverse=True)
    p_values = sign_test(pairs.real, pairs.imag)[place]
    return only_first - only_second, p_values


def _means(
    values: NDArray[Any], above: NDArray[np.int64], below: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return by how much the first of each pair is better, on average, and Student's p."""
    from scipy.special import stdtr  # not scipy.stats: see `sign_test`

    F, M = values.shape
    mean = values.mean(axis=1, dtype=np.float64)
    difference = mean[above] - mean[below]
    if M == 1:
        return difference, np.ones(len(above))
    squares = np.zeros((F, F))
    for part in _parts(values, np.float64):
        # What an image adds to all filters is in no difference, and would only cost digits.
        part -= mean[:, np.newaxis]
        part -= part.mean(axis=0)
        squares += part @ part.T
    own = squares.diagonal()
    both = own[above] + own[below]
    largest = float(np.ptp(values, axis=0).max())
    spread = np.maximum(both - 2 * squares[above, below], 0) + PSEUDO * largest**2
    t = np.abs(difference) / np.sqrt(np.where(spread > 0, spread, 1) / (M * (M - 1)))
    return difference, np.where(spread > 0, 2 * stdtr(M - 1, -t), 1.0)


def _parts(values: NDArray[Any], dtype: type) -> Iterator[NDArray[Any]]:
    for start in range(0, values.shape[1], AT_ONCE):
        yield values[:, start : start + AT_ONCE].astype(dtype)
