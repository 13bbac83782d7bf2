"""How alike the filters of a bank are: the record that `measure_siblings` returns."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from carviz.results.record import Record

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
By = Literal["weights", "activation"]


@dataclasses.dataclass(frozen=True, eq=False)
class SiblingTable(Record):
    """How alike the filters of a bank are, by their weights and by their activation.

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

    Examples
    --------
    >>> weights = [[1.0, 0.9, 0.2], [0.9, 1.0, 0.1], [0.2, 0.1, 1.0]]
    >>> activation = [[1.0, 0.3, 0.8], [0.3, 1.0, 0.0], [0.8, 0.0, 1.0]]
    >>> table = SiblingTable("conv", images=10, places=640, by_weights=weights,
    ...     by_activation=activation)
    >>> table.nearest(0, by="activation", k=1)
       filter  similarity
    0       2         0.8
    """

    layer: str
    images: int
    places: int
    by_weights: Floats
    by_activation: Floats

    _dtypes: ClassVar[Mapping[str, type]] = {"by_weights": np.float64, "by_activation": np.float64}

    def __post_init__(self) -> None:
        super().__post_init__()
        F = len(self.by_weights)
        for name in self._dtypes:
            values = getattr(self, name)
            if values.shape != (F, F) or F == 0:
                raise self._reject(f"`{name}` has shape ({F}, {F})", str(values.shape))
            if not np.array_equal(values, values.T, equal_nan=True):
                raise self._reject(f"`{name}` is symmetric", "a pair with two similarities")
            if np.nanmax(np.abs(values), initial=0.0) > 1:
                raise self._reject(f"`{name}` is in [-1, 1]", f"{np.nanmax(np.abs(values)):g}")

    def __repr__(self) -> str:
        return f"<SiblingTable of {self.layer!r}: {len(self)} filters, {self.images:,} images>"

    def __len__(self) -> int:
        """Return how many filters the bank has, F."""
        return len(self.by_weights)

    def nearest(
        self, filter: int, *, by: By = "weights", among: Iterable[int] | None = None, k: int = 3
    ) -> pd.DataFrame:
        """Return the filters most like one of the bank, the most alike first.

        Parameters
        ----------
        filter
            The filter's number.
        by
            "weights" or "activation".
        among
            Numbers of the filters to look among, e.g. those that a pruning left; None for all.
            The filter itself is never its own sibling.
        k
            How many at most, 1 or more. Filters without a similarity (NaN) are left out.

        Returns
        -------
        pandas.DataFrame
            filter, similarity; equal ones by number.

        Raises
        ------
        TypeError, ValueError
            If a number is no filter of the bank, or an argument is not what it can be.
        """
        import pandas as pd

        if by not in ("weights", "activation"):
            raise ValueError(f"by is 'weights' or 'activation'; found {by!r}.")
        if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k < 1:
            raise ValueError(f"k is how many siblings at most, 1 or more; found {k!r}.")
        (chosen,) = self.check_filters([filter], "filter")
        others = self._others(among)
        values = self.by_weights[chosen] if by == "weights" else self.by_activation[chosen]
        others = others[(others != chosen) & ~np.isnan(values[others])]
        first = others[np.argsort(-values[others], kind="stable")][:k]
        return pd.DataFrame({"filter": first, "similarity": values[first]})

    def nearest_each(
        self, filters: Iterable[int], *, among: Iterable[int] | None = None
    ) -> pd.DataFrame:
        """Return the nearest sibling of each of several filters, in both ways.

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
            Two rows for each of by weights and by activation: how alike to its nearest among those
            left is a pruned filter, and one that is left. Columns: found, the median over the
            filters; chance, the median over the draws of that median; low and high, between which
            95% of the draws lie; as_high, the share of draws as high or higher. Filters without a
            similarity (NaN) are left out.

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
        for by, values in (("weights", self.by_weights), ("activation", self.by_activation)):
            found = _medians(values, np.asarray(gone))
            rng = np.random.default_rng(seed)
            picks = (rng.permutation(len(self))[: len(gone)] for _ in range(draws))
            chance = np.stack([_medians(values, pick) for pick in picks])
            for i, who in enumerate(("pruned", "left")):
                low, middle, high = np.nanquantile(chance[:, i], [0.025, 0.5, 0.975])
                as_high = float(np.mean(chance[:, i] >= found[i]))
                rows[by, who] = (found[i], middle, low, high, as_high)
        frame = pd.DataFrame.from_dict(
            rows, orient="index", columns=["found", "chance", "low", "high", "as_high"]
        )
        frame.index = pd.MultiIndex.from_tuples(rows, names=["by", "filters"])
        return frame

    def to_frame(self) -> pd.DataFrame:
        """Return one row a pair of filters: filter, other, by_weights, by_activation."""
        import pandas as pd

        filter, other = np.triu_indices(len(self), 1)
        return pd.DataFrame(
            {
                "filter": filter,
                "other": other,
                "by_weights": self.by_weights[filter, other],
                "by_activation": self.by_activation[filter, other],
            }
        )

    def check_filters(self, filters: Iterable[int], name: str) -> list[int]:
        """Return numbers of filters as a list; TypeError or ValueError if they are none."""
        if not isinstance(filters, Iterable) or isinstance(filters, (str, bytes)):
            raise TypeError(f"{name} are filters' numbers; found {filters!r}, not a list.")
        given = list(filters)
        wrong = [i for i in given if isinstance(i, bool) or not isinstance(i, (int, np.integer))]
        if wrong:
            raise TypeError(f"A filter is its number in the bank; found {wrong[0]!r}.")
        outside = [i for i in given if not 0 <= i < len(self)]
        if outside:
            raise ValueError(
                f"A filter is a number in its bank; {self.layer!r} has filters 0 to "
                f"{len(self) - 1}; found {outside[0]}."
            )
        return [int(i) for i in given]

    def _others(self, among: Iterable[int] | None) -> NDArray[np.int64]:
        if among is None:
            return np.arange(len(self))
        return np.asarray(sorted(set(self.check_filters(among, "among"))), np.int64)


def _medians(values: Floats, gone: NDArray[np.int64]) -> Floats:
    """Return (2,): medians over the pruned and the left filters of the likeness to the nearest.

    The nearest is one of those left, and never the filter itself.
    """
    left = np.ones(len(values), np.bool_)
    left[gone] = False
    likeness = np.where(np.isnan(values) | np.eye(len(values), dtype=np.bool_), -np.inf, values)
    nearest = likeness[:, left].max(axis=1)
    known = np.isfinite(nearest)
    return np.array(
        [
            np.median(nearest[part & known]) if (part & known).any() else np.nan
            for part in (~left, left)
        ]
    )
