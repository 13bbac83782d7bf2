"""Measurements whose rows are sets of filters: of one bank, or across banks."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from typing import Any

from carviz.ablation import (
    Facts,
    Filters,
    RemovalWork,
    Removed,
    SetFacts,
    SetWork,
    Work,
    plan_by_reference,
    telling_pairs,
)
from carviz.car import Measurement, sample_of

CLAIMED = 2
"""Sets of the first and of the last part that the reference looks at, beside a single filter."""


@dataclasses.dataclass(eq=False)
class SetMeasurement(Measurement):
    """A measurement of sets of a bank's filters; `filters` are the sets' places.

    Parameters
    ----------
    sets
        Single filters first, then sets of several.
    singles
        How many of them are single filters that others have.
    """

    sets: Sequence[Filters] = ()
    singles: int = 0

    @classmethod
    def of(cls, bank: Measurement, sets: Sequence[Filters]) -> SetMeasurement:
        """Return the measurement of a bank's sets, and of each filter that they have."""
        alone = [(filter,) for filter in sorted({filter for one in sets for filter in one})]
        rows = [*alone, *sets]
        given = {field.name: getattr(bank, field.name) for field in dataclasses.fields(bank)}
        given["filters"] = list(range(len(rows)))
        return cls(**given, sets=rows, singles=len(alone))

    @property
    def kind(self) -> type[Facts]:
        """What comes of a chunk."""
        return SetFacts

    def removals(self, row: int) -> Removed:
        """Return what a row of the facts is without: numbers of filters, by bank."""
        return {self.layer: list(self.sets[row])}

    def telling(self, facts: Facts) -> list[tuple[int, int]]:
        """Return which (row, image) pairs are claimed: of a single filter, and of sets."""
        n = self.singles
        alone = telling_pairs(facts.baseline, facts.predictions[:n], 1)
        together = telling_pairs(facts.baseline, facts.predictions[n:], CLAIMED)
        return alone + [(n + row, image) for row, image in together]

    def kept_as(self) -> tuple[str, dict[str, Any]]:
        """Return the name of the folder of finished chunks, and what they are of."""
        return f"{self.layer} sets", {"sets": _digest(self.sets)}

    def work(self) -> Work:
        """Return what is done with every chunk."""
        return self.work_of(SetWork, sets=self.sets, row=max(1, self.needs.tail))


@dataclasses.dataclass(eq=False)
class AcrossBanks(Measurement):
    """A measurement of sets that have filters of several banks; `filters` are the sets' places.

    Parameters
    ----------
    removed
        Numbers of the filters of each set, by bank.
    """

    removed: Sequence[Removed] = ()

    @classmethod
    def of(cls, bank: Measurement, removed: Sequence[Removed]) -> AcrossBanks:
        """Return the measurement of sets, whatever their banks; `bank` was prepared on the data."""
        sample = sample_of(bank.images, bank.order.tolist(), bank.network)
        plan = plan_by_reference(bank.network, bank.layer, sample, pick=bank.plan.pick)
        plan.classes = bank.plan.classes
        given = {field.name: getattr(bank, field.name) for field in dataclasses.fields(bank)}
        passport = {**bank.passport, "ablation": "as in each bank", "engine": plan.how}
        given |= {"filters": list(range(len(removed))), "plan": plan, "passport": passport}
        return cls(**given, removed=removed)

    @property
    def kind(self) -> type[Facts]:
        """What comes of a chunk."""
        return SetFacts

    def removals(self, row: int) -> Removed:
        """Return what a row of the facts is without: numbers of filters, by bank."""
        return self.removed[row]

    def kept_as(self) -> tuple[str, dict[str, Any]]:
        """Return the name of the folder of finished chunks, and what they are of."""
        return "sets across banks", {"sets": _digest(self.removed)}

    def work(self) -> Work:
        """Return what is done with every chunk."""
        return self.work_of(RemovalWork, removals=self.removed)


def _digest(sets: Sequence[Any]) -> str:
    return hashlib.sha256(json.dumps(list(sets)).encode()).hexdigest()[:16]
