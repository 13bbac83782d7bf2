"""What is known of pruning one bank: a path for each criterion, and the one that grows."""

from __future__ import annotations

from collections.abc import Iterable

from carviz.results import PruningPath

GREEDY = "car"
RIVALS = ("l1", "l2", "random", "apoz", "taylor", "car-once")
"""The other criteria, cheapest first."""
GOOD = 0.01
"""Accuracy that a place on the path may cost, to be the one that is shown first."""


class BankPaths:
    """The paths of one bank.

    Attributes
    ----------
    running : PruningPath or None
        What a job has found so far; it stands in for the kept path of its criterion.
    """

    def __init__(self) -> None:
        self._kept: dict[str, PruningPath] = {}
        self.running: PruningPath | None = None

    def keep(self) -> None:
        """Keep what the job has found, unless more was known before."""
        path, self.running = self.running, None
        if path is None:
            return
        old = self._kept.get(path.criterion)
        if old is None or len(path) >= len(old):
            self._kept[path.criterion] = path

    @property
    def greedy(self) -> PruningPath | None:
        """The path of greedy CAR."""
        return self._all().get(GREEDY)

    @property
    def paths(self) -> tuple[PruningPath, ...]:
        """Every path, that of greedy CAR first."""
        known = self._all()
        return tuple(known[name] for name in (GREEDY, *RIVALS) if name in known)

    def missing(self, count: int) -> list[str]:
        """Return the rivals that are not known for so many filters, cheapest first."""
        return missing_criteria(self.paths, count)

    def _all(self) -> dict[str, PruningPath]:
        running = self.running
        return self._kept if running is None else {**self._kept, running.criterion: running}


def missing_criteria(paths: Iterable[PruningPath], count: int) -> list[str]:
    """Return the rivals of greedy CAR that no path prunes so many filters by, cheapest first."""
    known = {path.criterion for path in paths if len(path) >= count}
    return [name for name in RIVALS if name not in known]


def good_place(path: PruningPath) -> int:
    """Return how many filters can go at the cost of a point of accuracy at most."""
    return len(path.at_or_above(float(path.accuracy[0]) - GOOD - 1e-9))
