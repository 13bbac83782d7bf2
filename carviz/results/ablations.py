"""What every record of ablations derives from the answers that a network gives with and without."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from carviz.results.class_names import find_class, shown_names
from carviz.results.record import Record
from carviz.results.statistics import count_by_class, fraction, paired_columns, paired_stderr

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class Ablations(Record):
    """The answers of a network to images (M), with everything and under each of R ablations.

    A record of them says what a row of `predictions` loses: one filter, or a set of them. What is
    derived of classes has axes row (R) and class (K); names end in `_all` where all images count.

    Attributes
    ----------
    classes
        K names, one a logit.
    targets, baseline
        (M,) true class of each image, and what the whole network predicts.
    predictions
        (R, M) class that the network predicts under each ablation.
    """

    # Fields are those of the records: a dataclass would put these before the names of a row.
    classes: tuple[str, ...]
    targets: NDArray[np.int32]
    baseline: NDArray[np.int32]
    predictions: NDArray[np.int32]

    @cached_property
    def shown_classes(self) -> tuple[str, ...]:
        """K names as tables and figures show them: with the number where a name repeats."""
        return shown_names(self.classes)

    @cached_property
    def accuracy(self) -> float:
        """Top-1 accuracy of the whole network, a fraction."""
        return float(np.mean(self.baseline == self.targets))

    @cached_property
    def class_images(self) -> Integers:
        """(K,) images of each class."""
        return np.bincount(self.targets, minlength=len(self.classes)).astype(np.int64)

    @cached_property
    def class_accuracy(self) -> Floats:
        """(K,) accuracy of the whole network over each class; NaN without images."""
        right = np.bincount(
            self.targets[self.baseline == self.targets], minlength=len(self.classes)
        )
        return fraction(right, self.class_images)

    @cached_property
    def lost(self) -> Integers:
        """(R, K) images of each class that turn from right to wrong without it."""
        return self._count((self.baseline == self.targets) & (self.predictions != self.targets))

    @cached_property
    def gained(self) -> Integers:
        """(R, K) images of each class that turn from wrong to right without it."""
        return self._count((self.baseline != self.targets) & (self.predictions == self.targets))

    def _count(self, flipped: NDArray[np.bool_]) -> Integers:
        return count_by_class(flipped, self.targets, len(self.classes))

    @cached_property
    def lost_all(self) -> Integers:
        """(R,) images that turn from right to wrong."""
        return np.asarray(self.lost.sum(axis=1))

    @cached_property
    def gained_all(self) -> Integers:
        """(R,) images that turn from wrong to right."""
        return np.asarray(self.gained.sum(axis=1))

    # -- what derives from them

    @cached_property
    def car(self) -> Floats:
        """(R,) CAR of each row: (lost - gained) / images."""
        return (self.lost_all - self.gained_all) / len(self.targets)

    @cached_property
    def class_car(self) -> Floats:
        """(R, K) class-wise CAR; NaN for a class without images."""
        return fraction(self.lost - self.gained, self.class_images)

    @cached_property
    def stderr_all(self) -> Floats:
        """(R,) standard error of CAR, Agresti-Min's."""
        return paired_stderr(self.lost_all, self.gained_all, len(self.targets))

    @cached_property
    def stderr(self) -> Floats:
        """(R, K) standard error of class-wise CAR, Agresti-Min's; NaN without images."""
        return paired_stderr(self.lost, self.gained, self.class_images)

    @cached_property
    def _paired(self) -> dict[str, NDArray[Any]]:
        """What paired counts tell of each row, by the names of columns, each (R,)."""
        images = np.full(len(self.predictions), len(self.targets))
        return paired_columns(self.lost_all, self.gained_all, images)

    @property
    def interval_all(self) -> tuple[Floats, Floats]:
        """(R,) and (R,): the 95% interval of CAR, Agresti-Min's, low and high."""
        return self._paired["low"], self._paired["high"]

    @property
    def q_value_all(self) -> Floats:
        """(R,) q of the exact sign test, over all rows (Benjamini-Hochberg)."""
        return self._paired["q_value"]

    @cached_property
    def q_value(self) -> Floats:
        """(R, K) the same by class, over all rows and classes; NaN without images."""
        shape = self.lost.shape
        columns = paired_columns(self.lost, self.gained, np.broadcast_to(self.class_images, shape))
        return columns["q_value"]

    def class_number(self, class_name: str | int) -> int:
        """Return the number of a class given by number, by name, or as `shown_classes` has it.

        Raises
        ------
        ValueError
            If there is none, or several go by that name: then the number tells them apart.
        """
        return find_class(self.classes, class_name)
