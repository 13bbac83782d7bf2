"""What the figures of pruning share: checks of their arguments."""

from __future__ import annotations

from typing import Any

from carviz.checks import check_whole
from carviz.results import PruningPath


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
    return check_whole(count, "count", 0, steps, note="the filters that were pruned")
