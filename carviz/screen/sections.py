"""The sections of the screen: each a part of it, made anew of every snapshot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from carviz.screen.bank import bank, gallery, numbers
from carviz.screen.chooser import chooser
from carviz.screen.chosen import chosen
from carviz.screen.classes import changed, classes
from carviz.screen.doubts import doubts
from carviz.screen.head import choice, head, work
from carviz.screen.pruning import place, pruning, report
from carviz.screen.sight import siblings, sight
from carviz.session import Snapshot

Sections = dict[str, dict[str, Any]]
"""Name of a section → what it holds: JSON, but for arrays of numbers, which are bytes."""

SECTIONS: dict[str, Callable[[Snapshot], dict[str, Any]]] = {
    "head": head,
    "doubts": doubts,
    "choice": choice,
    "work": work,
    "chooser": chooser,
    "bank": bank,
    "numbers": numbers,
    "gallery": gallery,
    "chosen": chosen,
    "classes": classes,
    "changed": changed,
    "sight": sight,
    "siblings": siblings,
    "pruning": pruning,
    "place": place,
    "report": report,
}


def sections(shown: Snapshot) -> Sections:
    """Return all sections of a snapshot; what has not changed is equal to what it was."""
    return {name: made(shown) for name, made in SECTIONS.items()}
