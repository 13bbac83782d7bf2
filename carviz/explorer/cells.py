"""Which explorers a notebook cell made, so that running it again ends their jobs."""

from __future__ import annotations

import threading
import weakref
from typing import Any

_LOCK = threading.Lock()
_MADE: dict[str, tuple[str, weakref.WeakSet[Any]]] = {}
"""Cell -> (the execution that made them, the explorers)."""


PATIENCE = 10.0
"""Seconds to wait for a retired explorer's last batch: none runs while a network is traced."""

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

    They have a method `retire`, which returns their job or None.
    """
    if place is None:
        return
    with _LOCK:
        before, explorers = _MADE.get(place[0], (place[1], weakref.WeakSet()))
        if before == place[1]:
            return
        del _MADE[place[0]]
    for job in [old.retire() for old in list(explorers)]:
        if job is not None:
            job.wait(PATIENCE)


def enter(explorer: Any, place: Place) -> None:
    """Note down which cell made an explorer."""
    if place is not None:
        with _LOCK:
            _MADE.setdefault(place[0], (place[1], weakref.WeakSet()))[1].add(explorer)
