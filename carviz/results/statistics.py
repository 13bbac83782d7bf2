"""Honest numbers for few images: an interval, a test and a correction for paired counts.

Everything here works on two whole numbers a cell: the images that an ablation *lost* (right before,
wrong after) and those that it *gained* (wrong before, right after), out of *n*.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

SIGNIFICANT = 0.05
"""The q up to which a change is called sure."""
Z95 = 1.959963984540054
"""Standard normal quantile of a two-sided 95% interval."""


def _shifted(
    lost: ArrayLike, gained: ArrayLike, n: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Agresti-Min's estimate and its standard error: half a count added to each of four cells."""
    lost, gained, n = (np.asarray(a, dtype=np.float64) for a in (lost, gained, n))
    total = n + 2.0
    difference = lost - gained
    stderr = np.sqrt(lost + gained + 1.0 - difference**2 / total) / total
    empty = n == 0
    return np.where(empty, np.nan, difference / total), np.where(empty, np.nan, stderr)


def paired_stderr(lost: ArrayLike, gained: ArrayLike, n: ArrayLike) -> NDArray[np.float64]:
    """Return the standard error of an accuracy reduction, a fraction; NaN where n is 0.

    Agresti and Min, *Simple improved confidence intervals for comparing matched proportions*,
    Statistics in Medicine 24 (2005): half a count is added to each of the four cells, so that a
    filter without a flip has an interval and not ±0.
    """
    return _shifted(lost, gained, n)[1]


def paired_interval(
    lost: ArrayLike, gained: ArrayLike, n: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the 95% interval (low, high) of an accuracy reduction, in [-1, 1]; NaN where n is 0.

    Agresti and Min (2005), see `paired_stderr`. The interval's centre is (lost - gained)/(n + 2).
    """
    centre, stderr = _shifted(lost, gained, n)
    return np.clip(centre - Z95 * stderr, -1, 1), np.clip(centre + Z95 * stderr, -1, 1)


def sign_test(lost: ArrayLike, gained: ArrayLike) -> NDArray[np.float64]:
    """Return the exact two-sided sign test's p-value of *lost* against *gained* (McNemar's exact).

    Under the null a changed image is lost or gained with probability 1/2 each. 1 where nothing
    changed.
    """
    # Not scipy.stats.binom: that takes 50 MiB along on the way to the first number on a screen,
    # and is off by up to 2e-13 where this is right to the last digit or next to it.
    from scipy.special import betaincc

    fewer, more = np.minimum(lost, gained), np.maximum(lost, gained)
    # P(X ≤ fewer) of fewer + more coin tosses; where they are one number, it is above 1/2.
    tail = betaincc(fewer + 1.0, np.maximum(more, 1), 0.5)
    return np.asarray(np.where(fewer == more, 1.0, np.minimum(1.0, 2.0 * tail)), dtype=np.float64)


def benjamini_hochberg(p_values: ArrayLike) -> NDArray[np.float64]:
    """Return Benjamini-Hochberg's adjusted p-values (false discovery rate), NaN where p is NaN.

    They run over all of `p_values` that are numbers, whatever its shape: give all classes of a
    filter, never only the ones that were picked for showing.
    """
    p_values = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full(p_values.shape, np.nan)
    known = p_values[~np.isnan(p_values)]
    # As scipy.stats.false_discovery_control, which takes 50 MiB along: m/i of the i-th smallest,
    # and no more than what a larger one has.
    order = np.argsort(known)
    scaled = known[order] * (len(known) / np.arange(1, len(known) + 1))
    known[order] = np.minimum.accumulate(scaled[::-1])[::-1]
    adjusted[~np.isnan(p_values)] = np.clip(known, 0, 1)
    return adjusted


def count_by_class(
    flipped: NDArray[np.bool_], targets: NDArray[np.int32], classes: int
) -> NDArray[np.int64]:
    """Return (F, K) how many of (F, M) images are flipped, by the class that is true of each."""
    # Flips are few: counting their positions is far cheaper than a product with one-hot labels.
    filters, images = np.nonzero(flipped)
    F, K = len(flipped), classes
    flat = np.bincount(filters * K + targets[images], minlength=F * K)
    return flat.reshape(F, K).astype(np.int64)


def fraction(count: NDArray[Any], of: NDArray[Any]) -> NDArray[np.float64]:
    """Return `count` / `of`; NaN where that is 0."""
    return np.where(of > 0, count / np.maximum(of, 1), np.nan)


def paired_columns(
    lost: NDArray[np.int64], gained: NDArray[np.int64], images: NDArray[np.int64]
) -> dict[str, NDArray[Any]]:
    """Return all that is told of paired counts, by the names that tables give it.

    Returns
    -------
    dict
        car, an accuracy reduction; lost, gained, images; low and high, its 95% interval (Agresti
        and Min); p_value, the exact sign test's, and q_value, adjusted over all of them together.
        NaN where there are no images.
    """
    low, high = paired_interval(lost, gained, images)
    p_value = np.where(images > 0, sign_test(lost, gained), np.nan)
    return {
        "car": fraction(lost - gained, images),
        "lost": lost,
        "gained": gained,
        "images": images,
        "low": low,
        "high": high,
        "p_value": p_value,
        "q_value": benjamini_hochberg(p_value),
    }
