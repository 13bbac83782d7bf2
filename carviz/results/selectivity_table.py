"""Colour against shape, filter by filter: the record that `measure_selectivity` returns."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from carviz.results.record import Record

if TYPE_CHECKING:
    import pandas as pd

KINDS = ("color", "shape", "dead")
FAINT = 0.10
"""Counts are given again without filters under this share of the bank's median energy."""


@dataclasses.dataclass(frozen=True, eq=False)
class SelectivityTable(Record):
    """Which filters of a bank select colour and which select shape.

    Parameters
    ----------
    layer
        The bank's name.
    threshold
        A filter is colour-selective above this colour index.
    color_index
        (F,) share of the weight's variance across R, G and B in all its energy, in [0, 1];
        NaN for a dead filter.
    kind
        (F,) of "color", "shape", "dead", by the colour index.
    energy
        (F,) sum of squared weights, per unit of raw RGB.
    activation_index
        (F,) share of the response that goes when the images that excite the filter most are made
        grey, in [0, 1]; NaN where it was not measured, and for a dead filter.
    activation_threshold
        Above this activation index the answers of a filter are about colour.
    reading
        Whose colour index it is: "weights", or "effective weights, 9 images" say.

    Examples
    --------
    >>> SelectivityTable("conv", threshold=0.5, color_index=[0.9, 0.1, float("nan")],
    ...     kind=["color", "shape", "dead"], energy=[1.5, 2.0, 0.0])
    <SelectivityTable of 'conv': 1 color, 1 shape, 1 dead; threshold 0.5>
    """

    layer: str
    threshold: float
    color_index: NDArray[np.float64]
    kind: NDArray[np.str_]
    energy: NDArray[np.float64]
    activation_index: NDArray[np.float64] = dataclasses.field(default_factory=lambda: np.empty(0))
    activation_threshold: float = 0.5
    reading: str = "weights"

    _dtypes: ClassVar[Mapping[str, type]] = {
        "color_index": np.float64,
        "kind": np.str_,
        "energy": np.float64,
        "activation_index": np.float64,
    }
    _later: ClassVar[frozenset[str]] = frozenset(
        {"activation_index", "activation_threshold", "reading"}
    )

    def __post_init__(self) -> None:
        if np.size(self.activation_index) == 0:  # not measured
            object.__setattr__(self, "activation_index", np.full(np.size(self.energy), np.nan))
        super().__post_init__()
        F = np.size(self.energy)
        self._check_shapes(dict.fromkeys(self._dtypes, (F,)))
        for name in ("threshold", "activation_threshold"):
            if not 0 <= getattr(self, name) <= 1:  # NaN too
                raise self._reject(f"`{name}` is an index, 0 to 1", f"{getattr(self, name):g}")
        for name in ("color_index", "activation_index"):
            self._check_within("are indices", name, 0, 1)
        if not (np.isfinite(self.energy) & (self.energy >= 0)).all():
            raise self._reject("`energy` is a sum of squares", str(self.energy.min()))
        if unknown := set(self.kind.tolist()) - set(KINDS):
            raise self._reject(f"a kind is one of {', '.join(KINDS)}", str(sorted(unknown)))
        if not np.array_equal(np.isnan(self.color_index), self.kind == "dead"):
            raise self._reject("a dead filter, and no other, has index NaN", "a mismatch")
        colorful = self.color_index > self.threshold
        if not np.array_equal(colorful, self.kind == "color"):
            raise self._reject(
                "a filter is 'color' above the threshold, and no other", "a mismatch"
            )
        if not np.isnan(self.activation_index[self.kind == "dead"]).all():
            raise self._reject("a dead filter has activation index NaN", "a number")

    def __repr__(self) -> str:
        counts = ", ".join(f"{int((self.kind == k).sum())} {k}" for k in KINDS)
        return f"<SelectivityTable of {self.layer!r}: {counts}; threshold {self.threshold:g}>"

    @property
    def faint(self) -> NDArray[np.bool_]:
        """(F,) filters under 10% of the bank's median energy: training hardly shaped them."""
        return np.asarray(self.energy < FAINT * np.median(self.energy))

    @property
    def read_both_ways(self) -> NDArray[np.bool_]:
        """(F,) filters whose colour was read by their weights and by their answers."""
        return np.asarray(~np.isnan(self.color_index) & ~np.isnan(self.activation_index))

    @property
    def disagrees(self) -> NDArray[np.bool_]:
        """(F,) filters that one reading calls colour-selective and the other does not.

        False where only one was taken.
        """
        by_weights = self.color_index > self.threshold
        by_activation = self.activation_index > self.activation_threshold
        return np.asarray(self.read_both_ways & (by_weights != by_activation))

    def rank_correlation(self) -> float:
        """Return Spearman's rank correlation of both readings, over the filters that have both.

        It asks whether the readings put the filters in the same order, wherever their thresholds
        lie: 1 for the same order, -1 for the opposite one. NaN where fewer than three filters have
        both readings, or a reading is the same for all.
        """
        from scipy.stats import spearmanr

        indices = self.color_index[self.read_both_ways], self.activation_index[self.read_both_ways]
        if len(indices[0]) < 3 or any(np.ptp(index) == 0 for index in indices):
            return float("nan")
        return float(spearmanr(*indices).statistic)

    def counts(self) -> pd.DataFrame:
        """Return how many filters are of each kind, with and without the faint ones.

        Random weights read as "color" (their index is 2/3), so a count of colour-selective
        filters is told twice: over all filters, and over those that training shaped.

        Returns
        -------
        pandas.DataFrame
            Rows "all" and "without faint"; columns color, shape, dead and color_share, the share
            of colour-selective filters among those that are not dead.
        """
        import pandas as pd

        rows: dict[str, dict[str, Any]] = {}
        for name, kept in (("all", np.ones_like(self.faint)), ("without faint", ~self.faint)):
            row: dict[str, Any] = {k: int(((self.kind == k) & kept).sum()) for k in KINDS}
            alive = row["color"] + row["shape"]
            rows[name] = {**row, "color_share": row["color"] / alive if alive else np.nan}
        return pd.DataFrame.from_dict(rows, orient="index")

    def to_frame(self) -> pd.DataFrame:
        """Return one row a filter.

        Columns: filter, kind, color_index, activation_index, disagrees, energy, faint.
        """
        import pandas as pd

        return pd.DataFrame(
            {
                "filter": np.arange(len(self.energy)),
                "kind": self.kind.astype(object),
                "color_index": self.color_index,
                "activation_index": self.activation_index,
                "disagrees": self.disagrees,
                "energy": self.energy,
                "faint": self.faint,
            }
        )
