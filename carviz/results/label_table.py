"""What each label of a network is worth without each filter of a bank."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from carviz.results.class_names import find_class, shown_names
from carviz.results.filter_rows import FilterRows
from carviz.results.paired_scores import Floats, score_interval, score_test
from carviz.results.statistics import benjamini_hochberg, fraction, paired_columns

if TYPE_CHECKING:
    import pandas as pd

Integers = NDArray[np.int64]


@dataclasses.dataclass(frozen=True, eq=False)
class LabelTable(FilterRows):
    """CAR of the filters of one bank where an image has a row of labels, each there or not.

    What `carviz.measure_car` returns of such data. A label is predicted where its logit is above 0
    (its probability above 0.5), and right where that is so exactly if it is there. The CAR of a
    label is the fall of its accuracy without the filter. Where a label is rare, accuracy says
    little: what is lost among the images that have it stands beside it.

    Axes are filter (F), image (M), label (L).

    Parameters
    ----------
    layer
        The bank's name, as `torch.nn.Module.named_modules` names it.
    filters
        (F,) numbers of the measured filters in their bank.
    labels
        L names, one a logit.
    images
        (M,) numbers of the measured images in the data, ascending.
    total
        Images in the data: more than M while a table is still being filled, or after a cancel.
    positives, right, right_positives
        (L,) images that have the label; images that the whole network is right about; and those
        that have the label and are found.
    lost, gained
        (F, L) images on which the label turns from right to wrong without the filter, and from
        wrong to right.
    lost_positives, gained_positives
        (F, L) the same among the images that have the label.
    right_labels, right_without
        (M,) and (F, M) how many labels of each image are right, with all filters and without one.
    log_prob_drop
        (F, L) mean fall of the log-likelihood of the label, in nats. It breaks ties.

    Examples
    --------
    >>> table = LabelTable("conv", filters=[0], labels=("cat", "dog"), images=[0, 1], total=2,
    ...     positives=[1, 2], right=[2, 1], right_positives=[1, 1], lost=[[1, 0]], gained=[[0, 1]],
    ...     lost_positives=[[1, 0]], gained_positives=[[0, 1]], right_labels=[2, 1],
    ...     right_without=[[1, 2]], log_prob_drop=[[0.5, -0.5]])
    >>> table.label_car.tolist(), table.car.tolist(), table.recall_fall.tolist()
    ([[0.5, -0.5]], [0.0], [[1.0, -0.5]])
    """

    layer: str
    filters: Integers
    labels: tuple[str, ...]
    images: Integers
    total: int
    positives: Integers
    right: Integers
    right_positives: Integers
    lost: Integers
    gained: Integers
    lost_positives: Integers
    gained_positives: Integers
    right_labels: NDArray[np.int32]
    right_without: NDArray[np.int32]
    log_prob_drop: Floats

    _dtypes: ClassVar[Mapping[str, type]] = {
        **dict.fromkeys(("filters", "images", "positives", "right", "right_positives"), np.int64),
        **dict.fromkeys(("lost", "gained", "lost_positives", "gained_positives"), np.int64),
        "right_labels": np.int32,
        "right_without": np.int32,
        "log_prob_drop": np.float64,
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_rows()
        F, M, L = len(self.filters), len(self.images), len(self.labels)
        ones = dict.fromkeys(("positives", "right", "right_positives"), (L,))
        several = ("lost", "gained", "lost_positives", "gained_positives", "log_prob_drop")
        pairs = dict.fromkeys(several, (F, L))
        self._check_shapes({**ones, **pairs, "right_labels": (M,), "right_without": (F, M)})
        for name in (*ones, *several[:-1]):
            self._check_within("are counts of images,", name, 0, M)
        for name in ("right_labels", "right_without"):
            self._check_within("are counts of labels,", name, 0, L)
        if not np.isfinite(self.log_prob_drop).all():
            raise self._reject("`log_prob_drop` are numbers", "NaN or infinity")
        positives = self.positives - self.right_positives
        within = (
            (self.right_positives <= np.minimum(self.right, self.positives)).all()
            and (self.lost <= self.right).all() and (self.gained <= M - self.right).all()
            and (self.lost_positives <= np.minimum(self.lost, self.right_positives)).all()
            and (self.gained_positives <= np.minimum(self.gained, positives)).all()
        )  # fmt: skip
        if not within:
            raise self._reject("counts of a part are no more than those of the whole", "more")
        falls = self.right_labels.sum(dtype=np.int64) - self.right_without.sum(1, dtype=np.int64)
        if self.right.sum() != self.right_labels.sum(dtype=np.int64) or not np.array_equal(
            falls, (self.lost - self.gained).sum(1)
        ):
            raise self._reject("labels and images count the same answers", "other sums")

    def __repr__(self) -> str:
        return (
            f"<LabelTable of {self.layer!r}: {len(self.filters)} filters, {self._seen} images, "
            f"{len(self.labels)} labels, accuracy {self.accuracy:.3f}>"
        )

    @cached_property
    def shown_labels(self) -> tuple[str, ...]:
        """L names as tables show them: with the number where a name repeats."""
        return shown_names(self.labels)

    def label_number(self, label: str | int) -> int:
        """Return the number of a label given by number, by name, or as `shown_labels` has it."""
        return find_class(self.labels, label)

    # -- the whole network

    @cached_property
    def label_accuracy(self) -> Floats:
        """(L,) share of the images on which the whole network is right about the label."""
        return np.asarray(self.right / len(self.images))

    @cached_property
    def accuracy(self) -> float:
        """Mean of `label_accuracy` over the labels."""
        return float(self.label_accuracy.mean())

    @cached_property
    def recall(self) -> Floats:
        """(L,) share of the images that have the label on which it is predicted; NaN of none."""
        return fraction(self.right_positives, self.positives)

    # -- without a filter

    @cached_property
    def label_car(self) -> Floats:
        """(F, L) CAR of each label: (lost - gained) / images."""
        return np.asarray((self.lost - self.gained) / len(self.images))

    @cached_property
    def car(self) -> Floats:
        """(F,) mean CAR over the labels."""
        count = len(self.images) * len(self.labels)
        return np.asarray((self.lost - self.gained).sum(1) / count)

    @cached_property
    def recall_fall(self) -> Floats:
        """(F, L) fall of `recall` without the filter; NaN of a label that no image has."""
        return fraction(self.lost_positives - self.gained_positives, self.positives)

    @cached_property
    def log_prob_drop_all(self) -> Floats:
        """(F,) mean fall of the log-likelihood over the labels, in nats."""
        return np.asarray(self.log_prob_drop.mean(1))

    @cached_property
    def _shares(self) -> Floats:
        """(F, M) fall of the share of an image's labels that is right."""
        moved = self.right_labels.astype(np.int64) - self.right_without
        return np.asarray(moved / len(self.labels))

    @cached_property
    def interval_all(self) -> tuple[Floats, Floats]:
        """(F,) and (F,): the 95% interval of `car`, low and high.

        An image's labels hang together, so images are counted, by the share of their labels that
        is right; see `carviz.ScoreTable.interval`.
        """
        return score_interval(self._shares, float(np.abs(self._shares).max()) or 1.0)

    @cached_property
    def p_value_all(self) -> Floats:
        """(F,) p of `car`, two-sided, over images; see `carviz.ScoreTable.p_value`."""
        return score_test(self._shares)

    @cached_property
    def q_value_all(self) -> Floats:
        """(F,) q of `car`, over all filters of the table (Benjamini-Hochberg)."""
        return benjamini_hochberg(self.p_value_all)

    @cached_property
    def _paired(self) -> dict[str, NDArray[Any]]:
        images = np.full(self.lost.shape, len(self.images))
        return paired_columns(self.lost, self.gained, images)

    @property
    def interval(self) -> tuple[Floats, Floats]:
        """(F, L) and (F, L): the 95% interval of `label_car`, Agresti-Min's, low and high."""
        return self._paired["low"], self._paired["high"]

    @property
    def q_value(self) -> Floats:
        """(F, L) q of the exact sign test of `label_car`, over all filters and labels."""
        return self._paired["q_value"]

    @cached_property
    def order(self) -> Integers:
        """(F,) filter numbers from the highest `car` to the lowest.

        Ties go by the fall of the log-likelihood, and then by the number.
        """
        return self.filters[np.lexsort((self.filters, -self.log_prob_drop_all, -self.car))]

    def to_frame(self, by: Literal["filter", "label"] = "filter") -> pd.DataFrame:
        """Return the numbers as a table, one row a filter, or one a filter and label.

        Returns
        -------
        pandas.DataFrame
            Of filters: filter, car, images, low, high, p_value, q_value, log_prob_drop. Of labels:
            filter, label, car, lost, gained, images, low, high, p_value, q_value (over all rows),
            log_prob_drop, positives, lost_positives, gained_positives, recall_fall, number (the
            label's).
        """
        import pandas as pd

        if by not in ("filter", "label"):
            raise ValueError(f"`by` is 'filter' or 'label'; found {by!r}.")
        F, L = self.lost.shape
        if by == "filter":
            low, high = self.interval_all
            return pd.DataFrame(
                {
                    "filter": self.filters, "car": self.car,
                    "images": np.full(F, len(self.images)), "low": low, "high": high,
                    "p_value": self.p_value_all, "q_value": self.q_value_all,
                    "log_prob_drop": self.log_prob_drop_all,
                }
            )  # fmt: skip
        return pd.DataFrame(
            {
                "filter": np.repeat(self.filters, L),
                "label": np.tile(np.array(self.shown_labels, dtype=object), F),
                **{name: column.ravel() for name, column in self._paired.items()},
                "log_prob_drop": self.log_prob_drop.ravel(),
                "positives": np.tile(self.positives, F),
                "lost_positives": self.lost_positives.ravel(),
                "gained_positives": self.gained_positives.ravel(),
                "recall_fall": self.recall_fall.ravel(),
                "number": np.tile(np.arange(L), F),
            }
        )
