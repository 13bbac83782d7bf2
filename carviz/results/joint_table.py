"""What sets of filters cost together: the record that `measure_joint` returns."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from carviz.checks import check_whole
from carviz.results.ablations import Floats, Integers
from carviz.results.class_names import shown_names
from carviz.results.contrasts import excess_numbers
from carviz.results.frames import flip_columns, flip_frame
from carviz.results.record import Record
from carviz.results.statistics import paired_interval

if TYPE_CHECKING:
    import pandas as pd


@dataclasses.dataclass(frozen=True, eq=False)
class JointTable(Record):
    """What a network loses without sets of filters, beside what it loses without each member.

    car(S) = Acc(f) - Acc(f without all filters of S), and excess(S) = car(S) - the sum of the CARs
    of its members: above 0 where they cost more together than one by one. All are fractions. It
    derives from the contrast of each image, what the set does to it less what each member does,
    and so does everything that is told of the excess. Its p and q are exact (sign flips) and its
    interval is wider, so that an interval may hold 0 where q is below 0.05.

    Axes are set (S), filter (F, those that are in a set), image (M).

    Parameters
    ----------
    layer
        The bank's name; "" where sets are of several banks.
    banks
        Names of the banks that have a filter in a set.
    bank, filters
        (F,) of each filter that is in a set: its bank's place in `banks`, and its number there.
    members, sizes
        (members,) places in `filters`, set after set, and (S,) how many of them each set has.
    classes
        K names, one a logit.
    images
        (M,) numbers of the images in the data, ascending.
    targets, baseline
        (M,) true class of each image, and what the whole network predicts.
    predictions, image_log_prob_drop
        (S, M) class that the network predicts without the set, and the fall of log p(true class),
        in nats.
    single_predictions, single_image_log_prob_drop
        (F, M) the same without each filter alone.

    Examples
    --------
    >>> table = JointTable("conv", banks=("conv",), bank=[0, 0], filters=[3, 5], members=[0, 1],
    ...     sizes=[2], classes=("cat", "dog"), images=[0, 1, 2], targets=[0, 1, 1],
    ...     baseline=[0, 1, 0], predictions=[[1, 0, 0]], image_log_prob_drop=[[1.0, 2.0, 0.0]],
    ...     single_predictions=[[0, 1, 0], [1, 1, 0]],
    ...     single_image_log_prob_drop=[[0.1, 0.0, 0.0], [0.8, 0.1, 0.0]])
    >>> table.sets, table.car.round(2), table.sum_of_cars.round(2), table.excess.round(2)
    ([[3, 5]], array([0.67]), array([0.33]), array([0.33]))
    """

    layer: str
    banks: tuple[str, ...]
    bank: Integers
    filters: Integers
    members: Integers
    sizes: Integers
    classes: tuple[str, ...]
    images: Integers
    targets: NDArray[np.int32]
    baseline: NDArray[np.int32]
    predictions: NDArray[np.int32]
    image_log_prob_drop: NDArray[np.float32]
    single_predictions: NDArray[np.int32]
    single_image_log_prob_drop: NDArray[np.float32]

    _dtypes: ClassVar[Mapping[str, type]] = {
        **dict.fromkeys(("bank", "filters", "members", "sizes", "images"), np.int64),
        **dict.fromkeys(("targets", "baseline", "predictions", "single_predictions"), np.int32),
        "image_log_prob_drop": np.float32,
        "single_image_log_prob_drop": np.float32,
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        S, F, M, K = len(self.sizes), len(self.filters), len(self.images), len(self.classes)
        if 0 in (S, F, M):
            raise self._reject("a table holds a set, a filter and an image", f"{S}, {F} and {M}")
        self._check_within("says how many,", "sizes", 1)
        self._check_shapes(
            {
                "bank": (F,), "filters": (F,), "sizes": (S,), "images": (M,), "targets": (M,),
                "members": (int(self.sizes.sum()),), "baseline": (M,),
                "predictions": (S, M), "image_log_prob_drop": (S, M),
                "single_predictions": (F, M), "single_image_log_prob_drop": (F, M),
            }
        )  # fmt: skip
        self._check_within("are numbers of filters,", "filters", 0)
        self._check_within("are places of banks,", "bank", 0, len(self.banks) - 1)
        self._check_within("are places of filters,", "members", 0, F - 1)
        if self.layer and self.banks != (self.layer,):
            raise self._reject("`banks` are the bank `layer` alone", str(self.banks))
        if len({*zip(self.bank.tolist(), self.filters.tolist(), strict=True)}) != F:
            raise self._reject("each filter appears once", str(self.filters.tolist()))
        if any(len(np.unique(rows)) != len(rows) for rows in self.rows):
            raise self._reject("a set has each filter once", "one that repeats")
        if len({tuple(sorted(rows.tolist())) for rows in self.rows}) != S:
            raise self._reject("each set appears once", "one that repeats")
        if (np.diff(self.images) <= 0).any():
            raise self._reject("`images` ascend, each of them once", "another order")
        self._check_within("are images of the data,", "images", 0)
        for name in ("targets", "baseline", "predictions", "single_predictions"):
            self._check_within("are classes", name, 0, K - 1)
        self._check_lone()
        for name in ("image_log_prob_drop", "single_image_log_prob_drop"):
            if np.isnan(getattr(self, name)).any():
                raise self._reject(f"`{name}` are numbers", "NaN")

    def _check_lone(self) -> None:
        """Refuse a set of one filter that does something else than that filter."""
        lone = np.flatnonzero(self.sizes == 1)
        alone = np.array([self.rows[row][0] for row in lone.tolist()], np.int64)
        for name in ("predictions", "image_log_prob_drop"):
            if (getattr(self, name)[lone] != getattr(self, f"single_{name}")[alone]).any():
                raise self._reject(f"`{name}` of a set of one filter are that filter's", "others")

    def __repr__(self) -> str:
        of = (
            repr(self.layer)
            if self.layer
            else f"{len(self.banks)} bank{'s' * (len(self.banks) > 1)}"
        )
        return (
            f"<{type(self).__name__} of {of}: {len(self):,} set{'s' * (len(self) > 1)} of "
            f"{len(self.filters)} filter{'s' * (len(self.filters) > 1)}, "
            f"{len(self.images):,} image{'s' * (len(self.images) != 1)}, "
            f"accuracy {self.accuracy:.3f}>"
        )

    def __len__(self) -> int:
        """Return how many sets there are, S."""
        return len(self.sizes)

    # -- facts

    @cached_property
    def rows(self) -> list[Integers]:
        """The members of each set, as places in `filters`."""
        return np.split(self.members, np.cumsum(self.sizes)[:-1])

    @cached_property
    def sets(self) -> list[Any]:
        """The filters' numbers of each set; of several banks mappings from a bank to them."""
        if self.layer:
            return [self.filters[rows].tolist() for rows in self.rows]
        found: list[dict[str, list[int]]] = [{} for _ in self.rows]
        for one, rows in zip(found, self.rows, strict=True):
            for row in rows.tolist():
                bank = self.banks[int(self.bank[row])]
                one.setdefault(bank, []).append(int(self.filters[row]))
        return found

    @cached_property
    def accuracy(self) -> float:
        """Top-1 accuracy of the whole network, a fraction."""
        return float(np.mean(self._right))

    @cached_property
    def _right(self) -> NDArray[np.bool_]:
        return np.asarray(self.baseline == self.targets)

    @cached_property
    def lost(self) -> Integers:
        """(S,) images that turn from right to wrong without the set."""
        return np.asarray((self._right & (self.predictions != self.targets)).sum(axis=1))

    @cached_property
    def gained(self) -> Integers:
        """(S,) images that turn from wrong to right without the set."""
        return np.asarray((~self._right & (self.predictions == self.targets)).sum(axis=1))

    @cached_property
    def car(self) -> Floats:
        """(S,) accuracy lost without the set, all of its filters together."""
        return (self.lost - self.gained) / len(self.images)

    @cached_property
    def single_car(self) -> Floats:
        """(F,) CAR of each filter alone."""
        return np.asarray(self._changes(self.single_predictions).mean(axis=1))

    @cached_property
    def car_interval(self) -> tuple[Floats, Floats]:
        """(S,) and (S,): the 95% interval of `car`, Agresti-Min's, low and high."""
        return paired_interval(self.lost, self.gained, np.full(len(self), len(self.images)))

    def _changes(self, predictions: NDArray[np.int32]) -> NDArray[np.int8]:
        """Return (row, image): 1 where an image is lost, -1 where it is gained, else 0."""
        right = np.asarray(predictions == self.targets)
        return self._right.astype(np.int8) - right.astype(np.int8)

    def _sums(self, singles: Floats) -> Floats:
        return np.array([singles[rows].sum() for rows in self.rows])

    # -- beyond the members

    @cached_property
    def _numbers(self) -> dict[str, Floats]:
        together, alone = (
            self._changes(found) for found in (self.predictions, self.single_predictions)
        )
        return excess_numbers(together, alone, self.rows, whole=True)

    @cached_property
    def sum_of_cars(self) -> Floats:
        """(S,) the CARs of the members, each alone, summed up: read it beside `car`."""
        return self._sums(self.single_car)

    @property
    def excess(self) -> Floats:
        """(S,) `car` less `sum_of_cars`: above 0 where a set costs more than its members."""
        return self._numbers["excess"]

    @property
    def low(self) -> Floats:
        """(S,) lower end of the 95% interval of `excess`."""
        return self._numbers["low"]

    @property
    def high(self) -> Floats:
        """(S,) upper end of the 95% interval of `excess`."""
        return self._numbers["high"]

    @property
    def p_value(self) -> Floats:
        """(S,) two-sided p of `excess`, by all sign flips of the contrasts; NaN of one filter."""
        return self._numbers["p_value"]

    @property
    def q_value(self) -> Floats:
        """(S,) q over all sets of the table (Benjamini-Hochberg); NaN of one filter."""
        return self._numbers["q_value"]

    # -- the same for log p

    @cached_property
    def _log_numbers(self) -> dict[str, Floats]:
        return excess_numbers(
            self.image_log_prob_drop, self.single_image_log_prob_drop, self.rows, whole=False
        )

    @cached_property
    def log_prob_drop(self) -> Floats:
        """(S,) mean fall of log p(true class) without the set, in nats."""
        return np.asarray(self.image_log_prob_drop.mean(axis=1, dtype=np.float64))

    @cached_property
    def sum_of_log_prob_drops(self) -> Floats:
        """(S,) the same of the members, each alone, summed up."""
        return self._sums(self.single_image_log_prob_drop.mean(axis=1, dtype=np.float64))

    @property
    def log_prob_excess(self) -> Floats:
        """(S,) `log_prob_drop` less `sum_of_log_prob_drops`."""
        return self._log_numbers["excess"]

    @property
    def log_prob_low(self) -> Floats:
        """(S,) lower end of the 95% interval of `log_prob_excess`; NaN where no log p changes."""
        return self._log_numbers["low"]

    @property
    def log_prob_high(self) -> Floats:
        """(S,) upper end of the 95% interval of `log_prob_excess`; NaN where no log p changes."""
        return self._log_numbers["high"]

    @property
    def log_prob_p_value(self) -> Floats:
        """(S,) two-sided p of `log_prob_excess`, Student's."""
        return self._log_numbers["p_value"]

    @property
    def log_prob_q_value(self) -> Floats:
        """(S,) q over all sets of the table (Benjamini-Hochberg)."""
        return self._log_numbers["q_value"]

    # -- what a reader asks for

    def row(self, filters: Sequence[int] | Mapping[str, Sequence[int]]) -> int:
        """Return the row of a set, in any order of its filters; ValueError if there is none."""
        given = filters if isinstance(filters, Mapping) else {self.layer: filters}
        asked = {bank: sorted(numbers) for bank, numbers in given.items()}
        for row, held in enumerate(self.sets):
            own = held if isinstance(held, Mapping) else {self.layer: held}
            if {bank: sorted(numbers) for bank, numbers in own.items()} == asked:
                return row
        raise ValueError(
            f"A set is asked for by the filters that it has; this table of {len(self)} sets holds "
            f"none of {filters!r}. See table.sets."
        )

    def flips(self, row: int) -> pd.DataFrame:
        """Return the images whose prediction changes without a set, and what it becomes.

        Parameters
        ----------
        row
            Which of `sets`; `row` finds it by its filters.

        Returns
        -------
        pandas.DataFrame
            As `carviz.CarTable.flips` has it.
        """
        row = check_whole(row, "row", 0, len(self) - 1, note="which of the table's sets")
        changed = self.predictions[row] != self.baseline
        facts = (self.targets, self.baseline, self.predictions[row])
        names = shown_names(self.classes)
        return flip_frame(
            flip_columns(self.images[changed], names, *(each[changed] for each in facts))
        )

    def to_frame(self) -> pd.DataFrame:
        """Return the numbers as a table, one row a set.

        Returns
        -------
        pandas.DataFrame
            set, filters (how many), car, lost, gained, images, sum_of_cars, excess, low, high,
            p_value, q_value (over all rows), and for log p log_prob_drop, sum_of_log_prob_drops,
            log_prob_excess, log_prob_low, log_prob_high, log_prob_p_value, log_prob_q_value.
        """
        import pandas as pd

        columns = {"set": self.sets, "filters": self.sizes, **self._columns("excess")}
        return pd.DataFrame(columns)

    def _columns(self, excess: str) -> dict[str, Any]:
        """Return what is told of each set, by the names of columns."""
        beyond = _renamed(self._numbers, excess)
        of_log = {f"log_prob_{n}": v for n, v in _renamed(self._log_numbers, excess).items()}
        return {
            "car": self.car, "lost": self.lost, "gained": self.gained,
            "images": np.full(len(self), len(self.images)), "sum_of_cars": self.sum_of_cars,
            **beyond, "log_prob_drop": self.log_prob_drop,
            "sum_of_log_prob_drops": self.sum_of_log_prob_drops, **of_log,
        }  # fmt: skip


def _renamed(numbers: Mapping[str, Floats], excess: str) -> dict[str, Floats]:
    return {excess if name == "excess" else name: values for name, values in numbers.items()}
