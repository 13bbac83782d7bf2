"""What is known of one filter, and of one class without it: numbers that every surface shows."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from carviz.checks import check_whole
from carviz.results.statistics import paired_columns


@dataclasses.dataclass(frozen=True, kw_only=True)
class AccuracyReduction:
    """What goes without one filter, over some images: the numbers that every summary has.

    Parameters
    ----------
    car
        CAR over these images, a fraction.
    lost, gained, images
        Images that turn from right to wrong, from wrong to right, and all of them.
    low, high
        The 95% interval of `car` (Agresti and Min).
    p_value, q_value
        The exact two-sided sign test, and the same adjusted for all that were tested beside it
        (Benjamini and Hochberg).
    log_prob_drop
        Mean fall of log p(true class | image), in nats.
    """

    car: float
    lost: int
    gained: int
    images: int
    low: float
    high: float
    p_value: float
    q_value: float
    log_prob_drop: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClassSummary(AccuracyReduction):
    """What one class loses without one filter: an `AccuracyReduction` over the class's images.

    `q_value` is adjusted for all classes of the filter that have images.

    Parameters
    ----------
    name
        The class, as `CarTable.shown_classes` has it.
    tied
        Whether another class has exactly this CAR (in a careful list, see `class_ends`, this end
        of the interval), and the fall of log p decided the place.
    number
        The class's number.
    """

    name: str
    tied: bool
    number: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class FilterSummary(AccuracyReduction):
    """What one filter is worth: an `AccuracyReduction` over all images that were measured.

    `q_value` is adjusted for all filters of the table.

    Parameters
    ----------
    layer, filter
        The bank, and the filter's number in it.
    rank, filters
        The filter's place, 1 for the highest CAR, among so many that were measured.
    rank_low, rank_high
        Between which places its true rank lies (`carviz.CarTable.ranks`); None where the images do
        not tell the filters apart, and where there is but one.
    whole
        Whether these are numbered 0 to `filters` - 1, as all filters of a bank are.
    tied
        How many others have exactly this CAR.
    told_apart, apart_p_value
        Whether the images tell the filters apart at all, by right and wrong answers, and p of the
        test: see `Agreement`. Where they do not, `rank` is chance.
    log_prob_told_apart
        Where they do not, whether the fall of log p tells the filters apart; None where they do,
        or where a table has no fall of each image.
    log_prob_rank, log_prob_agreement
        Where it does, the filter's place by the fall of log p, and the agreement of that order.
    top, bottom
        The classes that it matters to most, highest CAR first, and least, lowest first.
    """

    layer: str
    filter: int
    rank: int
    filters: int
    rank_low: int | None
    rank_high: int | None
    whole: bool
    tied: int
    told_apart: bool
    apart_p_value: float
    log_prob_told_apart: bool | None
    log_prob_rank: int | None
    log_prob_agreement: float | None
    top: tuple[ClassSummary, ...]
    bottom: tuple[ClassSummary, ...]


def summarize(
    table: Any, numbers: Mapping[str, NDArray[Any]], filter: int, k: int
) -> FilterSummary:
    """Return what a filter is worth; see `carviz.CarTable.summary`, which calls this.

    Parameters
    ----------
    numbers
        (F,) columns by name, those of an `AccuracyReduction`.
    """
    k = check_whole(k, "k", 0, what="the number of classes at each end")
    i = table.row(filter)
    told_apart = table.tells_apart()
    ends: tuple[int | None, int | None] = (None, None)
    if told_apart and len(table.filters) > 1:  # it costs, and the table keeps it
        ends = table.rank_interval(filter)
    by_log_prob: tuple[bool | None, int | None, float | None] = (None, None, None)
    if not told_apart and table.has_image_log_prob_drop:
        by_log_prob = _place_by_log_prob(table, filter)
    return FilterSummary(
        layer=table.layer,
        filter=int(filter),
        **{name: column[i].item() for name, column in numbers.items()},
        rank=table.rank(filter),
        filters=len(table.filters),
        rank_low=ends[0],
        rank_high=ends[1],
        whole=bool(table.filters.max() == len(table.filters) - 1),
        tied=int((table.car == table.car[i]).sum()) - 1,
        told_apart=told_apart,
        apart_p_value=table.apart_p_value(),
        log_prob_told_apart=by_log_prob[0],
        log_prob_rank=by_log_prob[1],
        log_prob_agreement=by_log_prob[2],
        top=pick_classes(table, filter, 1, k) if k else (),
        bottom=pick_classes(table, filter, -1, k) if k else (),
    )


def _place_by_log_prob(table: Any, filter: int) -> tuple[bool, int | None, float | None]:
    """Return whether log p tells the filters apart; if so, the filter's place and the agreement."""
    if not table.tells_apart(order="log_prob"):
        return False, None, None
    place = int(np.flatnonzero(table.log_prob_order == filter)[0]) + 1
    return True, place, table.agreement(order="log_prob").shown


def pick_classes(table: Any, filter: int, sign: int, k: int) -> tuple[ClassSummary, ...]:
    """Return the `k` classes of highest CAR, or of lowest where `sign` is -1.

    Those without images are left out; ties go by the fall of log p.
    """
    k = check_whole(k, "k", what="the number of classes wanted")
    columns = class_columns(table, filter)
    return make_classes(table, columns, sign, k, columns["images"] > 0)


def class_columns(table: Any, filter: int) -> dict[str, NDArray[Any]]:
    """Return what is known of each class without one filter, each (K,), by the names of columns."""
    i = table.row(filter)
    return {
        **paired_columns(table.lost[i], table.gained[i], table.class_images),
        "log_prob_drop": table.log_prob_drop[i],
    }


def make_classes(
    table: Any,
    columns: Mapping[str, NDArray[Any]],
    sign: int,
    k: int,
    among: NDArray[np.bool_],
    careful: bool = False,
) -> tuple[ClassSummary, ...]:
    """Return the first `k` classes from one end, of those that `among` (K,) marks.

    Parameters
    ----------
    columns
        What `class_columns` returns.
    sign
        1 for the highest CAR first, -1 for the lowest.
    careful
        Whether they go by the end of the 95% interval that is nearer to the other classes.
    """
    key = columns[("low" if sign > 0 else "high") if careful else "car"]
    ties = columns["log_prob_drop"]
    if np.isnan(ties).all():  # it was left out: the number decides
        ties = -np.arange(len(key), dtype=np.float64)
    order = np.lexsort((-sign * ties, -sign * key))
    values, counts = np.unique(key[columns["images"] > 0], return_counts=True)
    times = dict(zip(values.tolist(), counts.tolist(), strict=True))
    return tuple(
        ClassSummary(
            name=table.shown_classes[c],
            **{name: column[c].item() for name, column in columns.items()},
            tied=times[key[c].item()] > 1,
            number=int(c),
        )
        for c in order[among[order]][:k]
    )
