"""Honest numbers for paired differences of a score: an interval, and a test.

A difference is one image's score with everything less that under an ablation, in [-1, 1].
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FLIPS = 10_000
"""Random flips of all signs that a p-value near the border is taken of."""
BORDER = (0.001, 0.2)
"""Between these p-values of t signs are flipped."""
FEW = 13
"""Differences that are not 0 up to which all flips of their signs are looked at."""
SEED = 0
AT_ONCE = 2**22
"""Signs that are held at once."""

Floats = NDArray[np.float64]


def score_interval(differences: NDArray[np.float64], scale: float) -> tuple[Floats, Floats]:
    """Return the 95% interval (low, high), each (R,), of the mean of (R, M) paired differences.

    It is mean ± t·sd/√M, in which as Agresti and Min have it for counts (2005; see
    `carviz.results.statistics.paired_stderr`) two images more are counted: half a one of each of
    the differences +scale and −scale, and one of 0. So a row of which nothing moved has an interval
    as well, by what a single image could have moved it; of right and wrong, with `scale` 1, it is
    Agresti and Min's but for t, which is wider where images are few.

    Parameters
    ----------
    scale
        How far a score moves where it moves: the largest of all rows, 1 where none did.
    """
    N = differences.shape[1] + 2.0
    total = differences.sum(1)
    squares = (differences**2).sum(1) + scale**2
    stderr = np.sqrt(np.maximum(squares - total**2 / N, 0)) / N
    width = _quantile(N - 1) * stderr
    return np.clip(total / N - width, -1, 1), np.clip(total / N + width, -1, 1)


def _quantile(freedom: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 0.975))


def score_test(differences: NDArray[np.float64]) -> Floats:
    """Return the (R,) two-sided p-values of the means of (R, M) paired differences.

    Under the null each difference is as likely to be the other way round. Where up to `FEW` images
    moved all flips of their signs are looked at, and p is exact; else p is that of Student's t, or,
    where that is within `BORDER`, of `FLIPS` seeded flips of all signs. 1 where nothing moved.
    """
    from scipy.special import stdtr

    M = differences.shape[1]
    p_value = np.ones(len(differences))
    moved = differences != 0
    counts = moved.sum(1)
    for row in np.flatnonzero((counts > 0) & (counts <= FEW)):
        p_value[row] = _exact(differences[row, moved[row]])
    many = np.flatnonzero(counts > FEW)
    if not len(many):
        return p_value
    rows = differences[many]
    with np.errstate(divide="ignore"):
        t = np.abs(rows.mean(1)) / (rows.std(1, ddof=1) / np.sqrt(M))
    p_value[many] = 2 * stdtr(M - 1, -t)
    near = many[(p_value[many] >= BORDER[0]) & (p_value[many] <= BORDER[1])]
    if len(near):
        p_value[near] = _flipped(differences[near])
    return p_value


def _exact(differences: Floats) -> float:
    """Return the share of all flips of signs whose sum is as far from 0."""
    count = len(differences)
    signs = 1 - 2.0 * ((np.arange(2**count)[:, None] >> np.arange(count)) & 1)
    sums = np.abs(signs @ differences)
    return float(np.mean(sums >= sums[0] - 1e-9 * np.abs(differences).sum()))


def _flipped(rows: Floats) -> Floats:
    """Return p-values of random flips of signs, the same for all rows."""
    random = np.random.default_rng(SEED)
    seen, least = np.abs(rows.sum(1)), 1e-9 * np.abs(rows).sum(1)
    as_far, done, M = np.ones(len(rows)), 0, rows.shape[1]
    step = max(1, AT_ONCE // M)
    while done < FLIPS:
        count = min(step, FLIPS - done)
        signs = 1.0 - 2.0 * random.integers(0, 2, (count, M), dtype=np.int8)
        as_far += (np.abs(signs @ rows.T) >= seen - least).sum(0)
        done += count
    return np.asarray(as_far / (FLIPS + 1))
