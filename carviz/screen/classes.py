"""The classes that a filter matters to most and least, and the images that its removal changes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from carviz.class_lists import class_lists
from carviz.results import CarTable, ClassSummary, became, paired_interval
from carviz.screen.faces import choose_faces
from carviz.screen.keys import image_key
from carviz.session import Snapshot
from carviz.wording import SIGNIFICANT, tick_words

SHOWN = 5
"""Classes at each end."""
MOST = 12
"""Changed images that are shown."""
PAIRS = 40
"""Kinds of change that are told, the most frequent first."""
NOT_MEASURED = "Classes appear here once the filter is measured."
KEY = f"Line: 95% interval. Filled, ★: sure, q ≤ {SIGNIFICANT:g}. Hollow: could be chance."
NO_IMAGES = "The table was measured on other images than the ones at hand, so none are shown."
CHANGES = ("lost", "gained", "still wrong")
"""What an image can be; lost ones come first: they are what a filter is there for."""


def classes(shown: Snapshot, gone: str = "") -> dict[str, Any]:
    """Return the rows of one filter, with a scale that all filters of the bank have.

    `gone` says in words what is removed, where that is no filter of the bank.

    Returns
    -------
    dict
        filter; empty (a sentence where there are no rows); doubt (a sentence where few classes can
        be told from chance, else ""); blocks: title and rows; a row has number (of the class), car,
        low, high, sure, tied, lost, gained, images; rest (a sentence of classes that are not
        listed, or ""); scale: low, high, ticks, of all filters that are measured; own: the same of
        these rows; notes (sentences); became: [before, after, images] by classes' numbers, the most
        frequent changes first; faces: class's number → [key, words], where the images are at
        hand.
    """
    table, filter = shown.table, shown.filter
    if table is None or not shown.measured:
        return {"filter": filter, "empty": NOT_MEASURED, "blocks": [], "faces": {}}
    found = class_lists(table, filter, SHOWN, gone or "the filter")
    rows = [row for _, block in found.blocks for row in block]
    return {
        "filter": filter,
        "empty": "",
        "doubt": found.doubt,
        "blocks": [
            {"title": title, "rows": [_row(row) for row in block]} for title, block in found.blocks
        ],
        "rest": found.rest,
        "scale": axis(*bank_range(table)),
        "own": axis(
            min(min(row.low, row.car) for row in rows), max(max(row.high, row.car) for row in rows)
        ),
        "notes": [KEY, *([found.tie] if found.tie else [])],
        "became": became(table, filter)[:PAIRS],
        "faces": _faces(shown, table, [row.number for row in rows], gone),
    }


def _row(row: ClassSummary) -> dict[str, Any]:
    return {
        "number": row.number, "car": row.car, "low": row.low, "high": row.high,
        "sure": bool(row.q_value <= SIGNIFICANT), "tied": row.tied,
        "lost": row.lost, "gained": row.gained, "images": row.images,
    }  # fmt: skip


def bank_range(table: CarTable) -> tuple[float, float]:
    """Return between which values the class bars of all filters of the table lie.

    On one scale a filter that matters to nobody looks so. Within are the lowest and the highest CAR
    of a class and their intervals, and that of a class of which no image is lost or gained; an
    interval that is longer ends in a mark at the edge.
    """
    counted = np.flatnonzero(table.class_images > 0)
    images, car = table.class_images[counted], table.class_car[:, counted]
    low, high = paired_interval(0, 0, np.median(images))
    cells = [np.unravel_index(place, car.shape) for place in (car.argmin(), car.argmax())]
    ends = [
        paired_interval(table.lost[i, counted[c]], table.gained[i, counted[c]], images[c])
        for i, c in cells
    ]
    return (
        min(float(low), float(car.min()), float(ends[0][0])),
        max(float(high), float(car.max()), float(ends[1][1])),
    )


def axis(lowest: float, highest: float) -> dict[str, Any]:
    """Return an axis of CAR that has zero on it: low, high, and ticks in percentage points."""
    low, high = min(0.0, lowest), max(0.0, highest)
    # Not MaxNLocator's: below half a point, one decimal would give two places one name.
    span = 100 * (high - low)
    step = next((s for s in (0.5, 1, 2, 5, 10, 20, 50) if span / s <= 4.2), 100)
    first, last = math.ceil(100 * low / step), math.floor(100 * high / step)
    ticks = [{"at": i * step / 100, "words": tick_words(i * step)} for i in range(first, last + 1)]
    return {"low": low, "high": high, "ticks": ticks}


def _faces(shown: Snapshot, table: CarTable, numbers: list[int], gone: str) -> dict[str, list[str]]:
    if not shown.own_data:
        return {}
    without = f"without {gone}" if gone else ""
    found = choose_faces(table, shown.filter, numbers, without)
    return {str(n): [image_key(shown, face.image), face.words] for n, face in found.items()}


def changed(shown: Snapshot) -> dict[str, Any]:
    """Return the images of the opened class that the filter's removal changes.

    Returns
    -------
    dict
        filter, number (of the class; -1 for none); problem (a sentence where none can be shown);
        items: [key, image, before, after, change], the answers by the classes' numbers and the
        change by its place in `CHANGES`; more (how many are not shown); note; became, as in
        `classes`.
    """
    number = shown.looks.opened
    found: dict[str, Any] = {
        "filter": shown.filter, "number": number, "problem": "", "items": [], "more": 0,
        "note": "",
    }  # fmt: skip
    if number < 0 or shown.table is None or not shown.measured:
        return found
    if not shown.own_data:
        return {**found, "problem": NO_IMAGES}
    items = changed_images(shown, shown.table, shown.filter, number)
    unknown = shown.normalization is None and bool(items)
    note = "Preprocessing unknown: colours stretched." if unknown else ""
    pairs = became(shown.table, shown.filter, number)
    told = {"items": items[:MOST], "more": max(len(items) - MOST, 0), "note": note}
    return {**found, **told, "became": pairs[:PAIRS]}


def changed_images(
    shown: Snapshot, table: CarTable, filter: int, number: int
) -> list[list[str | int]]:
    """Return the images of a class that change, the lost ones first: see `changed`."""
    row = table.predictions[table.row(filter)]
    places = np.flatnonzero((table.targets == number) & (row != table.baseline))
    right = {"lost": table.baseline[places] == number, "gained": row[places] == number}
    ranks = np.select([right["lost"], right["gained"]], [0, 1], 2)
    items: list[list[str | int]] = []
    for i in np.argsort(ranks, kind="stable"):
        image, place = int(table.images[places[i]]), places[i]
        answers = int(table.baseline[place]), int(row[place])
        items.append([image_key(shown, image), image, *answers, int(ranks[i])])
    return items
