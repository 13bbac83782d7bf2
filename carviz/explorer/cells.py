"""Which explorers a notebook cell made, so that running it again ends their jobs."""

from __future__ import annotations

import weakref
from typing import Any

_MADE: dict[str, tuple[str, weakref.WeakSet[Any]]] = {}
"""Cell -> (the execution that made them, the explorers)."""

Place = tuple[str, str] | None
"""(cell, execution); None outside a kernel."""


def running_cell() -> Place:
    """Return the cell that the kernel runs, by its id or else its code, and the execution."""
    try:
        from IPython import get_ipython

        parent = get_ipython().kernel.get_parent("shell")
        code = parent["content"]["code"]
        return str(parent["metadata"].get("cellId") or code), str(parent["header"]["msg_id"])
    except (ImportError, AttributeError, KeyError, TypeError):
        return None


def retire_former(place: Place) -> None:
    """End the explorers that an earlier run of the same cell made, and wait for their last batch.

    They have a method `retire`, and a session to be closed.
    """
    if place is None:
        return
    before, explorers = _MADE.get(place[0], (place[1], weakref.WeakSet()))
    if before == place[1]:
        return
    del _MADE[place[0]]
    former = list(explorers)
    for explorer in former:
        explorer.retire()
    for explorer in former:
        explorer.session.close()


def enter(explorer: Any, place: Place) -> None:
    """Note down which cell made an explorer."""
    if place is not None:
        _MADE.setdefault(place[0], (place[1], weakref.WeakSet()))[1].add(explorer)
