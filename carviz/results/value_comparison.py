"""Several values in the same channels' place: where they agree, and which filters change sides."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from carviz.checks import found_words
from carviz.results.ablations import Floats, Integers
from carviz.results.car_table import CarTable
from carviz.results.record import Record
from carviz.results.statistics import SIGNIFICANT, benjamini_hochberg, sign_test

if TYPE_CHECKING:
    import pandas as pd


@dataclasses.dataclass(frozen=True, eq=False)
class ValueComparison(Record):
    """What the filters of a bank are worth under several values, on the same images.

    `carviz.compare_values` makes it. Axes are value (V) and filter (F); CAR is a fraction.

    Parameters
    ----------
    layer
        The bank.
    names
        V names of the values, as they were given.
    filters
        (F,) numbers of the filters that all tables hold.
    images
        (M,) numbers of the images that all tables hold, ascending.
    lost, gained
        (V, F) images that turn from right to wrong, and from wrong to right.
    log_prob_drop
        (V, F) mean fall of log p(true class), in nats; NaN where it was left out.

    Examples
    --------
    >>> found = ValueComparison("conv", ("zero", "mean"), filters=[0, 1], images=range(10),
    ...     lost=[[9, 0], [0, 0]], gained=[[0, 0], [1, 0]], log_prob_drop=[[0.5, 0], [-0.1, 0]])
    >>> found.car.tolist(), found.verdict.tolist()
    ([[0.9, 0.0], [-0.1, 0.0]], [[1, 0], [0, 0]])
    """

    layer: str
    names: tuple[str, ...]
    filters: Integers
    images: Integers
    lost: Integers
    gained: Integers
    log_prob_drop: Floats

    _dtypes: ClassVar[Mapping[str, type]] = {
        "filters": np.int64,
        "images": np.int64,
        "lost": np.int64,
        "gained": np.int64,
        "log_prob_drop": np.float64,
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        F, V = len(self.filters), len(self.names)
        self._check_shapes(dict.fromkeys(("lost", "gained", "log_prob_drop"), (V, F)))
        if V < 2 or len(set(self.names)) < V:
            raise self._reject("two values at least are compared, each named once", str(self.names))
        if F == 0 or len(self.images) == 0:
            found = f"{F} and {len(self.images)}"
            raise self._reject("a comparison holds a filter and an image at least", found)
        self._check_within("counts images,", "lost", 0, len(self.images))
        self._check_within("counts images,", "gained", 0, len(self.images))

    def __repr__(self) -> str:
        return (
            f"<ValueComparison of {self.layer!r}: {', '.join(self.names)}; {len(self.filters)} "
            f"filters, {len(self.images):,} images>"
        )

    @cached_property
    def car(self) -> Floats:
        """(V, F) CAR of each filter on these images."""
        return (self.lost - self.gained) / len(self.images)

    @cached_property
    def q_value(self) -> Floats:
        """(V, F) q of the exact sign test, over the bank's filters, each value by itself."""
        p_values = sign_test(self.lost, self.gained)
        return np.stack([benjamini_hochberg(row) for row in p_values])

    @cached_property
    def verdict(self) -> NDArray[np.int64]:
        """(V, F) 1 where accuracy falls without the filter, -1 where it rises, 0 if neither.

        Falls or rises where q is at most 0.05.
        """
        return np.where(self.q_value <= SIGNIFICANT, np.sign(self.lost - self.gained), 0)

    def agreement(self) -> pd.DataFrame:
        """Return how far each two values agree.

        Returns
        -------
        pandas.DataFrame
            One row a pair: first, second (names); car and log_prob, Spearman's correlation of CAR
            and of the mean fall of log p over the filters (NaN where all filters are alike); same,
            the share of filters with one verdict under both; changed, how many change sides.
        """
        import pandas as pd

        sides = self.changes()
        rows = []
        for a, b in itertools.combinations(range(len(self.names)), 2):
            first, second = self.names[a], self.names[b]
            rows.append(
                {
                    "first": first,
                    "second": second,
                    "car": _spearman(self.car[a], self.car[b]),
                    "log_prob": _spearman(self.log_prob_drop[a], self.log_prob_drop[b]),
                    "same": float((self.verdict[a] == self.verdict[b]).mean()),
                    "changed": int(((sides["first"] == first) & (sides["second"] == second)).sum()),
                }
            )
        return pd.DataFrame(rows)

    def changes(self) -> pd.DataFrame:
        """Return the filters that change sides.

        A filter does between two values if it has a verdict under one of them, and under the other
        a CAR of 0 or of the other sign, sure or not.

        Returns
        -------
        pandas.DataFrame
            One row a filter and pair, in the order of pairs and filters: filter, first, second
            (names), car_first, car_second, q_first, q_second.
        """
        import pandas as pd

        names = ("filter", "first", "second", "car_first", "car_second", "q_first", "q_second")
        rows: list[tuple[Any, ...]] = []
        for a, b in itertools.combinations(range(len(self.names)), 2):
            sides = np.sign(self.car[[a, b]])
            told = (self.verdict[[a, b]] != 0).any(0)
            for i in np.flatnonzero(told & (sides[0] != sides[1])):
                numbers = (*self.car[[a, b], i], *self.q_value[[a, b], i])
                pair = self.names[a], self.names[b]
                rows.append((int(self.filters[i]), *pair, *map(float, numbers)))
        return pd.DataFrame(rows, columns=list(names))


def _spearman(one: Floats, other: Floats) -> float:
    from scipy.stats import spearmanr

    if np.isnan(one).any() or np.isnan(other).any() or len(one) < 2:
        return float("nan")
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return float("nan")
    return float(spearmanr(one, other).statistic)


def compare_values(tables: Mapping[str, CarTable]) -> ValueComparison:
    """Tell where several values in the filters' place agree, and which filters change sides.

    Zero, a mean and another image's channel each put something of their own into a network (Li and
    Janson, arXiv 2409.09951); what holds under all of them is the filter's. Tables are taken, not a
    model, so that each may be measured, kept and resumed by itself. What is compared are the
    filters and the images that *all* tables hold: a table of ``value="optimal"`` holds one half of
    the images, so leave it out where the others are to be compared on all of them.

    Parameters
    ----------
    tables
        Two tables of one bank or more, by a name for each: ``{"zero": …, "mean": …}``. A number
        is a name as well, and goes by how it is written: 0.5 is "0.5".

    Returns
    -------
    ValueComparison
        Its `agreement` and `changes` are tables; it is a record with `save` and `load`.

    Raises
    ------
    TypeError
        If `tables` is no mapping from names to `CarTable`.
    ValueError
        If there are fewer than two, or they are of different banks, models, data or classes, or
        have no filter or image in common.

    Examples
    --------
    >>> common = dict(classes=("cat", "dog"), images=range(8), total=8, targets=[0] * 8,
    ...     baseline=[0] * 8, log_prob_drop=[[0.1, 0], [0.2, 0]], filters=[0, 1])
    >>> zero = CarTable("conv", predictions=[[1] * 8, [0] * 8], **common)
    >>> mean = CarTable("conv", predictions=[[0] * 8, [0] * 7 + [1]], **common)
    >>> found = compare_values({"zero": zero, "mean": mean})
    >>> found.agreement()[["first", "second", "same", "changed"]].values.tolist()
    [['zero', 'mean', 0.5, 1]]
    >>> found.changes()[["filter", "car_first", "car_second"]].values.tolist()
    [[0.0, 1.0, 0.0]]
    """
    tables = _named(tables)
    first = _checked(tables)
    filters, images = first.filters, first.images
    for table in tables.values():
        filters = np.intersect1d(filters, table.filters)
        images = np.intersect1d(images, table.images)
    for what, common in (("filter", filters), ("image", images)):
        if len(common) == 0:
            raise ValueError(
                f"Values are compared on what all tables hold; these have no {what} in common."
            )
    rows = [_counts(table, filters, images) for table in tables.values()]
    lost, gained, drop = (np.stack(column) for column in zip(*rows, strict=True))
    words = {name: dict(table.passport).get("ablation") for name, table in tables.items()}
    known = {k: v for k, v in first.passport.items() if k in ("model", "data", "versions")}
    return ValueComparison(
        first.layer, tuple(tables), filters, images, lost, gained, drop,
        passport={**known, "ablations": words},
    )  # fmt: skip


def _named(tables: Any) -> dict[str, CarTable]:
    """Return tables by names that are words; TypeError or ValueError if they are no such."""
    rule = (
        "Values are compared by a mapping from names to tables of one bank, "
        '{"zero": table, "mean": table}; found '
    )
    if not isinstance(tables, Mapping):
        raise TypeError(f"{rule}{found_words(tables)}.")
    named: dict[str, CarTable] = {}
    for name, table in tables.items():
        if isinstance(name, bool) or not isinstance(name, (str, int, float, np.number)):
            raise TypeError(f"{rule}{found_words(name)} as a name. Names are words or numbers.")
        if not isinstance(table, CarTable):
            raise TypeError(f"{rule}{found_words(table)} under the name {name!r}.")
        if str(name) in named:
            raise ValueError(f"Each value has a name of its own; {str(name)!r} comes twice.")
        named[str(name)] = table
    return named


def _checked(tables: Mapping[str, CarTable]) -> CarTable:
    """Refuse what cannot be compared; return the first table."""
    if len(tables) < 2:
        raise ValueError(f"Two values at least are compared; found {len(tables)}.")
    name: str
    first: CarTable
    name, first = next(iter(tables.items()))
    for other, table in tables.items():
        own, its = (
            {"bank": t.layer, "classes": t.classes, "images": t.total}
            | {what: t.passport.get(what) for what in ("model", "data")}
            for t in (first, table)
        )
        for what in own:
            if own[what] != its[what]:
                raise ValueError(
                    "Values are compared on one bank, network and data; "
                    f"{other!r} differs from {name!r} in its {what}. Measure both alike."
                )
    return first


def _counts(
    table: CarTable, filters: Integers, images: Integers
) -> tuple[Integers, Integers, Floats]:
    """Return lost, gained (F,) and the mean fall of log p (F,) of some filters on some images."""
    rows = np.array([table.row(int(filter)) for filter in filters])
    columns = np.flatnonzero(np.isin(table.images, images))
    targets = table.targets[columns]
    before = table.baseline[columns] == targets
    after = table.predictions[rows][:, columns] == targets
    if table.image_log_prob_drop.size:
        drop = table.image_log_prob_drop[rows][:, columns].astype(np.float64).mean(1)
    elif len(columns) == len(table.images):
        drop = table.log_prob_drop_all[rows]
    else:
        drop = np.full(len(rows), np.nan)
    return (before & ~after).sum(1), (~before & after).sum(1), drop
