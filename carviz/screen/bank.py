"""The bank: its filters by number, what is known of each, and their pictures in the gallery."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from carviz.pictures import clip_boxes
from carviz.screen.keys import SHEET, key
from carviz.screen.numbers import flags, floats
from carviz.screen.sight import PADDED, sort_words
from carviz.session import SIGHTS, Sight, Snapshot, car_of
from carviz.wording import KIND_LETTERS, SIGNIFICANT, apart_sentence, counted, seen_words

NO_PICTURES = "The network reads no RGB images, so weights have no picture in colour."


def bank(shown: Snapshot) -> dict[str, Any]:
    """Return what does not change while the bank is measured.

    Returns
    -------
    dict
        layer, filters (how many), title, marks (a letter a filter, a space where its kind is not
        known), index (bytes: their colour indices, NaN for none) and threshold; "" and None where
        the filters are not told apart.
    """
    kinds, count = shown.selectivity, shown.bank.filters
    told: dict[str, Any] = {"marks": "", "index": b"", "threshold": None}
    if kinds is not None:
        told = {
            "marks": "".join(KIND_LETTERS.get(str(kind), " ") for kind in kinds.kind),
            "index": floats(kinds.color_index),
            "threshold": float(kinds.threshold),
        }
    title = f"{counted(count, 'filter')} of {shown.layer}"
    return {"layer": shown.layer, "filters": count, "title": title, **told}


def numbers(shown: Snapshot) -> dict[str, Any]:
    """Return the CAR of the bank's filters as far as it is measured.

    Returns
    -------
    dict
        tiles: bytes, (F,) CAR of each filter by the table of most images, NaN for none. But for
        the pruning view also bank, of the table of most filters: car, low, high and sure
        (q) of each filter, as bytes, NaN for none; seen (its images, in words); doubt (a sentence
        where the images do not tell the filters apart). None where nothing is measured.
    """
    found: dict[str, Any] = {"tiles": floats(car_of(shown.tables, shown.bank.filters))}
    if shown.looks.view == "pruning":
        return {**found, "bank": None}
    return {**found, "bank": bank_numbers(shown)}


def bank_numbers(shown: Snapshot) -> dict[str, Any] | None:
    """Return the numbers of the drawing of the whole bank; None where nothing is measured."""
    table = max(shown.tables, key=lambda t: (len(t.filters), len(t.images)), default=None)
    if table is None:
        return None
    low, high = table.interval_all

    def of_all(values: Any, none: float = np.nan) -> NDArray[np.float64]:
        found = np.full(shown.bank.filters, none)
        found[table.filters] = values
        return found

    return {
        "car": floats(of_all(table.car)),
        "low": floats(of_all(low)),
        "high": floats(of_all(high)),
        "sure": flags(of_all(table.q_value_all <= SIGNIFICANT, 0.0)),
        "seen": seen_words(table),
        "doubt": apart_sentence(table),
    }


def gallery(shown: Snapshot) -> dict[str, Any]:
    """Return which pictures stand in the gallery, on which sheets.

    Returns
    -------
    dict
        layer, sort, shows (what can stand there: [name, words], as on the tabs), pictured (whether
        there are pictures, or are to come), note, sheets: a list of [key, filters on it].
    """
    sort = shown.looks.gallery
    own = sort == "weights" and shown.pictures is not None
    none = sort == "weights" and not shown.has_colour and not own
    found = [] if none else sheets(shown, sort)
    there = sum(len(filters) for _, filters in found)
    coming = "" if there == shown.bank.filters else f"{there} of {shown.bank.filters} pictures"
    return {
        "layer": shown.layer,
        "sort": sort,
        "shows": [[name, sort_words(shown, name)] for name in SIGHTS],
        "pictured": not none,
        "note": NO_PICTURES if none else coming or _padded(shown, sort),
        "sheets": found,
    }


def _padded(shown: Snapshot, sort: str) -> str:
    """Return what the squares beside some patches are; "" where no patch has any."""
    exciting = shown.seen.exciting
    if sort != "patches" or exciting is None:
        return ""
    box = clip_boxes(exciting.box[:, 0], exciting.size)[exciting.image[:, 0] >= 0]
    return PADDED if (box[:, :2] < 0).any() or (box[:, 2:] > exciting.size).any() else ""


def sheets(shown: Snapshot, sort: Sight) -> list[list[Any]]:
    """Return the sheets of one sort of picture that hold any, each [key, filters on it].

    A sheet holds `SHEET` filters that follow one another, so that of a large bank only what has
    changed is sent again: the key is another where a picture on it is.
    """
    found = []
    for first in range(0, shown.bank.filters, SHEET):
        numbers = np.arange(first, min(first + SHEET, shown.bank.filters)).tolist()
        version = 1
        if sort != "weights" or shown.pictures is None:
            numbers = [n for n in numbers if n in shown.seen.pictures(sort)]
            version = max((shown.seen.version(sort, n) for n in numbers), default=0)
        if numbers:
            found.append([key(shown, "sheet", sort, first, version), numbers])
    return found
