"""What tables have in common that have a row a filter of one bank, and count images."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from carviz.results.record import Record


class FilterRows(Record):
    """A table with a row a filter of the bank `layer`, of `images` out of `total`."""

    # Fields are those of the records: a dataclass would put these before the names of a row.
    layer: str
    filters: NDArray[np.int64]
    images: NDArray[np.int64]
    total: int

    @cached_property
    def order(self) -> NDArray[np.int64]:
        """(F,) filter numbers from the one that costs most to the one that costs least."""
        raise NotImplementedError

    def _check_rows(self) -> None:
        """Refuse filters and images that cannot be a table's."""
        F, M = self.filters.size, self.images.size
        self._check_shapes({"filters": (F,), "images": (M,)})
        if M == 0 or F == 0:
            raise self._reject("a table holds an image and a filter at least", f"{M} and {F}")
        self._check_within("are numbers of filters,", "filters", 0)
        if len(np.unique(self.filters)) != F:
            raise self._reject("each filter appears once", str(self.filters.tolist()))
        if (np.diff(self.images) <= 0).any():
            raise self._reject("`images` ascend, each of them once", "another order")
        self._check_within("counts the images of the data,", "total", M)
        self._check_within("are images of the data,", "images", 0, self.total - 1)

    @property
    def complete(self) -> bool:
        """Whether every image of the data is in the table."""
        return len(self.images) == self.total

    @property
    def _seen(self) -> str:
        seen = f"{len(self.images):,}"
        return seen if self.complete else f"{seen} of {self.total:,}"

    def rank(self, filter: int) -> int:
        """Return the filter's place in `order`: 1 for what costs most.

        Of CAR, `agreement` tells what such a place is worth, and `ranks` between which it may lie.
        """
        self.row(filter)
        return int(np.flatnonzero(self.order == filter)[0]) + 1

    def row(self, filter: int) -> int:
        """Return the row of filter number `filter`.

        Raises
        ------
        ValueError
            If the table does not hold that filter.
        """
        found = np.flatnonzero(self.filters == filter)
        if len(found) == 0:
            held = f"{self.filters.min()} to {self.filters.max()}"
            raise ValueError(
                f"A filter is asked for by its number in its bank; this table of {self.layer!r} "
                f"holds {len(self.filters)} filters ({held}), not {filter!r}."
            )
        return int(found[0])
