"""What a set of filters does beyond its members: statistics of a contrast of each image.

The contrast of image m is what removing the set does there, less what removing each member alone
does, summed up. Its mean is what is tested, and has an interval. A whole number where answers are
right or wrong, any number of falls of log p.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from carviz.results.statistics import benjamini_hochberg

Floats = NDArray[np.float64]

PSEUDO = 3.0
"""Images that are added to the spread, not to the mean, each with a contrast as large as those
seen. Where few images have one, what was not seen yet may be as much: three that never came have a
chance of 5% (the rule of three)."""
BLOCK = 2**22
"""Contrasts that are in memory at once: 32 MiB."""
MOST_EXACT = 2000
"""Largest sum of absolute contrasts whose sign flips are counted out; above it t's p is as good."""
FLIPS, SEED = 10_000, 0
"""Seeded sign flips of contrasts that are no whole numbers."""
BORDER = (0.001, 0.2)
"""Where t's p-value is between these, sign flips decide."""
TIED = 1e-9
"""Share by which sums of sign flips may differ by rounding."""


def contrasts(
    together: NDArray[np.floating | np.integer], alone: NDArray[np.floating | np.integer],
    sets: Sequence[NDArray[np.int64]],
) -> Iterator[tuple[slice, Floats]]:  # fmt: skip
    """Yield the contrasts of sets, some sets at a time: which of them, and (set, image).

    Parameters
    ----------
    together
        (S, M) what removing each set does to each image.
    alone
        (F, M) what removing each filter alone does.
    sets
        S arrays of rows of `alone`.
    """
    step = max(1, BLOCK // max(1, together.shape[1]))
    for start in range(0, len(sets), step):
        part = slice(start, start + step)
        found = together[part].astype(np.float64)
        for row, members in enumerate(sets[part]):
            # A set of one is its filter: exactly nothing is beyond it.
            found[row] = 0.0 if len(members) == 1 else found[row] - _summed(alone, members)
        yield part, found


def _summed(alone: NDArray[np.floating | np.integer], members: NDArray[np.int64]) -> Floats:
    return np.asarray(alone[members].sum(axis=0, dtype=np.float64))


def excess_numbers(
    together: NDArray[np.floating | np.integer], alone: NDArray[np.floating | np.integer],
    sets: Sequence[NDArray[np.int64]], *, whole: bool,
) -> dict[str, Floats]:  # fmt: skip
    """Return what is known of sets beyond their members: (S,) each.

    Parameters
    ----------
    together, alone, sets
        As in `contrasts`.
    whole
        Whether contrasts are whole numbers.

    Returns
    -------
    dict
        excess, the mean contrast; low and high, its 95% interval (Student's t, with `PSEUDO`
        images added to the spread, so that a set without a contrast has an interval and not ±0;
        NaN where no number says how large one would be); p_value, of sign flips: all of them
        where contrasts are whole numbers, 10,000 seeded ones near the border else, and t's
        elsewhere; q_value (Benjamini-Hochberg over all sets). A set of one filter is exactly that
        filter: excess, low and high are 0, and there is nothing to test (NaN).
    """
    names = ("excess", "low", "high", "p_value")
    numbers = {name: np.full(len(sets), np.nan) for name in names}
    for part, found in contrasts(together, alone, sets):
        excess, low, high = interval(found, 1.0 if whole else None)
        p_value = t_test(found)
        if whole:
            for row, values in enumerate(found):
                p_value[row] = sign_flips_exact(values, p_value[row])
        else:
            near = (p_value >= BORDER[0]) & (p_value <= BORDER[1])
            p_value[near] = sign_flips(found[near])
        for name, values in zip(names, (excess, low, high, p_value), strict=True):
            numbers[name][part] = values
    alone_there = np.array([len(members) == 1 for members in sets])
    for name, value in (("low", 0.0), ("high", 0.0), ("p_value", np.nan)):
        numbers[name][alone_there] = value
    return {**numbers, "q_value": benjamini_hochberg(numbers["p_value"])}


def interval(values: Floats, least: float | None) -> tuple[Floats, Floats, Floats]:
    """Return the mean of contrasts (S, M), and its 95% interval, (S,) each.

    Parameters
    ----------
    least
        The size of a contrast at least; None where any number may be one.
    """
    from scipy.special import stdtrit

    M = values.shape[1]
    mean = values.mean(axis=1)
    seen = (values != 0).sum(axis=1)
    squares = np.square(values).sum(axis=1)
    size = np.where(seen > 0, squares / np.maximum(seen, 1), np.nan)
    if least is not None:
        size = np.fmax(size, least**2)
    if M < 2:
        return mean, np.full_like(mean, np.nan), np.full_like(mean, np.nan)
    spread = np.square(values - mean[:, None]).sum(axis=1) + PSEUDO * size
    reach = stdtrit(M - 1, 0.975) * np.sqrt(spread / (M - 1) / M)
    return mean, mean - reach, mean + reach


def t_test(values: Floats) -> Floats:
    """Return (S,) Student's two-sided p-value of contrasts (S, M); 1 where all are 0."""
    from scipy.special import stdtr

    M = values.shape[1]
    total, squares = values.sum(axis=1), np.square(values).sum(axis=1)
    rest = squares - total**2 / M  # M - 1 times the variance
    with np.errstate(divide="ignore", invalid="ignore"):
        t = total / np.sqrt(M * np.maximum(rest, 0) / max(M - 1, 1))
    p = 2 * stdtr(max(M - 1, 1), -np.abs(t))
    return np.where(squares == 0, 1.0, p) if M > 1 else np.ones(len(values))


def sign_flips_exact(values: Floats, otherwise: float) -> float:
    """Return the exact two-sided p-value of contrasts (M,), whole numbers, under all sign flips.

    That is the chance that the sum is as far from zero if each contrast had either sign alike.
    `otherwise` stands where there are so many that Student's p is as good.
    """
    from scipy.special import gammaln

    sizes, counts = np.unique(np.abs(values[values != 0]).astype(np.int64), return_counts=True)
    most = int(sizes @ counts)
    if most == 0:
        return 1.0
    if most > MOST_EXACT:
        return otherwise
    chances = np.ones(1)  # that the positive ones sum up to 0, 1, …
    for size, count in zip(sizes.tolist(), counts.tolist(), strict=True):
        k = np.arange(count + 1)
        tosses = gammaln(count + 1) - gammaln(k + 1) - gammaln(count - k + 1) - count * np.log(2)
        step = np.zeros(size * count + 1)
        step[::size] = np.exp(tosses)
        chances = np.convolve(chances, step)
    far = np.abs(2 * np.arange(most + 1) - most) >= abs(round(float(values.sum())))
    return float(min(1.0, chances[far].sum()))


def sign_flips(values: Floats) -> Floats:
    """Return the two-sided p-value of contrasts (S, M) under seeded sign flips, (S,)."""
    if not len(values):
        return np.zeros(0)
    M, draw = values.shape[1], np.random.default_rng(SEED)
    seen = np.abs(values.sum(axis=1)) * (1 - TIED)
    as_far, step = np.zeros(len(values)), max(1, BLOCK // (M + len(values)))
    for start in range(0, FLIPS, step):
        count = min(step, FLIPS - start)
        signs = 2.0 * draw.integers(0, 2, (count, M), np.int8) - 1.0
        as_far += (np.abs(signs @ values.T) >= seen).sum(axis=0)
    return np.asarray((as_far + 1) / (FLIPS + 1))
