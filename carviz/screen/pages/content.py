"""The sections of every filter of every bank, as JSON, each of them once."""

from __future__ import annotations

import base64
import dataclasses
import json
from typing import Any

import numpy as np

from carviz.screen.pages.album import Album, Group
from carviz.screen.sections import SECTIONS
from carviz.screen.sight import TABS
from carviz.session import SIGHTS, Snapshot, car_of
from carviz.wording import counted

OF_BANK = ("bank", "numbers", "pruning")
"""Sections that are the same whichever filter is chosen."""
OF_CHOICE = (
    "choice", "work", "chooser", "report", "gallery", "changed", "place", "several", "beside",
    "image",
)  # fmt: skip
"""Sections that the page knows by itself, does not show, or that follow from another choice."""
OF_FILTER = tuple(name for name in SECTIONS if name not in (*OF_BANK, *OF_CHOICE))
FIRST_SHOWN = 12
"""Changed images of a class that have a picture before other pictures."""
ROOM = (4_000_000, 9_000_000)
"""Bytes of JSON: below the first one more banks are begun, below the other filters told whole."""
LEFT_OUT = "Left out, to keep this page small."

Snapshots = dict[str, list[Snapshot]]
"""Bank → a snapshot for each of its filters, as `Session.snapshots` returns them."""


class Parts:
    """JSON values, of which those that are equal are kept once.

    Attributes
    ----------
    texts
        Each as text.
    size
        Bytes of all.
    """

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.size = 0
        self._places: dict[str, int] = {}

    def put(self, value: Any) -> int:
        """Return the place of a value, which is taken in if it is new."""
        text = to_text(value)
        place = self._places.setdefault(text, len(self.texts))
        if place == len(self.texts):
            self.texts.append(text)
            self.size += len(text)
        return place


def to_text(value: Any) -> str:
    """Return a value as JSON; bytes as base64. ValueError for NaN, which JSON has not."""
    return json.dumps(
        value, default=_plain, ensure_ascii=False, allow_nan=False, separators=(",", ":")
    )


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"JSON has no {type(value).__name__}.")


@dataclasses.dataclass
class Content:
    """What a page shows, but for its pictures.

    Parameters
    ----------
    parts
        The sections; all else names them by their places.
    banks
        Of each bank: layer, filter, count and gallery to begin with; all (section → place);
        galleries (sort of picture → place); places (a place for each count of pruned filters);
        filters (for each, the places of `OF_FILTER`); changed (for each, class → place).
    left_out
        In words, what had no room.
    """

    parts: Parts
    banks: list[dict[str, Any]]
    left_out: list[str]


def content_of(
    chosen: Snapshot, snapshots: Snapshots, album: Album, room: tuple[int, int] = ROOM
) -> Content:
    """Return the content of a page, whose pictures the album is asked for.

    Parameters
    ----------
    chosen
        What is shown first.
    snapshots
        What is known.
    album
        Names pictures.
    room
        See `ROOM`.
    """
    filler = _Filler(album)
    left: list[str] = []
    # The bank that is shown comes first: others may find no more room.
    for layer, of_filters in sorted(snapshots.items(), key=lambda item: item[0] != chosen.layer):
        if filler.banks and filler.parts.size > room[0]:
            left.append(layer)
        else:
            filler.add_bank(of_filters, chosen if layer == chosen.layer else None)
    words = [f"the banks {', '.join(left)}"] if left else []
    brief = filler.fill(room[1])
    words += [f"classes and pictures of {counted(brief, 'filter')}"] if brief else []
    places = {layer: place for place, layer in enumerate(snapshots)}
    banks = sorted(filler.banks, key=lambda bank: places[bank["layer"]])
    return Content(filler.parts, banks, words)


class _Filler:
    """Takes in banks, and then their filters."""

    def __init__(self, album: Album) -> None:
        self.parts = Parts()
        self.banks: list[dict[str, Any]] = []
        self._album = album
        self._known: list[list[Snapshot]] = []

    def add_bank(self, of_filters: list[Snapshot], chosen: Snapshot | None) -> None:
        """Take in what is the same for all filters of a bank."""
        of_filters = [_saved(shown) for shown in of_filters]
        first = of_filters[0]
        car = car_of(first.tables, len(of_filters))
        best = 0 if np.isnan(car).all() else int(np.nanargmax(car))
        steps = 0 if first.path is None else len(first.path)
        sorts = {sort: _looking(first, gallery=sort) for sort in SIGHTS}
        self._known.append(of_filters)
        self.banks.append({
            "layer": first.layer,
            "filter": best if chosen is None else chosen.filter,
            "count": first.count if chosen is None else chosen.count,
            "gallery": "patches" if first.pictures is None and first.has_colour else "weights",
            "all": {name: self._put(name, first) for name in OF_BANK},
            "galleries": {sort: self._put("gallery", shown) for sort, shown in sorts.items()},
            "places": [
                self._put("place", dataclasses.replace(first, count=count))
                for count in range(steps + 1)
            ],
            "filters": [],
            "changed": [],
        })  # fmt: skip

    def fill(self, room: int) -> int:
        """Take in all filters, those whose CAR is farthest from zero first.

        Returns how many found no more room for all that is known of them.
        """
        ranked = sorted(
            (-size, place, filter)
            for place, of_filters in enumerate(self._known)
            for filter, size in enumerate(_sizes(of_filters))
        )
        for bank, of_filters in zip(self.banks, self._known, strict=True):
            bank["filters"] = [[] for _ in of_filters]
            bank["changed"] = [{} for _ in of_filters]
        brief = 0
        for _, place, filter in ranked:
            whole = self.parts.size <= room
            brief += not whole
            self._add_filter(self.banks[place], self._known[place][filter], whole)
        return brief

    def _add_filter(self, bank: dict[str, Any], shown: Snapshot, whole: bool) -> None:
        filter = shown.filter
        if not whole:
            short = _brief(filter)
            bank["filters"][filter] = [
                self.parts.put(short[name]) if name in short else self._put(name, shown)
                for name in OF_FILTER
            ]
            return
        bank["filters"][filter] = [self._put(name, shown) for name in OF_FILTER]
        rows = [row for block in SECTIONS["classes"](shown)["blocks"] for row in block["rows"]]
        for number in dict.fromkeys(row["number"] for row in rows):
            found = SECTIONS["changed"](_looking(shown, opened=number))
            items = found["items"]
            found = self._album.named({**found, "items": items[:FIRST_SHOWN]}, Group.FIRST_IMAGES)
            found["items"] += self._album.named(items[FIRST_SHOWN:], Group.MORE_IMAGES)
            bank["changed"][filter][str(number)] = self.parts.put(found)

    def _put(self, name: str, shown: Snapshot) -> int:
        return self.parts.put(self._album.named(SECTIONS[name](shown)))


def _saved(shown: Snapshot) -> Snapshot:
    """Return a snapshot as a page shows it: all of it is looked at, and nothing is being done."""
    looks = shown.looks.changed(view="bank", siblings=True, opened=-1)
    return dataclasses.replace(shown, saved=True, busy=False, looks=looks)


def _looking(shown: Snapshot, **looks: Any) -> Snapshot:
    return dataclasses.replace(shown, looks=shown.looks.changed(**looks))


def _sizes(of_filters: list[Snapshot]) -> list[float]:
    car = car_of(of_filters[0].tables, len(of_filters))
    return [float(size) for size in np.nan_to_num(np.abs(car), nan=-1.0)]


def _brief(filter: int) -> dict[str, Any]:
    """Return the sections of a filter that has no room for them."""
    large: dict[str, Any] = {"picture": None, "words": LEFT_OUT, "items": []}
    tabs = [
        {"name": name, "words": words, "small": None, "large": large}
        for name, words in TABS.items()
    ]
    return {
        "classes": {"filter": filter, "empty": LEFT_OUT, "blocks": [], "faces": {}},
        "sight": {"filter": filter, "tabs": tabs},
        "siblings": {"filter": filter, "words": LEFT_OUT, "items": []},
    }
