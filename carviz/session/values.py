"""What anybody may read of a session, value by value, and what may be picked in it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from carviz.banks import Bank
from carviz.results import CarTable, PruningPath, SelectivityTable
from carviz.session import choosing
from carviz.session.exporting import Exported
from carviz.session.looks import Looks
from carviz.session.state import State
from carviz.session.subject import Subject


class Values:
    """The values of a `Session` that it alone changes, and which filters are picked."""

    _state: State
    _lock: AbstractContextManager[Any]

    @property
    def subject(self) -> Subject:
        """The model and the data, opened."""
        return self._state.subject

    @property
    def banks(self) -> list[Bank]:
        """The banks that can be chosen, in forward order."""
        with self._lock:
            return [self._state.banks[layer] for layer in self._state.offered]

    @property
    def view(self) -> str:
        """What is looked at: "filter", "bank" or "pruning"."""
        return self._state.looks.view

    @property
    def looks(self) -> Looks:
        """What is looked at."""
        return self._state.looks

    @property
    def busy(self) -> bool:
        """Whether a job is running."""
        return self._state.busy

    @property
    def opening(self) -> bool:
        """Whether another model or other data is being opened."""
        return self._state.opening

    @property
    def progress(self) -> float:
        """Share of the running or last job that is done, 0 to 1."""
        return self._state.progress

    @property
    def status(self) -> str:
        """What it is doing, in words."""
        return self._state.status

    @property
    def table(self) -> CarTable | None:
        """The table that is shown for the chosen filter; None before anything was measured."""
        return self._state.table

    @property
    def selectivity(self) -> SelectivityTable | None:
        """Which filters of the bank select colour; None where that is not known."""
        return self._state.findings.kinds.get(self._state.layer)

    @property
    def path(self) -> PruningPath | None:
        """The path of greedy CAR in the bank, as far as it is known."""
        return self._state.path

    @property
    def paths(self) -> list[PruningPath]:
        """The paths of all criteria, that of greedy CAR first."""
        with self._lock:
            return list(self._state.paths_of(self._state.layer).paths)

    @property
    def exported(self) -> Exported | None:
        """The last smaller network that was saved of this bank, and what became smaller."""
        return self._state.exported

    @property
    def picked(self) -> tuple[int, ...]:
        """The filters of the bank that are picked to be removed together."""
        return self._state.picks.several

    @picked.setter
    def picked(self, filters: Sequence[int]) -> None:
        with self._lock:
            choosing.pick(self._state, filters)

    @property
    def pinned(self) -> int:
        """The filter that stays beside the chosen one; -1 for none."""
        return self._state.picks.pinned

    @pinned.setter
    def pinned(self, filter: int) -> None:
        with self._lock:
            choosing.pin(self._state, filter)
