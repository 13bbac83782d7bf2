"""The image that stands for a class beside one filter's bars."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np

from carviz.results import CarTable


@dataclasses.dataclass(frozen=True)
class Face:
    """An image of a class.

    Parameters
    ----------
    image
        Its number in the data.
    words
        What it is with and without the filter.
    """

    image: int
    words: str


def choose_faces(
    table: CarTable, filter: int, classes: Iterable[int], without: str = ""
) -> dict[int, Face]:
    """Return an image of each class by its number, for a filter that the table holds.

    The first one that is lost without the filter, else that changes otherwise, else that is right,
    else of all; none for a class without images. `without` says so in words ("without these 3").
    """
    without = without or f"without filter {filter}"
    before, after = table.baseline, table.predictions[table.row(filter)]
    right = before == table.targets
    # The lowest rank wins, and of one rank the image that comes first.
    rank = np.select([right & (after != before), after != before, right], [0, 1, 2], 3)
    faces = {}
    for number in classes:
        own = np.flatnonzero(table.targets == number)
        if len(own):
            place = int(own[np.argmin(rank[own])])
            faces[number] = Face(int(table.images[place]), _words(table, place, after, without))
    return faces


def _words(table: CarTable, place: int, after: Any, without: str) -> str:
    def answer(number: int) -> str:
        right = number == table.targets[place]
        return "right" if right else f"taken for {table.shown_classes[number]}"

    image, now = f"Image {int(table.images[place])}", answer(int(after[place]))
    if after[place] == table.baseline[place]:
        return f"{image}: {now} with and {without}"
    return f"{image}: {answer(int(table.baseline[place]))}; {without} {now}"
