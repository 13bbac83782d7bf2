"""What is known of one filter, and of one class without it: numbers that every surface shows."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class ClassSummary:
    """What one class loses without one filter.

    Parameters
    ----------
    name, number
        The class, its name as `CarTable.shown_classes` has it.
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
    """

    name: str
    number: int
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
