"""The reducer: facts of finished chunks become one table."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from carviz.ablation import (
    AuditedFacts,
    Auditing,
    Checked,
    Counts,
    Facts,
    SetFacts,
    TopFacts,
    count,
    summary,
)
from carviz.results import CarTable


@dataclasses.dataclass(eq=False)
class Gathered:
    """The facts of the chunks so far. Sums are taken in the order of the chunks.

    Parameters
    ----------
    layer, filters, classes
        The bank, its measured filters, and the logits' names.
    total
        Images in the data.
    passport
        As it is when a table is asked for.
    values
        (filter, call) numbers that stand in the channels' places; (0, 0) for none.
    """

    layer: str
    filters: list[int]
    classes: tuple[str, ...]
    total: int
    passport: Mapping[str, Any]
    values: NDArray[np.float64] = dataclasses.field(default_factory=lambda: np.zeros((0, 0)))

    def __post_init__(self) -> None:
        self._parts: dict[int, tuple[list[int], Facts]] = {}
        self._counts: dict[tuple[int, int, int], Counts] = {}
        self._sums: dict[int, NDArray[np.float64]] = {}
        self._drops: dict[int, NDArray[np.float32]] = {}
        self.seen = 0

    def add(self, place: int, numbers: list[int], facts: Facts) -> None:
        """Take in a finished chunk; chunks may come in any order, and a better one after it.

        What is better are predictions: falls of log p are those that came first.
        """
        first = place not in self._parts
        # Of the falls of log p sums by class and float32 enter the table: the rest may go.
        self._parts[place] = (numbers, dataclasses.replace(facts, drop=np.empty((0, 0))))
        if not first:
            return
        total = np.zeros((len(self.classes), len(self.filters)))
        np.add.at(total, facts.targets, facts.drop.T)
        self._sums[place] = total
        self._drops[place] = facts.drop.astype(np.float32)
        self.seen += len(numbers)

    @property
    def places(self) -> Collection[int]:
        """The chunks that are finished."""
        return self._parts.keys()

    def facts(self, place: int) -> Facts:
        """Return the facts of a finished chunk, but for the falls of log p."""
        return self._parts[place][1]

    def table(self, places: Collection[int]) -> CarTable:
        """Return the table of the images of these chunks, finished ones."""
        places = sorted(places)
        numbers = np.concatenate([self._parts[p][0] for p in places])
        facts = [self._parts[p][1] for p in places]
        order = np.argsort(numbers)
        targets = np.concatenate([f.targets for f in facts])
        count = np.bincount(targets, minlength=len(self.classes))
        drop = np.sum([self._sums[p] for p in places], axis=0).T
        return CarTable(
            layer=self.layer,
            filters=self.filters,  # type: ignore[arg-type]
            classes=self.classes,
            images=numbers[order],
            total=self.total,
            targets=targets[order].astype(np.int32),
            baseline=np.concatenate([f.baseline for f in facts])[order],
            predictions=np.concatenate([f.predictions for f in facts], axis=1)[:, order],
            log_prob_drop=np.where(count > 0, drop / np.maximum(count, 1), np.nan),
            image_log_prob_drop=self._falls(places, order),
            values=self.values,
            passport={**self.passport, **self._audit(places)},
            **self._top(facts, order),
        )

    def _top(self, facts: list[Facts], order: NDArray[np.int64]) -> dict[str, Any]:
        """Return what is known of the first classes, where more than one was looked at."""
        found = [each for each in facts if isinstance(each, TopFacts)]
        if not found:
            return {}
        before = np.concatenate([each.top_baseline for each in found])
        after = np.concatenate([each.top_predictions for each in found], axis=1)
        return {
            "top": self.passport["top"],
            "top_baseline": before[order] > 0,
            "top_predictions": after[:, order] > 0,
        }

    def _falls(self, places: Collection[int], order: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return (F, M) the falls of log p of each image, (0, 0) where they are left out."""
        falls = np.concatenate([self._drops[p] for p in places], axis=1)
        return np.zeros((0, 0), np.float32) if np.isnan(falls).any() else falls[:, order]

    def _audit(self, places: Collection[int]) -> dict[str, Any]:
        """Return what the passport says of the audit of low precision, or of sets that ran."""
        sets = [self._parts[place][1] for place in places]
        ran = [part.ran.sum() for part in sets if isinstance(part, SetFacts)]
        if ran:
            return {"ran": int(sum(ran))}
        parts = {}
        for place in places:
            numbers, facts = self._parts[place]
            if isinstance(facts, AuditedFacts):
                parts[place] = numbers, facts
        if not parts:
            return {}
        first = next(iter(parts.values()))[1]
        auditing = Auditing(
            self.passport["precision"], float(first.threshold[0]), self.total, len(self.filters)
        )
        level = min(int(facts.level.min()) for _, facts in parts.values())
        counts = []
        for place, (numbers, facts) in parts.items():
            # Parts are many, and tables of ever more of them are asked for: each is counted once.
            key = place, level, int(facts.level.max())
            if key not in self._counts:
                found = Checked(numbers, facts.octaves, facts.level, facts.worst, facts.ties)
                self._counts[key] = count(auditing, found, level)
            counts.append(self._counts[key])
        return {"precision_audit": summary(auditing, Counts.total(counts), level)}
