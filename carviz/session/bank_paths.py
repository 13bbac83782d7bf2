"""What is known of pruning one bank: a path for each criterion, and the one that grows."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from carviz.results import PruningPath, RandomBand

GREEDY = "car"
RIVALS = ("l1", "l2", "apoz", "taylor", "car-once")
"""The other criteria that one path tells of, cheapest first."""
RANDOM = "random"
"""What a band of seeded orders tells of."""
DRAWS, SEED = 10, 0
"""How many random orders, and what they are drawn by: half as many as `measure_cumulative` draws,
since somebody waits for them."""
GOOD = 0.01
"""Accuracy that a place on the path may cost, to be the one that is shown first."""


class BankPaths:
    """The paths of one bank, all on the same images.

    Attributes
    ----------
    running : PruningPath or None
        What a job has found so far; it stands in for the kept path of its criterion.
    band : RandomBand or None
        Random orders on the same images, as many as are done.
    held_out : PruningPath or None
        The order of greedy CAR on images that had no part in it.
    share : float
        How many of the images are held out.
    """

    def __init__(self) -> None:
        self._kept: dict[str, PruningPath] = {}
        self.running: PruningPath | None = None
        self.band: RandomBand | None = None
        self.held_out: PruningPath | None = None
        self.share = 0.0

    def keep(self) -> None:
        """Keep what the job has found, unless more was known before."""
        path, self.running = self.running, None
        if path is None:
            return
        self._kept = {n: old for n, old in self._kept.items() if _same_images(old, path)}
        old = self._kept.get(path.criterion)
        if old is None or len(path) >= len(old):
            self._kept[path.criterion] = path

    def begin(self, path: PruningPath, share: float) -> None:
        """Let a path of greedy CAR grow; what is of other images goes."""
        if self.greedy is None or not _same_images(self.greedy, path):
            self.band, self.held_out = None, None
        self.running, self.share = path, share

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
        return missing_criteria(self.paths, self.band, count)

    def _all(self) -> dict[str, PruningPath]:
        running = self.running
        if running is None:
            return self._kept
        kept = {n: old for n, old in self._kept.items() if _same_images(old, running)}
        return {**kept, running.criterion: running}


def _same_images(a: PruningPath, b: PruningPath) -> bool:
    """Whether two paths of one bank are of the same images, whole or in part."""
    return a.passport.get("data") == b.passport.get("data") and np.array_equal(a.targets, b.targets)


def missing_criteria(
    paths: Iterable[PruningPath], band: RandomBand | None, count: int
) -> list[str]:
    """Return the rivals of greedy CAR that are not known for so many filters, cheapest first."""
    known = {path.criterion for path in paths if len(path) >= count}
    drawn = band is not None and band.steps >= count and len(band) >= DRAWS
    return [name for name in RIVALS if name not in known] + ([] if drawn else [RANDOM])


def good_place(path: PruningPath) -> int:
    """Return how many filters can go at the cost of a point of accuracy at most."""
    return len(path.at_or_above(float(path.accuracy[0]) - GOOD - 1e-9))
