"""What the figures of pruning share: names of criteria, words about a path, and checks."""

from __future__ import annotations

from typing import Any

from carviz.results import PruningPath

CRITERIA = {
    "car": "CAR, greedy",
    "car-once": "CAR, ranked once",
    "l1": "L1 norm",
    "l2": "L2 norm",
    "taylor": "Taylor",
    "apoz": "APoZ",
    "random": "random",
}
"""How a figure calls the criteria of `carviz.prune_filters`; others go by their own name."""


def criterion_words(path: PruningPath) -> str:
    """Return how a figure calls what ordered the filters."""
    return CRITERIA.get(path.criterion, path.criterion)


def banks_words(path: PruningPath) -> str:
    """Write the banks that were pruned jointly."""
    if len(path.banks) <= 2:
        return " and ".join(path.banks)
    return f"{len(path.banks)} banks"


def whole_words(path: PruningPath) -> str:
    """Write the accuracy of the whole network, and on what."""
    n = len(path.targets)
    return f"Whole network: {path.accuracy[0]:.1%} right on {n:,} image{'s' if n > 1 else ''}"


def count_words(path: PruningPath, count: int) -> str:
    """Write a place of the path: "16 of 32 filters (50%)"."""
    F = path.filters
    return f"{count} of {F} filter{'s' if F > 1 else ''} ({count / F:.0%})"


def check_path(path: Any) -> PruningPath:
    """Return `path` if it is a PruningPath; TypeError otherwise."""
    if not isinstance(path, PruningPath):
        raise TypeError(
            "A plot of pruning shows a PruningPath, which carviz.prune_filters returns or "
            f"PruningPath.load reads; found {type(path).__name__}."
        )
    return path


def check_count(count: Any, steps: int) -> int:
    """Return `count` if it is a place of a path of that many steps."""
    if not 0 <= count <= steps:
        raise ValueError(f"count is 0 to {steps}, the filters that were pruned; found {count}.")
    return int(count)
