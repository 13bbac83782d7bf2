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
"""Images that are added to the spread, not to the mean, each with a contrast as large as the
largest seen. What has not been seen yet may be as much: three images that never came have a chance
of 5% (the rule of three). Falls of log p lie in so few images of a network that is mostly sure that
without them Student's interval covers 85% instead of 95% where there are 100 images."""
BLOCK = 2**22
"""Contrasts that are in memory at once: 32 MiB."""
MOST_EXACT = 2000
"""Largest sum of absolute contrasts whose sign flips are counted out; above it t's p is as good."""


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
        NaN where no number says how large one would be); p_value, exact by all sign flips of the
        contrasts where they are whole numbers, else Student's with the same spread (few images
        with large falls are not symmetric, as sign flips want them); q_value
        (Benjamini-Hochberg over all sets). A set of one filter is exactly that filter: excess, low
        and high are 0, and there is nothing to test (NaN).
    """
    names = ("excess", "low", "high", "p_value")
    numbers = {name: np.full(len(sets), np.nan) for name in names}
    for part, found in contrasts(together, alone, sets):
        excess, low, high, p_value = student(found, 1.0 if whole else 0.0)
        if whole:
            for row, values in enumerate(found):
                p_value[row] = sign_flips(values, p_value[row])
        for name, values in zip(names, (excess, low, high, p_value), strict=True):
            numbers[name][part] = values
    alone_there = np.array([len(members) == 1 for members in sets])
    for name, value in (("low", 0.0), ("high", 0.0), ("p_value", np.nan)):
        numbers[name][alone_there] = value
    return {**numbers, "q_value": benjamini_hochberg(numbers["p_value"])}


def student(values: Floats, least: float) -> tuple[Floats, Floats, Floats, Floats]:
    """Return the mean of contrasts (S, M), its 95% interval and two-sided p, (S,) each.

    `least` is the size of a contrast at the least, 0 where any number may be one.
    """
    from scipy.special import stdtr, stdtrit

    M = values.shape[1]
    mean = values.mean(axis=1)
    largest = np.fmax(np.abs(values).max(axis=1), least)
    spread = np.square(values - mean[:, None]).sum(axis=1) + PSEUDO * np.square(largest)
    unknown = (spread == 0) | (M < 2)
    error = np.sqrt(np.where(unknown, np.nan, spread) / max(M - 1, 1) / M)
    reach = stdtrit(max(M - 1, 1), 0.975) * error
    p_value = np.where(unknown, 1.0, 2 * stdtr(max(M - 1, 1), -np.abs(mean) / error))
    return mean, mean - reach, mean + reach, p_value


def sign_flips(values: Floats, otherwise: float) -> float:
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
