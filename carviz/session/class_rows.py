"""The classes that a filter matters to most and least, as rows for a browser."""

from __future__ import annotations

import math
from typing import Any

from carviz.results import CarTable, ClassSummary
from carviz.wording import (
    SIGNIFICANT,
    class_lists,
    counts_words,
    interval_words,
    points,
    tick_words,
)

SHOWN = 5
"""Classes at each end."""
NOTHING: dict[str, Any] = {
    "blocks": [], "scale": {}, "filter": -1, "note": "", "empty": "", "faced": False,
}  # fmt: skip


def class_content(table: CarTable, filter: int, faced: bool = False) -> dict[str, Any]:
    """Return the rows of one filter, with their common scale, as the browser draws them.

    `faced` says whether a picture of each class is to come.
    """
    blocks = class_lists(table, filter, SHOWN)
    rows = [row for _, classes in blocks for row in classes]
    low = min(0.0, *(min(row.low, row.car) for row in rows))
    high = max(0.0, *(max(row.high, row.car) for row in rows))
    return {
        "blocks": [
            {"title": title, "rows": [_row(row) for row in classes]} for title, classes in blocks
        ],
        "scale": {"low": low, "high": high, "ticks": _ticks(low, high)},
        "filter": filter,
        "note": f"Line: 95% interval. Filled: q ≤ {SIGNIFICANT:g}."
        + (" =: tied." if any(row.tied for row in rows) else ""),
        "empty": "",
        "faced": faced,
    }


def classes_shown(content: dict[str, Any]) -> list[int]:
    """Return the numbers of the classes that have a row."""
    return [row["number"] for block in content["blocks"] for row in block["rows"]]


def _row(row: ClassSummary) -> dict[str, Any]:
    counts = counts_words(row.lost, row.gained, row.images)
    return {
        "number": row.number,
        "name": row.name,
        "car": row.car,
        "low": row.low,
        "high": row.high,
        "sure": row.q_value <= SIGNIFICANT,
        "words": points(row.car, unit=False) + ("\u2009=" if row.tied else ""),
        "counts": counts,
        "label": f"{row.name}: CAR {points(row.car)}, 95% interval "
        f"{interval_words(row.low, row.high)}, {counts} images. Show the images that change.",
    }


def _ticks(low: float, high: float) -> list[dict[str, Any]]:
    """Return a few round places on the scale, zero among them."""
    # Not MaxNLocator's: below half a point, one decimal would give two places one name.
    span = 100 * (high - low)
    step = next((s for s in (0.5, 1, 2, 5, 10, 20, 50) if span / s <= 4.2), 100)
    first, last = math.ceil(100 * low / step), math.floor(100 * high / step)
    return [{"at": i * step / 100, "words": tick_words(i * step)} for i in range(first, last + 1)]
