"""The sections of the screen: each a part of it, made anew of every snapshot."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from carviz.screen.bank import bank, gallery, numbers
from carviz.screen.beside import beside
from carviz.screen.chooser import chooser
from carviz.screen.chosen import chosen
from carviz.screen.classes import changed, classes
from carviz.screen.doubts import doubts
from carviz.screen.head import choice, head, names, work
from carviz.screen.image import image
from carviz.screen.pruning import place, pruning, report
from carviz.screen.several import several
from carviz.screen.sight import siblings, sight
from carviz.session import Snapshot

Sections = dict[str, dict[str, Any]]
"""Name of a section → what it holds: JSON, but for arrays of numbers, which are bytes."""

SECTIONS: dict[str, Callable[[Snapshot], dict[str, Any]]] = {
    "head": head,
    "names": names,
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
    "several": several,
    "beside": beside,
    "image": image,
    "pruning": pruning,
    "place": place,
    "report": report,
}


HALF_A_LETTER = re.compile("[\ud800-\udfff]")


def sections(shown: Snapshot, names: Iterable[str] = tuple(SECTIONS)) -> Sections:
    """Return sections of a snapshot; what has not changed is equal to what it was."""
    return {name: sendable(SECTIONS[name](shown)) for name in names}


def sendable(content: Any) -> Any:
    """Return JSON whose words can be sent: names of files in another encoding hold half letters."""
    if isinstance(content, str):
        return HALF_A_LETTER.sub("\N{REPLACEMENT CHARACTER}", content)
    if isinstance(content, dict):
        return {sendable(name): sendable(part) for name, part in content.items()}
    if isinstance(content, list):
        return [sendable(part) for part in content]
    return content
