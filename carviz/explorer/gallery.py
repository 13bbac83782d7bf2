"""The gallery: a bank's filters as pictures, clickable and walkable with the arrow keys."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import anywidget
import numpy as np
import traitlets as t
from numpy.typing import NDArray

from carviz.explorer.scripts import HERE, script
from carviz.session import as_bytes, png
from carviz.wording import KIND_LETTERS, kind_words


class Gallery(anywidget.AnyWidget):
    """Tiles of one bank. Python alone writes the traits; a choice comes back as a message."""

    _esm = script("gallery.js")
    _css = (HERE / "style.css").read_text(encoding="utf-8")

    bank = t.Unicode().tag(sync=True)
    shows = t.Int(0).tag(sync=True)
    title = t.Unicode().tag(sync=True)
    note = t.Unicode().tag(sync=True)
    pictured = t.Bool(False).tag(sync=True)
    sprite = t.Bytes(b"").tag(sync=True)
    drawn = t.List(t.Int()).tag(sync=True)
    tile_width = t.Int(1).tag(sync=True)
    tile_height = t.Int(1).tag(sync=True)
    columns = t.Int(1).tag(sync=True)
    tiles = t.List(t.Dict()).tag(sync=True)
    value = t.Int(0).tag(sync=True)

    def show_bank(
        self,
        name: str,
        pictures: Mapping[int, NDArray[Any]] | None,
        tiles: list[dict[str, Any]],
        value: int,
        note: str,
    ) -> None:
        """Show another bank: with the pictures that are there, or, for None, with numbers."""
        count = len(tiles)
        with self.hold_sync():
            self.pictured = pictures is not None
            self.show_pictures(pictures or {})
            self.title = f"{count} filters of {name}"
            self.note = note
            self.tiles, self.value = tiles, value
            # Last: it is what tells the browser to build anew.
            self.bank, self.shows = name, self.shows + 1

    def show_pictures(self, pictures: Mapping[int, NDArray[Any]]) -> None:
        """Show pictures of one size that came; those of other filters stay."""
        with self.hold_sync():
            self.sprite = b""
            if pictures:
                found = np.stack(list(pictures.values()))
                self.tile_height, self.tile_width = found.shape[1:3]
                self.columns = math.ceil(math.sqrt(len(found)))
                self.sprite = png(_sheet(found, self.columns))
            self.drawn = list(pictures)


def _sheet(pictures: NDArray[Any], columns: int) -> NDArray[np.uint8]:
    """Return all pictures as one, `columns` in a row."""
    F, height, width, _ = pictures.shape
    rows = math.ceil(F / columns)
    full = np.full((rows * columns, height, width, 3), 128, np.uint8)
    full[:F] = as_bytes(pictures)
    grid = full.reshape(rows, columns, height, width, 3).transpose(0, 2, 1, 3, 4)
    return grid.reshape(rows * height, columns * width, 3)


def make_tile(filter: int, kind: str, car: str) -> dict[str, Any]:
    """Return one tile; `car` is in words, "" while it is not known."""
    said = [
        f"Filter {filter}",
        kind_words(kind),
        f"CAR {car} points" if car else "CAR not measured",
    ]
    return {
        "filter": filter,
        "mark": KIND_LETTERS.get(kind, ""),
        "car": car,
        "label": ", ".join(part for part in said if part),
    }
