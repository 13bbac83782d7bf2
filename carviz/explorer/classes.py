"""The classes that a filter matters to most and least, as bars that open to images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anywidget
import numpy as np
import pandas as pd
import scipy.stats  # noqa: F401 - loaded here, not between a click and its first estimate
import traitlets as t

from carviz.explorer.scripts import script
from carviz.plots.classes import class_blocks
from carviz.results import CarTable
from carviz.wording import SIGNIFICANT, counts_words, interval_words, points, tick_words

SHOWN = 5
"""Classes at each end."""
NOTHING: dict[str, Any] = {
    "blocks": [], "scale": {}, "filter": -1, "note": "", "empty": "", "faced": False,
}  # fmt: skip


class Classes(anywidget.AnyWidget):
    """Rows of classes. Python alone writes the traits; opening a class comes as a message."""

    _esm = script("classes.js")

    content = t.Dict(NOTHING).tag(sync=True)
    opened = t.Int(-1).tag(sync=True)
    changed = t.Dict({}).tag(sync=True)
    faces = t.Dict({}).tag(sync=True)

    def __init__(self, open_class: Callable[[int], None]) -> None:
        super().__init__()
        self._open = open_class
        self.on_msg(self._heard)

    def _heard(self, _widget: Any, content: Any, _buffers: Any) -> None:
        if isinstance(content, dict) and isinstance(content.get("open"), int):
            self._open(content["open"])


def class_content(table: CarTable, filter: int, faced: bool = False) -> dict[str, Any]:
    """Return the rows of one filter, with their common scale, as the browser draws them.

    `faced` says whether a picture of each class is to come.
    """
    blocks = class_blocks(table, filter, SHOWN)
    frames = [frame for _, frame in blocks]
    low = min(0.0, *(float(f[["low", "car"]].min().min()) for f in frames))
    high = max(0.0, *(float(f[["high", "car"]].max().max()) for f in frames))
    rows = [
        {"title": title, "rows": [_row(r) for _, r in frame.iterrows()]} for title, frame in blocks
    ]
    return {
        "blocks": rows,
        "scale": {"low": low, "high": high, "ticks": _ticks(low, high)},
        "filter": filter,
        "note": f"Line: 95% interval. Filled: q ≤ {SIGNIFICANT:g}."
        + (" =: tied." if any(f["tied"].any() for f in frames) else ""),
        "empty": "",
        "faced": faced,
    }


def classes_shown(content: dict[str, Any]) -> list[int]:
    """Return the numbers of the classes that have a row."""
    return [row["number"] for block in content["blocks"] for row in block["rows"]]


def _row(row: pd.Series) -> dict[str, Any]:
    counts = counts_words(row["lost"], row["gained"], row["images"])
    words = points(row["car"], unit=False) + ("\u2009=" if row["tied"] else "")
    return {
        "number": int(row["number"]),
        "name": row["class"],
        "car": float(row["car"]),
        "low": float(row["low"]),
        "high": float(row["high"]),
        "sure": bool(row["q_value"] <= SIGNIFICANT),
        "words": words,
        "counts": counts,
        "label": f"{row['class']}: CAR {points(row['car'])}, 95% interval "
        f"{interval_words(row['low'], row['high'])}, {counts} images. Show the images that change.",
    }


def _ticks(low: float, high: float) -> list[dict[str, Any]]:
    """Return a few round places on the scale, zero among them."""
    # Not MaxNLocator's: below half a point, one decimal would give two places one name.
    span = 100 * (high - low)
    step = next((s for s in (0.5, 1, 2, 5, 10, 20, 50) if span / s <= 4.2), 100)
    first, last = int(np.ceil(100 * low / step)), int(np.floor(100 * high / step))
    return [{"at": i * step / 100, "words": tick_words(i * step)} for i in range(first, last + 1)]
