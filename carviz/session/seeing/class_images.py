"""Images beside the classes: one that stands for each, and those that a removal changed."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np

from carviz.evaluate import Images, Normalization
from carviz.results import CarTable
from carviz.session.thumbnails import png_uri, rgb_image

SIDE = 56
"""Pixels of the longer side of a face: twice what is shown, for sharp screens."""
MOST = 12
"""Changed images that are shown."""
CHANGES = {"lost": "now wrong", "gained": "now right", "still wrong": "wrong before and after"}


@dataclasses.dataclass(frozen=True)
class Face:
    """The image that stands for a class beside one filter's bars.

    Parameters
    ----------
    image
        Its number in the data.
    words
        What it is with and without the filter.
    """

    image: int
    words: str


def choose_faces(table: CarTable, filter: int, classes: Iterable[int]) -> dict[int, Face]:
    """Return an image of each class by its number, for a filter that the table holds.

    The first one that is lost without the filter, else that changes otherwise, else that is right,
    else of all; none for a class without images.
    """
    before, after = table.baseline, table.predictions[table.row(filter)]
    right = before == table.targets
    # The lowest rank wins, and of one rank the image that comes first.
    rank = np.select([right & (after != before), after != before, right], [0, 1, 2], 3)
    faces = {}
    for number in classes:
        own = np.flatnonzero(table.targets == number)
        if len(own):
            place = int(own[np.argmin(rank[own])])
            faces[number] = Face(int(table.images[place]), _words(table, filter, place, after))
    return faces


def _words(table: CarTable, filter: int, place: int, after: Any) -> str:
    def answer(number: int) -> str:
        right = number == table.targets[place]
        return "right" if right else f"taken for {table.shown_classes[number]}"

    image, now = f"Image {int(table.images[place])}", answer(int(after[place]))
    if after[place] == table.baseline[place]:
        return f"{image}: {now} with and without filter {filter}"
    return f"{image}: {answer(int(table.baseline[place]))}; without filter {filter} {now}"


def face_picture(number: int, images: Images, normalization: Normalization | None) -> str:
    """Return an image for an ``<img>``; "" where it cannot be read, for the bars go without."""
    try:
        return png_uri(rgb_image(number, images, normalization), SIDE)
    except Exception:
        return ""


def changed_images(
    table: CarTable,
    filter: int,
    class_number: int,
    images: Images,
    normalization: Normalization | None,
) -> dict[str, Any]:
    """Return what a browser shows of the images of one class that changed.

    Returns
    -------
    dict
        items: a list of (src, before, after, change, image); more: how many are not shown; note.
    """
    flips = table.flip_columns(filter, class_number)
    # Lost images first: they are what a filter is there for.
    ranks = [list(CHANGES).index(change) for change in flips["change"]]
    items = [
        {
            "src": png_uri(rgb_image(int(flips["image"][i]), images, normalization)),
            "before": flips["before"][i],
            "after": flips["after"][i],
            "change": CHANGES[flips["change"][i]],
            "image": int(flips["image"][i]),
        }
        for i in np.argsort(ranks, kind="stable")[:MOST]
    ]
    unknown = normalization is None and bool(items)
    note = "Preprocessing unknown: colours stretched." if unknown else ""
    return {"items": items, "more": len(ranks) - len(items), "note": note}
