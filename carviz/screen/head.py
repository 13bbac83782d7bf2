"""The head of the screen: what is explored, how good it is, what is chosen and being done."""

from __future__ import annotations

import dataclasses
from typing import Any

from carviz.results import shown_names
from carviz.session import Snapshot
from carviz.wording import counted, percent

UNTRACEABLE = "torch.fx cannot trace it: measured the slow way"


def head(shown: Snapshot) -> dict[str, Any]:
    """Return what is explored, and its facts: each is [before, strong, after]."""
    images = len(shown.images)
    facts = [
        ["model ", shown.model, ""],
        ["data ", shown.data, f", {counted(images, 'image')}"],
        ["on ", shown.device, ""],
        _accuracy(shown),
    ]
    if shown.untraceable:
        facts.append([UNTRACEABLE, "", ""])
    return {
        "subject": shown.subject,
        "model": shown.model,
        "data": shown.data,
        "facts": facts,
    }


def names(shown: Snapshot) -> dict[str, Any]:
    """Return the devices, the banks and the classes: what stays while a bank is measured.

    Returns
    -------
    dict
        devices; banks: layer and words each; classes: by their numbers, as every record shows
        them. Data that names none may have a network that does: then they come with a record.
    """
    record = shown.table if shown.table is not None else shown.path
    classes = (shown.images.classes or ()) if record is None else record.classes
    return {
        "devices": list(shown.devices),
        "banks": [
            {"layer": b.layer, "words": f"{b.layer} ({counted(b.filters, 'filter')})"}
            for b in shown.banks
        ],
        "classes": list(shown_names(classes)),
    }


def _accuracy(shown: Snapshot) -> list[str]:
    table, path, images = shown.table, shown.path, len(shown.images)
    measured = table is not None and table.complete
    if path is not None and not measured:
        chosen = len(path.targets)  # fewer where images are held out
        on = "" if chosen == images else f" on {counted(chosen, 'image')}"
        return ["whole network ", percent(path.accuracy[0]), f" right{on}"]
    if table is None:
        return ["accuracy: ", "not measured yet", ""]
    so_far = "" if measured else f" on {len(table.images):,} images so far"
    return ["whole network ", percent(table.accuracy), f" right{so_far}"]


def choice(shown: Snapshot) -> dict[str, Any]:
    """Return what is chosen and looked at."""
    return {
        "layer": shown.layer,
        "filter": shown.filter,
        "device": shown.device,
        **dataclasses.asdict(shown.looks),
    }


def work(shown: Snapshot) -> dict[str, Any]:
    """Return what is being done, and what can be asked for now."""
    busy = shown.busy
    return {
        "busy": busy,
        "progress": shown.progress,
        "status": shown.status,
        "story": shown.story,
        "opening": shown.opening,
        "can": {
            "cancel": busy,
            "choose": not shown.opening,
            "compare": not busy and bool(shown.missing),
            "export": not busy and shown.count > 0,
        },
    }
