"""How far the order of a bank's filters can be relied on: Cronbach's alpha, images as items."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from carviz.results.difference_test import differing

Order = Literal["car", "log_prob"]
ORDERS = ("car", "log_prob")
WANTED = 0.8
"""The agreement that `images_needed` is for."""
ODDS = 4.0
"""WANTED / (1 - WANTED), which is no such round number in floating point."""
ROUNDING = 1e-9
"""An alpha nearer to 0 than this is 0."""
LEVEL = 0.05
HALVES = 50
AT_ONCE = 4096
"""Images whose values are turned into floats at once."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Agreement:
    """How far an order of a bank's filters agrees with the one that other images would give.

    Images count as one sample, but for `halves`, which have as many of each class. Where `limit=`
    took as many of each class, alpha and p therefore err on the careful side.

    Parameters
    ----------
    order
        "car", or "log_prob" for the order by the fall of log p.
    filters, images
        F and M.
    alpha
        Cronbach's alpha with images as items, (MS_filter - MS_rest) / MS_filter of the two-way
        table of filters and images: the correlation to expect between these filters' values and
        those on as many other images. At most 1; below 0 where filters differ less than chance
        would have them, -inf where all have the same mean. NaN where nothing is to be said.
    low, high
        Its 95% interval: Feldt's, with the degrees of freedom of Box, fewer than F - 1 where
        filters act alike on images of a kind.
    p_value
        How likely filters that do not differ differ as much: the larger p of two seeded tests of
        one measure, that of Cochran's Q; 1,000 shuffles of the filters within each image, and 1,000
        flips of the sign of what filters differ by on an image.
    images_needed, images_needed_low, images_needed_high
        Images for an alpha of 0.8, 4M (1 - alpha) / alpha, and its interval from that of alpha;
        inf where alpha is not above 0, and 2 at least, since one image agrees with none.
    halves
        Median of Spearman's rank correlations between halves of the images, 50 seeded ones with as
        many of each class, not corrected for their being halves; NaN where `why` says.
    why
        Why `alpha` or `halves` is NaN, a sentence each; "" where neither is.

    References
    ----------
    Cronbach, *Coefficient alpha and the internal structure of tests*, Psychometrika 16 (1951).
    Feldt, *The approximate sampling distribution of Kuder-Richardson reliability coefficient
    twenty*, Psychometrika 30 (1965). Cochran, *The comparison of percentages in matched samples*,
    Biometrika 37 (1950). Box, *Some theorems on quadratic forms applied in the study of analysis of
    variance problems*, Annals of Mathematical Statistics 25 (1954).
    """

    order: str
    filters: int
    images: int
    alpha: float
    low: float
    high: float
    p_value: float
    images_needed: float
    images_needed_low: float
    images_needed_high: float
    halves: float
    why: str = ""

    @property
    def shown(self) -> float:
        """Alpha as it is shown: 0 where it is below."""
        return self.alpha if math.isnan(self.alpha) else max(0.0, self.alpha)

    @property
    def told_apart(self) -> bool:
        """Whether the images tell the filters apart: p is 0.05 or less.

        One filter has no other to be told from, and counts as told.
        """
        return tells_apart(self.filters, self.p_value)


def tells_apart(filters: int, p_value: float) -> bool:
    """Whether images tell so many filters apart; see `Agreement.told_apart`."""
    return filters == 1 or p_value <= LEVEL


def check_order(order: Any) -> Order:
    """Return `order` if it is one that filters have; ValueError otherwise."""
    if not isinstance(order, str) or order not in ORDERS:
        raise ValueError(f"`order` is 'car' or 'log_prob', by the fall of log p; found {order!r}.")
    return order  # type: ignore[return-value]


def measure_agreement(
    values: NDArray[Any], targets: NDArray[np.int32], order: str, p_value: float
) -> Agreement:
    """Return how far an order agrees with itself; see `carviz.CarTable.agreement`.

    Parameters
    ----------
    values
        (F, M) right (bool), or falls of log p, whose sums over images order the filters.
    targets
        (M,) classes of the images.
    p_value
        What `difference_p_value` has found.
    """
    F, M = values.shape
    told = values[:, differing(values)]
    share, why = _share_of_rest(told, M)
    alpha, low, high = 1 - share, math.nan, math.nan
    if abs(alpha) < ROUNDING:
        alpha = 0.0
    if not math.isnan(share):
        freedom = _freedom(values)
        low, high = (1 - share * _quantile(p, freedom, M) for p in (0.975, 0.025))
    halves, problem = _halves(values, targets)
    return Agreement(
        order=order, filters=F, images=M, alpha=alpha, low=low, high=high, p_value=p_value,
        images_needed=_needed(alpha, M),
        images_needed_low=_needed(high, M),
        images_needed_high=_needed(low, M),
        halves=halves,
        why=" ".join(filter(None, (why, "" if why else problem))),
    )  # fmt: skip


def _share_of_rest(told: NDArray[Any], images: int) -> tuple[float, str]:
    """Return MS_rest / MS_filter, or NaN and why; `told` (F, N) are the images that differ."""
    F, N = told.shape
    if F == 1:
        return math.nan, "One filter has no order."
    if images == 1:
        return math.nan, "One image has no other to agree with."
    if not N:
        return math.nan, "All filters are alike on every image."
    if told.dtype == np.bool_:  # in whole numbers, which know a zero
        right, count = told.sum(axis=1).tolist(), told.sum(axis=0, dtype=np.int64)
        whole = F * int(count.sum()) - int((count * count).sum())
        between = F * sum(r * r for r in right) - sum(right) ** 2
        rest = images * whole - between
    else:
        whole, sums = 0.0, np.zeros(F)
        for start in range(0, N, AT_ONCE):
            part = told[:, start : start + AT_ONCE].astype(np.float64)
            part -= part.mean(axis=0)
            whole += float((part * part).sum())
            sums += part.sum(axis=1)
        between = float((sums * sums).sum())
        rest = max(0.0, images * whole - between)
    return (rest / ((images - 1) * between) if between else math.inf), ""


def _freedom(values: NDArray[Any]) -> float:
    """Return Box's degrees of freedom between filters, F - 1 where each goes by itself.

    tr(S)² / tr(S²) of the filters' covariance S over images. tr(S²) is estimated from what two
    different images share: what an image shares with itself moves both of alpha's mean squares.
    """
    F, M = values.shape
    mean = values.mean(axis=1, dtype=np.float64)
    products, own, itself = np.zeros((F, F)), 0.0, 0.0
    for start in range(0, M, AT_ONCE):
        part = values[:, start : start + AT_ONCE].astype(np.float64)
        part -= mean[:, np.newaxis]
        part -= part.mean(axis=0)
        squares = (part * part).sum(axis=0)
        products += part @ part.T
        own += float(squares.sum())
        itself += float((squares * squares).sum())
    shared = float((products * products).sum()) - itself
    freedom = own**2 * M / ((M - 1) * shared) if shared > 0 else math.inf
    return float(min(F - 1, max(1.0, freedom)))


def _quantile(p: float, freedom: float, images: int) -> float:
    """Return a quantile of Fisher's F as Feldt has it, (1 - alpha) over (1 - its estimate)."""
    from scipy.special import fdtri  # not scipy.stats: see `sign_test`

    return float(fdtri(freedom, freedom * (images - 1), p))


def _needed(alpha: float, images: int) -> float:
    """Return how many images give an alpha of 0.8, where these give this (Spearman-Brown)."""
    if math.isnan(alpha):
        return math.nan
    return math.inf if alpha < ROUNDING else max(2.0, ODDS * images * (1 - alpha) / alpha)


def _halves(values: NDArray[Any], targets: NDArray[np.int32]) -> tuple[float, str]:
    """Return the median rank correlation of halves of the images, or NaN and why."""
    F, M = values.shape
    classes = len(np.unique(targets))
    if F == 1:
        return math.nan, "One filter has no order."
    if 2 * classes > M:
        return math.nan, f"Halves want two images of a class; found {M} of {classes} classes."
    g = np.random.default_rng(0)
    first = np.zeros((HALVES, M), dtype=np.bool_)
    for half in first:
        by_class = np.lexsort(np.stack([g.random(M), targets]))
        half[by_class[g.integers(2) :: 2]] = True
    told = np.flatnonzero(differing(values))
    sums, whole, size = np.zeros((HALVES, F)), np.zeros(F), np.zeros(F)
    for start in range(0, len(told), AT_ONCE):
        images = told[start : start + AT_ONCE]
        part = values[:, images].astype(np.float64)
        part -= part.mean(axis=0)
        sums += first[:, images] @ part.T
        whole += part.sum(axis=1)
        size += np.abs(part).sum(axis=1)
    # Numbers that differ by rounding alone, as sums in another order do, are tied.
    sides = np.round(np.stack([sums, whole - sums]) / (size.max(initial=0) or 1), 12)
    if (np.ptp(sides, axis=-1) == 0).any():
        return math.nan, "All filters are alike on a half of the images."
    return float(np.median([_spearman(a, b) for a, b in zip(*sides, strict=True)])), ""


def _spearman(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Return the correlation of ranks, ties in their middle (scipy.stats takes 50 MiB along)."""
    return float(np.corrcoef(_ranks(a), _ranks(b))[0, 1])


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(count) - (count - 1) / 2)[place])
