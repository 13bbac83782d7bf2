"""Two filters of one table, image by image: what only one of them is needed for."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from carviz.results.car_table import CarTable
from carviz.results.statistics import SIGNIFICANT, paired_interval, sign_test


@dataclasses.dataclass(frozen=True, eq=False)
class TwoFilters:
    """What two filters of a bank cost, on the same images.

    Parameters
    ----------
    first, second
        The filters.
    only_first, only_second, both
        Numbers of the images that are right with all filters, and wrong without the first alone,
        without the second alone, and without either.
    difference
        The first filter's CAR less the second's, a fraction.
    low, high, p_value
        Its 95% interval (Agresti and Min, paired), and the exact sign test over the images that are
        right without one filter and wrong without the other: of this pair alone.
    pairs
        How many pairs the table has, among which somebody may have chosen this one.
    """

    first: int
    second: int
    only_first: NDArray[np.int64]
    only_second: NDArray[np.int64]
    both: NDArray[np.int64]
    difference: float
    low: float
    high: float
    p_value: float
    pairs: int

    @property
    def sure(self) -> bool:
        """Whether the difference is sure whichever pair of the table was chosen (Bonferroni)."""
        return self.p_value * self.pairs <= SIGNIFICANT


def two_filters(table: CarTable, first: int, second: int) -> TwoFilters:
    """Compare two filters that a table holds; ValueError for one that it does not."""
    right = table.baseline == table.targets
    one, other = (table.predictions[table.row(f)] != table.targets for f in (first, second))
    more, less = int((one & ~other).sum()), int((other & ~one).sum())
    low, high = paired_interval(more, less, len(table.images))
    return TwoFilters(
        first,
        second,
        only_first=table.images[right & one & ~other],
        only_second=table.images[right & other & ~one],
        both=table.images[right & one & other],
        difference=(more - less) / len(table.images),
        low=float(low),
        high=float(high),
        p_value=float(sign_test(more, less)),
        pairs=len(table.filters) * (len(table.filters) - 1) // 2,
    )


def became(table: CarTable, filter: int, class_name: str | int | None = None) -> list[list[int]]:
    """Return what the answers become without a filter: [before, after, images], the most first.

    Before and after are classes' numbers; of a class only its own images are counted.
    """
    row = table.predictions[table.row(filter)]
    changed = row != table.baseline
    if class_name is not None:
        changed &= table.targets == table.class_number(class_name)
    K = len(table.classes)
    codes = table.baseline[changed].astype(np.int64) * K + row[changed]
    found, counts = np.unique(codes, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return [
        [int(code // K), int(code % K), int(count)]
        for code, count in zip(found[order], counts[order], strict=True)
    ]
