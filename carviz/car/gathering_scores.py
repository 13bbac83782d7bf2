"""The reducers of labels and of scores, and which reducer is whose."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from carviz.ablation import AnswerReading, Facts, LabelReading, ScoreReading
from carviz.car.gathering import Gathered
from carviz.results import LabelTable, ScoreTable


@dataclasses.dataclass(eq=False)
class GatheredScores(Gathered):
    """The scores of the chunks so far."""

    def add(self, place: int, numbers: list[int], facts: Facts) -> None:
        """Take in a finished chunk; chunks may come in any order."""
        self.seen += 0 if place in self._parts else len(numbers)
        self._parts[place] = (numbers, dataclasses.replace(facts, drop=np.empty((0, 0))))

    def table(self, places: Collection[int]) -> ScoreTable:  # type: ignore[override]
        """Return the table of the images of these chunks, finished ones."""
        parts = [self._parts[place] for place in sorted(places)]
        numbers = np.concatenate([numbers for numbers, _ in parts])
        order = np.argsort(numbers)
        return ScoreTable(
            layer=self.layer,
            filters=self.filters,  # type: ignore[arg-type]
            images=numbers[order],
            total=self.total,
            baseline=np.concatenate([facts.baseline for _, facts in parts])[order],
            scores=np.concatenate([facts.predictions for _, facts in parts], axis=1)[:, order],
            passport=self.passport,
        )


@dataclasses.dataclass(frozen=True)
class LabelCounts:
    """What a chunk of m images says of L labels, summed over the images unless told.

    Parameters
    ----------
    sums
        By name, as `carviz.LabelTable` has them: whole numbers (L,) or (F, L).
    drop
        (F, L) the falls of the log-likelihood, summed.
    right_labels, right_without
        (m,) and (F, m) how many labels of each image are right, with all filters and without one.
    """

    sums: dict[str, NDArray[np.int64]]
    drop: NDArray[np.float64]
    right_labels: NDArray[np.int32]
    right_without: NDArray[np.int32]

    @classmethod
    def of(cls, facts: Facts) -> LabelCounts:
        """Return the counts of a chunk's facts."""
        true, before = facts.targets > 0, facts.baseline == facts.targets
        after = facts.predictions == facts.targets
        lost, gained = before & ~after, ~before & after
        sums = {
            "positives": true.sum(1),
            "right": before.sum(1),
            "right_positives": (before & true).sum(1),
            "lost": lost.sum(2),
            "gained": gained.sum(2),
            "lost_positives": (lost & true).sum(2),
            "gained_positives": (gained & true).sum(2),
        }
        return cls(
            {name: count.astype(np.int64) for name, count in sums.items()},
            facts.drop.sum(2, dtype=np.float64),
            before.sum(0).astype(np.int32),
            after.sum(1).astype(np.int32),
        )


@dataclasses.dataclass(eq=False)
class GatheredLabels(Gathered):
    """The counts of labels of the chunks so far. Sums are taken in the order of the chunks."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._labels: dict[int, tuple[list[int], LabelCounts]] = {}

    def add(self, place: int, numbers: list[int], facts: Facts) -> None:
        """Take in a finished chunk; chunks may come in any order."""
        self.seen += 0 if place in self._labels else len(numbers)
        self._labels[place] = (numbers, LabelCounts.of(facts))

    @property
    def places(self) -> Collection[int]:
        """The chunks that are finished."""
        return self._labels.keys()

    def table(self, places: Collection[int]) -> LabelTable:  # type: ignore[override]
        """Return the table of the images of these chunks, finished ones."""
        parts = [self._labels[place] for place in sorted(places)]
        numbers = np.concatenate([numbers for numbers, _ in parts])
        order = np.argsort(numbers)
        counts = [count for _, count in parts]
        sums: dict[str, Any] = {
            name: np.sum([count.sums[name] for count in counts], axis=0) for name in counts[0].sums
        }
        without = np.concatenate([count.right_without for count in counts], axis=1)
        return LabelTable(
            layer=self.layer,
            filters=self.filters,  # type: ignore[arg-type]
            labels=self.classes,
            images=numbers[order],
            total=self.total,
            right_labels=np.concatenate([count.right_labels for count in counts])[order],
            right_without=without[:, order],
            log_prob_drop=np.sum([count.drop for count in counts], axis=0) / len(numbers),
            passport=self.passport,
            **sums,
        )


def gathering(reading: AnswerReading) -> type[Gathered]:
    """Return what takes in the facts that come of a reading."""
    if isinstance(reading, ScoreReading):
        return GatheredScores
    return GatheredLabels if isinstance(reading, LabelReading) else Gathered
