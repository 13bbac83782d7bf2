"""The order of a bank's filters, by CAR or by the fall of log p, and how sure it is."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from carviz.results.ablations import Ablations, Floats, Integers
from carviz.results.agreement import Agreement, Order, check_order, measure_agreement, tells_apart
from carviz.results.difference_test import difference_p_value
from carviz.results.filter_rows import FilterRows
from carviz.results.rank_intervals import rank_intervals, surely_higher

if TYPE_CHECKING:
    import pandas as pd


class OrderedFilters(FilterRows, Ablations):
    """The answers without each of F filters of a bank, and what order that puts the filters in.

    Attributes
    ----------
    log_prob_drop
        (F, K) mean fall of log p(true class | image) over the images of a class.
    image_log_prob_drop
        (F, M) fall of each image, or (0, 0).
    """

    # Fields are those of the record, as in `Ablations`.
    log_prob_drop: Floats
    image_log_prob_drop: NDArray[np.float32]

    @cached_property
    def log_prob_drop_all(self) -> Floats:
        """(F,) mean fall of log p(true class | image) over all images, in nats; NaN if left out."""
        drop = np.where(self.class_images > 0, self.log_prob_drop, 0.0)
        return np.asarray(drop @ self.class_images / len(self.images))

    @cached_property
    def order(self) -> Integers:
        """(F,) filter numbers from the highest CAR to the lowest; ties by fall of log p.

        What is left, and all ties where the fall of log p was left out, goes by the number.
        """
        rows = np.lexsort((self.filters, -self.log_prob_drop_all, -self.car))
        return self.filters[rows]

    @cached_property
    def log_prob_order(self) -> Integers:
        """(F,) filter numbers from the largest fall of log p to the smallest; ties by the number.

        All go by the number where the fall of log p was left out.
        """
        return self.filters[np.lexsort((self.filters, -self.log_prob_drop_all))]

    # -- how sure the order is

    def agreement(self, *, order: Order = "car") -> Agreement:
        """Return how far the order of the filters agrees with what other images would give.

        Parameters
        ----------
        order
            "car", or "log_prob" for the order by the fall of log p, which is often the steadier.

        Returns
        -------
        Agreement
            Frozen: Cronbach's alpha with images as items and its interval, whether the images tell
            the filters apart at all, how many images an alpha of 0.8 takes, and how far halves of
            the images agree.

        Raises
        ------
        ValueError
            If `order` is neither, or the table has no fall of log p of each image.

        Examples
        --------
        >>> from carviz import CarTable
        >>> table = CarTable("conv", filters=[0, 1], classes=("cat", "dog"), images=[0, 1, 2],
        ...     total=3, targets=[0, 1, 1], baseline=[0, 1, 0],
        ...     predictions=[[0, 0, 0], [0, 1, 1]], log_prob_drop=[[0.0, 0.4], [0.0, -0.3]])
        >>> found = table.agreement()
        >>> round(found.alpha, 2), found.told_apart, found.images_needed
        (0.75, False, 4.0)
        """
        order = check_order(order)
        if order not in self._agreements:
            values, p_value = self._values(order), self.apart_p_value(order=order)
            self._agreements[order] = measure_agreement(values, self.targets, order, p_value)
        return self._agreements[order]

    def tells_apart(self, *, order: Order = "car") -> bool:
        """Whether these images tell the filters apart; see `Agreement.told_apart`."""
        return tells_apart(len(self.filters), self.apart_p_value(order=order))

    def apart_p_value(self, *, order: Order = "car") -> float:
        """Return p of the test whether the filters differ at all; see `Agreement.p_value`."""
        order = check_order(order)
        if order not in self._apart:
            self._apart[order] = difference_p_value(self._values(order))
        return self._apart[order]

    def ranks(self, *, order: Order = "car") -> pd.DataFrame:
        """Return each filter's place in an order, and between which places its true one lies.

        All true ranks lie within these intervals at once in 95% of banks. By CAR they come from the
        exact sign test of every two filters, by the fall of log p from Student's t of their paired
        differences, which is what means want, with three images added to the spread whose
        difference is the largest in the bank (falls lie in few images). Holm's correction runs over
        all pairs (Mogstad, Romano, Shaikh and Wilhelm, Review of Economic Studies 91, 2024).
        Images count as one sample, though `limit=` takes as many of each class: that errs on the
        careful side.

        Parameters
        ----------
        order
            "car" or "log_prob", as in `agreement`.

        Returns
        -------
        pandas.DataFrame
            One row a filter, highest first: filter, car, (log_prob_drop, by the fall of log p,)
            rank, rank_low and rank_high. 1 is the highest.

        Raises
        ------
        ValueError
            As `agreement` does.

        Examples
        --------
        >>> from carviz import CarTable
        >>> table = CarTable("conv", filters=[0, 1], classes=("cat", "dog"), images=range(20),
        ...     total=20, targets=[0, 1] * 10, baseline=[0, 1] * 10,
        ...     predictions=[[0, 1] * 10, [1, 1] * 10], log_prob_drop=[[0.0, 0.0], [0.4, 0.0]])
        >>> table.ranks().to_numpy().tolist()
        [[1.0, 0.5, 1.0, 1.0, 1.0], [0.0, 0.0, 2.0, 2.0, 2.0]]
        """
        import pandas as pd

        order = check_order(order)
        low, high = self._rank_intervals(order)
        places = self.order if order == "car" else self.log_prob_order
        rows = [self.row(filter) for filter in places]
        columns: dict[str, NDArray[Any]] = {"filter": places, "car": self.car[rows]}
        if order == "log_prob":
            columns["log_prob_drop"] = self.log_prob_drop_all[rows]
        rank = np.arange(1, len(rows) + 1)
        return pd.DataFrame(
            {**columns, "rank": rank, "rank_low": low[rows], "rank_high": high[rows]}
        )

    def rank_interval(self, filter: int, *, order: Order = "car") -> tuple[int, int]:
        """Return between which places the true rank of one filter lies; see `ranks`."""
        low, high = self._rank_intervals(check_order(order))
        return int(low[self.row(filter)]), int(high[self.row(filter)])

    def _rank_intervals(self, order: Order) -> tuple[Integers, Integers]:
        """Return (F,) and (F,) ends of `ranks`, made but once."""
        if order not in self._intervals:
            self._intervals[order] = rank_intervals(surely_higher(self._values(order)))
        return self._intervals[order]

    @cached_property
    def _intervals(self) -> dict[str, tuple[Integers, Integers]]:
        return {}

    @cached_property
    def _agreements(self) -> dict[str, Agreement]:
        return {}

    @cached_property
    def _apart(self) -> dict[str, float]:
        return {}

    @property
    def has_image_log_prob_drop(self) -> bool:
        """Whether the fall of log p of each image was measured and kept."""
        return self.image_log_prob_drop.size > 0

    def _values(self, order: Order) -> NDArray[Any]:
        """Return (F, M) numbers whose sums order the filters: right or wrong, or falls of log p."""
        if order == "car":
            # Without a filter the fewer are right, the higher is its CAR.
            return np.asarray(self.predictions != self.targets)
        if not self.has_image_log_prob_drop:
            raise ValueError(
                "The order by the fall of log p is judged by that of each image; this table of "
                f"{self.layer!r} has none, as after a measurement in bfloat16, or by a carviz "
                "before 0.2. Measure anew in another precision, or ask for order='car'."
            )
        return self.image_log_prob_drop
