"""What a network's own measure loses without each filter of a bank."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from carviz.results.filter_rows import FilterRows
from carviz.results.paired_scores import Floats, score_interval, score_test
from carviz.results.statistics import benjamini_hochberg

if TYPE_CHECKING:
    import pandas as pd


@dataclasses.dataclass(frozen=True, eq=False)
class ScoreTable(FilterRows):
    """How a score of one's own falls without each filter of a bank, image by image.

    What `carviz.measure_car(…, score=)` returns. The fall is what CAR is for accuracy, and equals
    it where the score is 1 for right and 0 for wrong; above 0 the score falls without the filter.

    Parameters
    ----------
    layer
        The bank's name, as `torch.nn.Module.named_modules` names it.
    filters
        (F,) numbers of the measured filters in their bank.
    images
        (M,) numbers of the measured images in the data, ascending.
    total
        Images in the data: more than M while a table is still being filled, or after a cancel.
    baseline
        (M,) score of each image with all filters, 0 to 1.
    scores
        (F, M) score of each image without the filter.

    Examples
    --------
    >>> table = ScoreTable("conv", filters=[0, 1], images=[0, 1, 2, 3], total=4,
    ...     baseline=[1.0, 0.5, 0.5, 1.0], scores=[[0.5, 0.5, 0.0, 1.0], [1.0, 0.5, 0.5, 1.0]])
    >>> table.score, table.fall.tolist(), table.p_value.tolist()
    (0.75, [0.25, 0.0], [0.5, 1.0])
    """

    layer: str
    filters: NDArray[np.int64]
    images: NDArray[np.int64]
    total: int
    baseline: NDArray[np.float32]
    scores: NDArray[np.float32]

    _dtypes: ClassVar[Mapping[str, type]] = {
        "filters": np.int64, "images": np.int64, "baseline": np.float32, "scores": np.float32,
    }  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_rows()
        F, M = len(self.filters), len(self.images)
        self._check_shapes({"baseline": (M,), "scores": (F, M)})
        for name in ("baseline", "scores"):
            if np.isnan(getattr(self, name)).any():
                raise self._reject(f"`{name}` are numbers", "NaN")
            self._check_within("are scores", name, 0, 1)

    def __repr__(self) -> str:
        return (
            f"<ScoreTable of {self.layer!r}: {len(self.filters)} filters, {self._seen} images, "
            f"score {self.score:.3f}>"
        )

    @cached_property
    def score(self) -> float:
        """Mean score of the whole network."""
        return float(self.baseline.mean(dtype=np.float64))

    @cached_property
    def image_fall(self) -> Floats:
        """(F, M) fall of each image's score without the filter."""
        return self.baseline.astype(np.float64) - self.scores

    @cached_property
    def fall(self) -> Floats:
        """(F,) mean fall of the score without the filter."""
        return np.asarray(self.image_fall.mean(1))

    @cached_property
    def moved(self) -> NDArray[np.int64]:
        """(F,) images whose score changes without the filter."""
        return np.asarray((self.image_fall != 0).sum(1))

    @cached_property
    def interval(self) -> tuple[Floats, Floats]:
        """(F,) and (F,): the 95% interval of the fall, low and high.

        Mean ± t·sd/√M of the paired differences, with two images more: half a one that falls, and
        half a one that rises, by the largest change of any filter and image of the table (by 1
        where none changed), and one that does not change. So no filter has ±0.
        """
        scale = float(np.abs(self.image_fall).max()) or 1.0
        return score_interval(self.image_fall, scale)

    @cached_property
    def p_value(self) -> Floats:
        """(F,) p of the fall, two-sided: exact flips of signs where few images changed, else t's.

        Between 0.001 and 0.2 it is that of 10,000 seeded flips of signs in place of t's.
        """
        return score_test(self.image_fall)

    @cached_property
    def q_value(self) -> Floats:
        """(F,) p adjusted over all filters of the table (Benjamini-Hochberg)."""
        return benjamini_hochberg(self.p_value)

    @cached_property
    def order(self) -> NDArray[np.int64]:
        """(F,) filter numbers from the largest fall to the smallest; equal ones by number."""
        return self.filters[np.lexsort((self.filters, -self.fall))]

    def to_frame(self) -> pd.DataFrame:
        """Return the numbers as a table, a row a filter.

        Returns
        -------
        pandas.DataFrame
            filter, fall, moved (images whose score changes), images, low, high, p_value, q_value.
        """
        import pandas as pd

        low, high = self.interval
        columns: dict[str, Any] = {
            "filter": self.filters, "fall": self.fall, "moved": self.moved,
            "images": np.full(len(self.filters), len(self.images)), "low": low, "high": high,
            "p_value": self.p_value, "q_value": self.q_value,
        }  # fmt: skip
        return pd.DataFrame(columns)
