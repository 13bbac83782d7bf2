"""What a pruning keeps on disk, so that the same one goes on where it was."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from carviz.ablation import Checkpoint, Run
from carviz.pruning.search import NO_MEMORY, Memory

LONGEST = 100
"""Characters of a folder's name."""

Kind = TypeVar("Kind")


@dataclasses.dataclass(frozen=True, eq=False)
class Baseline:
    """What the whole network predicts; see `PruningPath` and `PruningState`."""

    targets: NDArray[np.int64]
    predictions: NDArray[np.int32]
    margins: NDArray[np.float32]


@dataclasses.dataclass(frozen=True, eq=False)
class Ranking:
    """The scores of all filters, bank after bank; empty for greedy CAR."""

    scores: NDArray[np.float64]


@dataclasses.dataclass(frozen=True, eq=False)
class Step:
    """One pruned filter and what is predicted without it.

    What `Memory` names is the search's memory after it, so that it goes on as it would have.
    """

    bank: NDArray[np.int64]
    filter: NDArray[np.int64]
    predictions: NDArray[np.int32]
    margins: NDArray[np.float32]
    flips: NDArray[np.int8]
    seen: NDArray[np.float64]
    fell: NDArray[np.float64]
    known_classes: NDArray[np.int32]
    known_margins: NDArray[np.float16]
    decided_by_tie: NDArray[np.bool_]
    evaluated: NDArray[np.int64]
    naive: NDArray[np.int64]

    @property
    def memory(self) -> Memory:
        """The search's memory after it."""
        return Memory(*(getattr(self, name) for name in Memory._fields))

    def without_memory(self) -> Step:
        """Return the step itself: the memory of each step is as large as all that is asked."""
        return dataclasses.replace(self, **NO_MEMORY._asdict())


PARTS = {Baseline: "whole", Ranking: "ranking", Step: "step"}
"""How the file of each part is called; other names would lose what is on disk."""


class Kept:
    """The parts of one pruning that are on disk; nothing where the run keeps no checkpoint.

    How many filters go, and down to which accuracy, is not part of what makes a pruning the same
    one: a longer path goes on from a shorter one.

    Parameters
    ----------
    run
        How to run.
    criterion, layers
        They name the folder, so that several criteria and banks share `run.checkpoint`.
    identity
        Fingerprints and settings.
    """

    def __init__(
        self, run: Run, criterion: str, layers: Sequence[str], identity: Mapping[str, Any]
    ) -> None:
        self._parts: dict[type[Any], Checkpoint[Any]] = {}
        self._before = ""
        if run.checkpoint is None:
            return
        name = folder_name(f"prune {'+'.join(layers)} by {criterion}")
        for kind, part in PARTS.items():
            self._parts[kind] = Checkpoint(Path(run.checkpoint), name, identity, kind, part)

    def whole(self) -> Baseline | None:
        """Return what the whole network predicts, where it is kept."""
        return self._load(Baseline, 0, None)

    def ranking(self) -> Ranking | None:
        """Return the scores of all filters, where they are kept."""
        return self._load(Ranking, 0, None)

    def step(self, place: int) -> Step | None:
        """Return the next step, where it is kept, and was taken after the same ones."""
        return self._load(Step, place, self._before)

    def save(self, part: Baseline | Ranking | Step, place: int = 0) -> None:
        """Keep a part."""
        if checkpoint := self._parts.get(type(part)):
            checkpoint.save(place, part, self._before if isinstance(part, Step) else None)
            self._follow(type(part))

    def _load(self, kind: type[Kind], place: int, of: str | None) -> Kind | None:
        checkpoint: Checkpoint[Kind] | None = self._parts.get(kind)
        found = None if checkpoint is None else checkpoint.load(place, of)
        if found is not None:
            self._follow(kind)
        return found

    def _follow(self, kind: type[Any]) -> None:
        """Let the next step be one that follows this part: a tie may have many courses."""
        if kind is not Ranking:
            self._before = self._parts[kind].last


def folder_name(name: str) -> str:
    """Return a folder's name, in short where it is long."""
    if len(name) <= LONGEST:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:16]
    return f"{name[: LONGEST - len(digest) - 1]} {digest}"
