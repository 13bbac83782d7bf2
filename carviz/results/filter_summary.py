"""What is known of one filter, and of one class without it: numbers that every surface shows."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd


@dataclasses.dataclass(frozen=True)
class ClassSummary:
    """What one class loses without one filter.

    Parameters
    ----------
    name
        The class, as `CarTable.shown_classes` has it.
    car
        Class-wise CAR, a fraction.
    lost, gained, images
        Images that turn from right to wrong, from wrong to right, and all of the class.
    low, high
        The 95% interval of `car` (Agresti and Min).
    p_value, q_value
        The exact two-sided sign test, and the same adjusted for all classes of the filter that have
        images (Benjamini and Hochberg).
    log_prob_drop
        Mean fall of log p(true class | image), in nats.
    tied
        Whether another class has exactly this CAR, and the fall of log p decided the place.
    number
        The class's number.
    """

    name: str
    car: float
    lost: int
    gained: int
    images: int
    low: float
    high: float
    p_value: float
    q_value: float
    log_prob_drop: float
    tied: bool
    number: int


@dataclasses.dataclass(frozen=True)
class FilterSummary:
    """What one filter is worth.

    Parameters
    ----------
    layer, filter
        The bank, and the filter's number in it.
    car
        CAR, a fraction.
    lost, gained, images
        Images that turn from right to wrong, from wrong to right, and all that were measured.
    low, high
        The 95% interval of `car` (Agresti and Min).
    p_value, q_value
        The exact two-sided sign test, and the same adjusted for all filters of the table (Benjamini
        and Hochberg).
    log_prob_drop
        Mean fall of log p(true class | image), in nats.
    rank, filters
        The filter's place, 1 for the highest CAR, among so many that were measured.
    whole
        Whether these are numbered 0 to `filters` - 1, as all filters of a bank are.
    tied
        How many others have exactly this CAR.
    top, bottom
        The classes that it matters to most, highest CAR first, and least, lowest first.
    """

    layer: str
    filter: int
    car: float
    lost: int
    gained: int
    images: int
    low: float
    high: float
    p_value: float
    q_value: float
    log_prob_drop: float
    rank: int
    filters: int
    whole: bool
    tied: int
    top: tuple[ClassSummary, ...]
    bottom: tuple[ClassSummary, ...]


def pick_classes(
    columns: Mapping[str, NDArray[Any]],
    log_prob_drop: NDArray[np.float64],
    names: Sequence[str],
    sign: int,
    k: int,
) -> tuple[ClassSummary, ...]:
    """Return the `k` classes of highest CAR, or of lowest where `sign` is -1.

    Parameters
    ----------
    columns
        What `paired_columns` says of all K classes without the filter; those without images are
        left out.
    log_prob_drop
        (K,) what decides between classes of one CAR.
    names
        K names, as they are shown.
    """
    car, counted = columns["car"], columns["images"] > 0
    ties = log_prob_drop
    if np.isnan(ties).all():  # it was left out: the number decides
        ties = -np.arange(len(car), dtype=np.float64)
    order = np.lexsort((-sign * ties, -sign * car))
    values, counts = np.unique(car[counted], return_counts=True)
    times = dict(zip(values.tolist(), counts.tolist(), strict=True))
    every = {**columns, "log_prob_drop": log_prob_drop}
    return tuple(
        ClassSummary(
            name=names[c],
            **{name: column[c].item() for name, column in every.items()},
            tied=times[car[c].item()] > 1,
            number=int(c),
        )
        for c in order[counted[order]][:k]
    )


def class_frame(classes: Sequence[ClassSummary]) -> pd.DataFrame:
    """Return classes as a table, a row each."""
    import pandas as pd

    return pd.DataFrame([vars(one) for one in classes]).rename(columns={"name": "class"})
