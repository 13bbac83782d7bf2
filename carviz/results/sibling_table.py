"""How alike the filters of a bank are: the record that `measure_siblings` returns."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from carviz.checks import check_filter, check_filters, check_whole
from carviz.results.car_table import CarTable
from carviz.results.chance.nearest import rows_beside_chance
from carviz.results.cluster_tree import cluster
from carviz.results.clusters import Clusters
from carviz.results.filter_numbers import pruned_filters
from carviz.results.likeness import check_car, class_similarity
from carviz.results.pruning_path import PruningPath
from carviz.results.record import Record

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
By = Literal["weights", "activation", "classes"]
ROUNDING = 1e-6
"""How far from 1 the likeness of a filter to itself may be."""
MEASURES = ("weights", "activation", "classes")


@dataclasses.dataclass(frozen=True, eq=False)
class SiblingTable(Record):
    """How alike the filters of a bank are: by weights, by activation, by what they do to classes.

    Parameters
    ----------
    layer
        The bank's name.
    images
        How many images the activations were seen on.
    places
        How many places of an image, all together: what the correlation runs over.
    by_weights
        (F, F) cosine similarity of the weights, from -1 to 1; NaN for a filter without weights.
    by_activation
        (F, F) Pearson correlation of the units' outputs after a ReLU, over all images and
        places; NaN for a filter whose output never changes.
    by_classes
        (F, F) Pearson correlation of the filters' class-wise CAR, over the classes with images;
        NaN for a filter whose CAR was not measured, or is the same in every class. NaN throughout
        where no CAR was given: see `with_classes`.
    moved
        (F,) in how many classes the filter's CAR is not zero; NaN where it was not measured. Two
        filters that each move one class, the same, have a correlation of 1: read it beside this.
    classes
        How many classes the correlation of CAR runs over; 0 where no CAR was given.

    Examples
    --------
    >>> weights = [[1.0, 0.9, 0.2], [0.9, 1.0, 0.1], [0.2, 0.1, 1.0]]
    >>> activation = [[1.0, 0.3, 0.8], [0.3, 1.0, 0.0], [0.8, 0.0, 1.0]]
    >>> table = SiblingTable("conv", images=10, places=640, by_weights=weights,
    ...     by_activation=activation)
    >>> table.nearest(0, 1, by="activation")
       filter  similarity  rank  by_weights  by_activation
    0       2         0.8     1         0.2            0.8
    >>> table.clusters("activation").shared()
    {1: [0, 2]}
    """

    layer: str
    images: int
    places: int
    by_weights: Floats
    by_activation: Floats
    by_classes: Floats = dataclasses.field(default_factory=lambda: np.empty(0))
    moved: Floats = dataclasses.field(default_factory=lambda: np.empty(0))
    classes: int = 0

    _dtypes: ClassVar[Mapping[str, type]] = {
        "by_weights": np.float64,
        "by_activation": np.float64,
        "by_classes": np.float64,
        "moved": np.float64,
    }
    _later: ClassVar[frozenset[str]] = frozenset({"by_classes", "moved", "classes"})

    def __post_init__(self) -> None:
        square = np.shape(self.by_weights)
        for name, whole in (("by_classes", square), ("moved", square[:1])):
            if np.size(getattr(self, name)) == 0:  # not measured
                object.__setattr__(self, name, np.full(whole, np.nan))
        super().__post_init__()
        F = len(self) if square else 0
        if F == 0:
            raise self._reject("a bank has a filter at least", f"shape {square}")
        for name in ("images", "places"):
            self._check_within("says how many,", name, 1)
        self._check_within("says how many,", "classes", 0)
        for name in ("by_weights", "by_activation", "by_classes"):
            values = getattr(self, name)
            if values.shape != (F, F):
                raise self._reject(f"`{name}` has shape ({F}, {F})", str(values.shape))
            if not np.array_equal(values, values.T, equal_nan=True):
                raise self._reject(f"`{name}` is symmetric", "a pair with two similarities")
            if np.nanmax(np.abs(values), initial=0.0) > 1:
                raise self._reject(f"`{name}` is in [-1, 1]", f"{np.nanmax(np.abs(values)):g}")
            itself, nothing = values.diagonal(), np.isnan(values.diagonal())
            if not (nothing | (np.abs(itself - 1) <= ROUNDING)).all():
                raise self._reject(
                    f"`{name}` is 1 of a filter with itself", f"{np.nanmin(itself):g}"
                )
            if not np.array_equal(np.isnan(values), nothing[:, None] | nothing):
                raise self._reject(f"`{name}` is known of all of a filter's pairs or none", "some")
        if self.moved.shape != (F,):
            raise self._reject(f"`moved` has shape ({F},)", str(self.moved.shape))
        if self.classes == 0 and not (
            np.isnan(self.by_classes).all() and np.isnan(self.moved).all()
        ):
            raise self._reject("`classes` says over how many `by_classes` runs", "0")
        self._check_within("are numbers of classes,", "moved", 0, self.classes)
        if self.classes and np.isnan(self.moved).all():
            raise self._reject("`moved` is known of a filter at least where `classes` is", "NaN")
        known = self.moved[~np.isnan(self.moved)]
        if not np.array_equal(known, np.rint(known)):
            raise self._reject("`moved` are numbers of classes", "a fraction")
        if not np.isnan(self.by_classes.diagonal()[np.isnan(self.moved)]).all():
            raise self._reject("`by_classes` is of filters whose `moved` is known", "NaN")

    def __repr__(self) -> str:
        return f"<SiblingTable of {self.layer!r}: {len(self)} filters, {self.images:,} images>"

    def __len__(self) -> int:
        """Return how many filters the bank has, F."""
        return len(self.by_weights)

    @property
    def measures(self) -> tuple[str, ...]:
        """What filters can be compared by: "weights", "activation" and, given CAR, "classes"."""
        return MEASURES if self.classes else MEASURES[:-1]

    def similarity(self, by: str) -> Floats:
        """Return (F, F) how alike the filters are by one of `measures`; ValueError for another."""
        if by not in MEASURES:
            raise ValueError(f"by is 'weights', 'activation' or 'classes'; found {by!r}.")
        if by not in self.measures:
            raise ValueError(
                "Filters are compared by classes once their CAR is given; this table of "
                f"{self.layer!r} has none. Use table.with_classes(car_table), or "
                "carviz.measure_siblings(model, data, layer, table=car_table)."
            )
        return np.asarray(getattr(self, f"by_{by}"))

    def with_classes(self, table: CarTable) -> SiblingTable:
        """Return this table, and how alike the filters are in what they do to the classes.

        It is Pearson's correlation of the rows of class-wise CAR, over the classes with images.
        Read it with care: with few images most CARs are zero or a single image, so that `moved`
        says in how many classes each filter's CAR is not zero; and for filters that have nothing
        to do with each other it scatters around 0 by about one over the root of the classes.

        Parameters
        ----------
        table
            A `CarTable` of the same bank and network, of all of its filters or some; the images
            may be others.

        Raises
        ------
        TypeError, ValueError
            If it is no CarTable, of another bank or network, or has images of fewer than three
            classes.
        """
        check_car(table, self.layer, self.passport.get("model"))
        similarity, moved = class_similarity(table, len(self))
        classes = int((table.class_images > 0).sum())
        told = {
            "by": "correlation of class-wise CAR over the classes with images",
            "data": table.passport.get("data"),
            "images": len(table.images),
        }
        return dataclasses.replace(
            self,
            by_classes=similarity,
            moved=moved,
            classes=classes,
            passport={**self.passport, "classes": told},
        )

    def nearest(
        self,
        filter: int,
        k: int = 3,
        *,
        by: By = "weights",
        among: Iterable[int] | None = None,
        pruned: PruningPath | Iterable[int] | None = None,
    ) -> pd.DataFrame:
        """Return the filters most like one of the bank, the most alike first.

        Parameters
        ----------
        filter
            The filter's number.
        k
            How many at most, 1 or more. Filters without a similarity (NaN) are left out.
        by
            "weights", "activation" or, where CAR was given, "classes": what decides the order.
        among
            Numbers of the filters to look among, e.g. those that a pruning left; None for all.
            The filter itself is never its own sibling.
        pruned
            A `PruningPath` whose banks include this one, or numbers of filters: to be told of each
            sibling whether it is left. It leaves none out; that is what `among` is for.

        Returns
        -------
        pandas.DataFrame
            filter; similarity, by the measure chosen; rank, its place among all others of the bank,
            1 for the most alike, equal ones by number; by_weights, by_activation and, where CAR
            was given, by_classes: the similarity by each measure; moved, in how many classes the
            sibling's own CAR is not zero; left, given `pruned`.

        Raises
        ------
        TypeError, ValueError
            If a number is no filter of the bank, or an argument is not what it can be.
        """
        import pandas as pd

        values = self.similarity(by)
        k = check_whole(k, "k", what="how many siblings at most")
        chosen = check_filter(filter, len(self), self.layer)
        every = self._sorted(chosen, values[chosen])
        found = np.flatnonzero(np.isin(every, self._others(among)))[:k]
        first = every[found]
        frame = pd.DataFrame(
            {"filter": first, "similarity": values[chosen, first], "rank": found + 1}
        )
        for name in self.measures:
            frame[f"by_{name}"] = self.similarity(name)[chosen, first]
        if self.classes:
            frame["moved"] = self.moved[first]
        if pruned is not None:
            frame["left"] = ~np.isin(first, pruned_filters(pruned, self.layer, len(self)))
        return frame

    def _sorted(self, chosen: int, values: Floats) -> NDArray[np.int64]:
        """Return all other filters that have a similarity, the most alike first."""
        others = np.flatnonzero(~np.isnan(values))
        others = others[others != chosen]
        return np.asarray(others[np.argsort(-values[others], kind="stable")])

    def nearest_each(
        self, filters: Iterable[int], *, among: Iterable[int] | None = None
    ) -> pd.DataFrame:
        """Return the nearest sibling of each of several filters, by weights and by activation.

        Parameters
        ----------
        filters
            Numbers of the filters, in the order in which they shall stand.
        among
            As in `nearest`.

        Returns
        -------
        pandas.DataFrame
            filter; by_weights, the number of the nearest sibling (missing where there is none),
            and cosine, its similarity; by_activation and correlation likewise.
        """
        import pandas as pd

        chosen = self.check_filters(filters, "filters")
        others = self._others(among).tolist()
        rows = []
        for filter in chosen:
            row: dict[str, Any] = {"filter": filter}
            for by, name in (("weights", "cosine"), ("activation", "correlation")):
                found = self.nearest(filter, by=by, among=others, k=1)  # type: ignore[arg-type]
                row[f"by_{by}"] = int(found["filter"].iloc[0]) if len(found) else None
                row[name] = float(found["similarity"].iloc[0]) if len(found) else np.nan
            rows.append(row)
        columns = ["filter", "by_weights", "cosine", "by_activation", "correlation"]
        frame = pd.DataFrame(rows, columns=columns)
        return frame.astype({"by_weights": "Int64", "by_activation": "Int64"})

    def beside_chance(
        self, filters: Iterable[int], *, draws: int = 1000, seed: int = 0
    ) -> pd.DataFrame:
        """Return how alike pruned filters and those left are, beside as many pruned at random.

        Every filter has some nearest sibling; whether what was pruned has nearer ones than chance
        would give, and whether what is left is more diverse, only such a comparison can say.

        Parameters
        ----------
        filters
            Numbers of the filters that were pruned; two at least must be left.
        draws
            How often as many filters of the bank are drawn at random.
        seed
            Of the draws.

        Returns
        -------
        pandas.DataFrame
            Two rows for each of by weights, by activation and, where CAR was given, by classes: how
            alike to its nearest among those left is a pruned filter, and one that is left. Columns:
            found, the median over the filters; chance, the median over the draws of that median;
            low and high, between which 95% of the draws lie; as_high, the share of draws as high or
            higher. Filters without a similarity (NaN) are left out.

        Raises
        ------
        TypeError, ValueError
            If a number is no filter of the bank, or too few are given or left.
        """
        import pandas as pd

        gone = sorted(set(self.check_filters(filters, "filters")))
        if not 1 <= len(gone) <= len(self) - 2:
            raise ValueError(
                "The comparison wants one filter pruned and two left at least; found "
                f"{len(gone)} of {len(self)} pruned."
            )
        rows = {}
        for by in self.measures:
            found = rows_beside_chance(self.similarity(by), gone, draws, seed)
            rows.update(
                {(by, who): row for who, row in zip(("pruned", "left"), found, strict=True)}
            )
        frame = pd.DataFrame.from_dict(
            rows, orient="index", columns=["found", "chance", "low", "high", "as_high"]
        )
        frame.index = pd.MultiIndex.from_tuples(rows, names=["by", "filters"])
        return frame

    def clusters(
        self,
        by: By = "activation",
        *,
        threshold: float | None = None,
        count: int | None = None,
    ) -> Clusters:
        """Put the filters in clusters of siblings, each filter in one.

        Clusters are joined one by one, always the two whose filters are most alike on average
        (average linkage on 1 minus the similarity), until no two reach the threshold. So the mean
        similarity over all pairs inside a cluster is at least the threshold. A filter and its
        negative are as unlike as can be: after a ReLU they answer at different places.

        The threshold is 0.5 unless told otherwise: inside a cluster filters are correlated by a
        half on average. That is far above what unrelated weights give by chance (one over the root
        of the number of weights, 0.06 for 11 × 11 × 3), and below what only copies reach. By
        classes chance comes nearer: over 10 classes unrelated filters scatter around 0 by 0.33.

        Parameters
        ----------
        by
            "weights", "activation" or, where CAR was given, "classes".
        threshold
            From -1 to 1: the mean similarity at which the tree is cut. None for 0.5.
        count
            Cut into so many clusters instead, those of filters without a similarity not counted.

        Returns
        -------
        Clusters
            The order of the leaves, each filter's cluster, and the tree. A filter without a
            similarity (NaN) stands alone, at the end.

        Raises
        ------
        TypeError, ValueError
            If an argument is not what it can be, or both `threshold` and `count` are given.
        """
        return cluster(self.layer, by, self.similarity(by), threshold=threshold, count=count)

    def to_frame(self) -> pd.DataFrame:
        """Return one row a pair of filters: filter, other, by_weights, by_activation, by_classes.

        The last is there where CAR was given.
        """
        import pandas as pd

        filter, other = np.triu_indices(len(self), 1)
        pairs = {f"by_{by}": self.similarity(by)[filter, other] for by in self.measures}
        return pd.DataFrame({"filter": filter, "other": other, **pairs})

    def check_filters(self, filters: Iterable[int], name: str) -> list[int]:
        """Return numbers of filters as a list; TypeError or ValueError if they are none."""
        return check_filters(filters, len(self), self.layer, name)

    def _others(self, among: Iterable[int] | None) -> NDArray[np.int64]:
        if among is None:
            return np.arange(len(self))
        return np.asarray(sorted(set(self.check_filters(among, "among"))), np.int64)
