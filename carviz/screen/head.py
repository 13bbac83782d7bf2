"""The head of the screen: what is explored, how good it is, what is chosen and being done."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from carviz.results import CarTable, shown_names
from carviz.session import Snapshot, left_out
from carviz.wording import counted, percent

UNTRACEABLE = "torch.fx cannot trace it: measured the slow way"


def head(shown: Snapshot) -> dict[str, Any]:
    """Return what is explored, and its facts: each is [before, strong, after]."""
    facts = [
        ["model ", shown.model, _weights(shown)],
        ["data ", shown.data, _images(shown)],
        ["on ", shown.device, ""],
        _accuracy(shown),
    ]
    if shown.table is not None and not shown.own_data:
        facts.append([_other_images(shown.table), "", ""])
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
    return {
        "devices": list(shown.devices),
        "banks": [
            {"layer": b.layer, "words": f"{b.layer} ({counted(b.filters, 'filter')})"}
            for b in shown.banks
        ],
        "classes": class_names(shown),
    }


def class_names(shown: Snapshot) -> list[str]:
    """Return the classes' names, by their numbers, as every record shows them."""
    records = (shown.table, shown.path, shown.joint)
    record = next((record for record in records if record is not None), None)
    classes = (shown.images.classes or ()) if record is None else record.classes
    return list(shown_names(classes))


def _other_images(table: CarTable) -> str:
    """Say that a table is of other images than those at hand, and what to write to see its own."""
    opened = table.passport.get("opened")
    data, words = "data", f"{table.total:,} images"
    if isinstance(opened, dict):
        limit = "" if opened.get("limit") is None else f", limit={opened['limit']}"
        data = f'carviz.load_data("{opened.get("data")}"{limit})'
        words = f"{words} of {opened.get('data')}"
    return f"numbers of other images ({words}): to see those, explore(model, {data}, tables=…)"


def _weights(shown: Snapshot) -> str:
    weights = shown.how.weights
    if weights == "DEFAULT":
        return ""
    return ", random weights" if weights is None else f", weights {Path(weights).name}"


def _images(shown: Snapshot) -> str:
    found = left_out(shown.images.source)
    return f", {counted(len(shown.images), 'image')}" + (f" ({found})" if found else "")


def _accuracy(shown: Snapshot) -> list[str]:
    table, path, images = shown.table, shown.path, len(shown.images)
    if shown.accuracy is not None:
        return ["whole network ", percent(shown.accuracy), " right"]
    measured = table is not None and table.complete
    if path is not None and not measured:
        chosen = len(path.targets)  # fewer where images are held out
        on = "" if chosen == images else f" on {counted(chosen, 'image')}"
        return ["whole network ", percent(path.accuracy[0]), f" right{on}"]
    if table is None:
        return ["accuracy: ", "not measured yet", ""]
    if not measured:  # short, so that the line does not grow while numbers come
        so_far = f" on {len(table.images):,} so far"
    else:
        so_far = "" if shown.own_data else f" on {counted(len(table.images), 'image')}"
    return ["whole network ", percent(table.accuracy), f" right{so_far}"]


def choice(shown: Snapshot) -> dict[str, Any]:
    """Return what is chosen and looked at."""
    return {
        "layer": shown.layer,
        "filter": shown.filter,
        "picked": list(shown.picks.several),
        "pinned": shown.picks.pinned,
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
