"""The table of facts behind every CAR: what the network says of each image without each filter."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from carviz.results.ablations import Floats, Integers
from carviz.results.filter_summary import FilterSummary, pick_classes, summarize
from carviz.results.frames import class_frame, filter_frame, flip_columns, flip_frame, summary_frame
from carviz.results.merging import merged
from carviz.results.ordered import OrderedFilters
from carviz.results.top_ablations import TopAblations

if TYPE_CHECKING:
    import pandas as pd


@dataclasses.dataclass(frozen=True, eq=False)
class CarTable(OrderedFilters, TopAblations):
    """CAR of the filters of one bank, whole and class by class, with the facts it derives from.

    CAR(i) = Acc(f) - Acc(f without filter i), and CAR_c(i) the same over the images of class c
    only (Abbasi-Asl and Yu, arXiv 1711.02329, section 2). Accuracies and CAR are fractions;
    CAR > 0 means that accuracy falls without the filter.

    Axes are always filter (F), image (M), class (K).

    Parameters
    ----------
    layer
        The bank's name, as `torch.nn.Module.named_modules` names it.
    filters
        (F,) numbers of the measured filters in their bank.
    classes
        K names, one a logit.
    images
        (M,) numbers of the measured images in the data, ascending.
    total
        Images in the data: more than M while a table is still being filled, after a cancel, or
        where a value was chosen on the others.
    targets
        (M,) true class of each image.
    baseline
        (M,) class that the whole network predicts.
    predictions
        (F, M) class that the network without the filter predicts.
    log_prob_drop
        (F, K) mean fall of log p(true class | image), in nats, over the images of a class;
        NaN for a class without images. It breaks ties in CAR_c. All of it is NaN where it was left
        out, as by a measurement in bfloat16: then the numbers of classes and filters do.
    image_log_prob_drop
        (F, M) fall of log p(true class | image) of each image, in nats; (0, 0) where it was left
        out, as by a measurement in bfloat16, or by a carviz before 0.2.
    values
        (F, U) number that stood in the filter's channel, at each of U calls of the convolution, or
        at all alike; (0, 0) where the channel was zero, or that of another image.
    top
        How many classes were looked at beside the first one: see `carviz.measure_car`. 1 for none.
    top_baseline, top_predictions
        (M,) and (F, M) whether the true class is among the `top` highest logits, with all filters
        and without one; of equal logits those of lower classes come first. Empty where `top` is 1.

    Examples
    --------
    >>> table = CarTable("conv", filters=[0, 1], classes=("cat", "dog"), images=[0, 1, 2],
    ...     total=3, targets=[0, 1, 1], baseline=[0, 1, 0], predictions=[[0, 0, 0], [0, 1, 1]],
    ...     log_prob_drop=[[0.0, 0.4], [0.0, -0.3]])
    >>> table.accuracy, table.car.round(2).tolist()
    (0.6666666666666666, [0.33, -0.33])
    >>> table.class_car.tolist()
    [[0.0, 0.5], [0.0, -0.5]]
    """

    layer: str
    filters: Integers
    classes: tuple[str, ...]
    images: Integers
    total: int
    targets: NDArray[np.int32]
    baseline: NDArray[np.int32]
    predictions: NDArray[np.int32]
    log_prob_drop: Floats
    image_log_prob_drop: NDArray[np.float32] = dataclasses.field(
        default_factory=lambda: np.zeros((0, 0), np.float32), kw_only=True
    )
    values: Floats = dataclasses.field(default_factory=lambda: np.zeros((0, 0)), kw_only=True)
    top: int = dataclasses.field(default=1, kw_only=True)
    top_baseline: NDArray[np.bool_] = dataclasses.field(
        default_factory=lambda: np.zeros(0, np.bool_), kw_only=True
    )
    top_predictions: NDArray[np.bool_] = dataclasses.field(
        default_factory=lambda: np.zeros((0, 0), np.bool_), kw_only=True
    )

    _dtypes: ClassVar[Mapping[str, type]] = {
        "filters": np.int64,
        "images": np.int64,
        "targets": np.int32,
        "baseline": np.int32,
        "predictions": np.int32,
        "log_prob_drop": np.float64,
        "image_log_prob_drop": np.float32,
        "values": np.float64,
        "top_baseline": np.bool_,
        "top_predictions": np.bool_,
    }
    _later: ClassVar[frozenset[str]] = frozenset(
        {"image_log_prob_drop", "values", "top", "top_baseline", "top_predictions"}
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        F, M, K = len(self.filters), len(self.images), len(self.classes)
        self._check_shapes(
            {
                "targets": (M,), "baseline": (M,), "predictions": (F, M),
                "log_prob_drop": (F, K),
            }
        )  # fmt: skip
        if self.image_log_prob_drop.size:
            self._check_shapes({"image_log_prob_drop": (F, M)})
        if self.values.size and (self.values.ndim != 2 or len(self.values) != F):
            raise self._reject(f"`values` has shape ({F}, calls)", str(self.values.shape))
        self._check_rows()
        for name in ("targets", "baseline", "predictions"):
            self._check_within("are classes", name, 0, K - 1)
        self._check_top(F)
        if self.has_log_prob_drop and np.isnan(self.log_prob_drop[:, self.class_images > 0]).any():
            raise self._reject("`log_prob_drop` is a number for every class with images", "NaN")

    def __repr__(self) -> str:
        seen = f"{len(self.images):,}"
        of = seen if len(self.images) == self.total else f"{seen} of {self.total:,}"
        return (
            f"<CarTable of {self.layer!r}: {len(self.filters)} filters, {of} images, "
            f"{len(self.classes)} classes, accuracy {self.accuracy:.3f}>"
        )

    # -- facts

    @property
    def complete(self) -> bool:
        """Whether every image is in the table that it tells of.

        That is every image of the data, or, where a value was chosen on one half, of the other.
        """
        told: int = self.passport.get("value", {}).get("told_on", self.total)
        return len(self.images) == told

    @cached_property
    def has_log_prob_drop(self) -> bool:
        """Whether falls of log p were measured, and not left out."""
        return not bool(np.isnan(self.log_prob_drop).all())

    # -- what derives from them

    @cached_property
    def _numbers(self) -> dict[str, NDArray[Any]]:
        """What is known of each filter, by the names of the columns of `to_frame`, each (F,)."""
        return {**self._paired, "log_prob_drop": self.log_prob_drop_all}

    # -- together with another table

    def merged(self, other: CarTable) -> CarTable:
        """Return one table of the filters of both; where both hold one, `other` counts.

        Raises
        ------
        ValueError
            If the two were not measured alike: another bank, other images, another network or
            settings, or a whole network that predicts otherwise.
        """
        if not isinstance(other, CarTable):
            raise TypeError(f"A CarTable merges with a CarTable; found {type(other).__name__}.")
        found: CarTable = merged(self, other)
        return found

    # -- what a reader asks for

    def top_classes(self, filter: int, k: int = 5) -> pd.DataFrame:
        """Return the `k` classes with the highest class-wise CAR: the filter matters to them most.

        Returns
        -------
        pandas.DataFrame
            One row a class, highest first: class, car, lost, gained, images, low, high (95%
            interval), p_value (exact two-sided sign test), q_value (Benjamini-Hochberg over all
            classes of the filter that have images), log_prob_drop, tied (another class has
            exactly this CAR, and the fall of log p decided the place, or, where that was left out,
            the class's number), number (the class's). A name that several classes have is shown
            with the number, as in `shown_classes`.
        """
        return summary_frame(pick_classes(self, filter, 1, k))

    def bottom_classes(self, filter: int, k: int = 5) -> pd.DataFrame:
        """Return the `k` classes with the lowest class-wise CAR, lowest first; see `top_classes`.

        These are better off without the filter, or indifferent to it.
        """
        return summary_frame(pick_classes(self, filter, -1, k))

    def summary(self, filter: int, k: int = 5) -> FilterSummary:
        """Return what a filter is worth, and to which classes: all that a surface says of it.

        Parameters
        ----------
        filter
            The filter's number in its bank.
        k
            Classes at each end; 0 for none.

        Returns
        -------
        FilterSummary
            Frozen: layer, filter, car, lost, gained, images, low and high (95% interval), p_value,
            q_value (over all filters of the table), log_prob_drop, rank among `filters` measured
            ones, whole, tied, told_apart (whether the images tell the filters apart at all) and
            what belongs to it, top and bottom (classes, with the columns of `top_classes`).

        Raises
        ------
        ValueError
            If the table does not hold that filter, or `k` is less than 0.

        Examples
        --------
        >>> table = CarTable("conv", filters=[0, 1], classes=("cat", "dog"), images=[0, 1, 2],
        ...     total=3, targets=[0, 1, 1], baseline=[0, 1, 0],
        ...     predictions=[[0, 0, 0], [0, 1, 1]], log_prob_drop=[[0.0, 0.4], [0.0, -0.3]])
        >>> found = table.summary(0, k=1)
        >>> found.rank, found.filters, found.lost, found.gained, found.top[0].name
        (1, 2, 1, 0, 'dog')
        """
        return summarize(self, self._numbers, filter, k)

    def flips(self, filter: int, class_name: str | int | None = None) -> pd.DataFrame:
        """Return the images whose prediction changes without the filter, and what it becomes.

        Parameters
        ----------
        filter
            The filter's number in its bank.
        class_name
            A class by name or number; None for the images of all classes. A name that several
            classes have is refused with their numbers.

        Returns
        -------
        pandas.DataFrame
            One row an image, in the data's order: image (its number in the data), class, before,
            after (class names, as in `shown_classes`), change ("lost", "gained", or "still wrong").
        """
        return flip_frame(self.flip_columns(filter, class_name))

    def flip_columns(
        self, filter: int, class_name: str | int | None = None
    ) -> dict[str, NDArray[Any]]:
        """Return the columns of `flips`, without pandas."""
        i = self.row(filter)
        changed = self.predictions[i] != self.baseline
        if class_name is not None:
            changed &= self.targets == self.class_number(class_name)
        facts = (self.targets, self.baseline, self.predictions[i])
        return flip_columns(
            self.images[changed], self.shown_classes, *(each[changed] for each in facts)
        )

    def to_frame(self, by: Literal["filter", "class"] = "filter") -> pd.DataFrame:
        """Return the numbers as a table, one row a filter, or one a filter and class.

        Returns
        -------
        pandas.DataFrame
            filter, (class,) car, lost, gained, images, low, high, p_value, q_value (over all rows),
            log_prob_drop(, number, the class's). Classes without images are left out; names are
            those of `shown_classes`. A row a filter also has top5_car, top5_lost, … where the
            first 5 classes were looked at.
        """
        if by not in ("filter", "class"):
            raise ValueError(f"`by` is 'filter' or 'class'; found {by!r}.")
        if by == "filter":
            return filter_frame(self.filters, {**self._numbers, **self._top_columns()})
        return class_frame(
            self.filters, self.shown_classes,
            self.lost, self.gained, self.class_images, self.log_prob_drop,
        )  # fmt: skip
