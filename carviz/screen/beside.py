"""The pinned filter beside the chosen one."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from carviz.class_lists import class_lists
from carviz.results import CarTable, TwoFilters, paired_interval, two_filters
from carviz.screen.chosen import chosen
from carviz.screen.classes import MOST, NO_IMAGES, SHOWN, axis, bank_range
from carviz.screen.keys import image_key
from carviz.screen.sight import sight
from carviz.session import Snapshot, best_table
from carviz.wording import SIGNIFICANT, counted, interval_words, points, probability_words


def beside(shown: Snapshot) -> dict[str, Any]:
    """Return the sections of the pinned filter, and what only one of the two does.

    Returns
    -------
    dict
        pinned; chosen and sight, as those sections have them of it; problem (why the two are not
        compared, or ""); sentence (whether they differ); rows: number, images, and of each filter,
        the chosen one first, car, low, high, lost, gained; scale; only: of each filter, and of
        both, images (how many) and items ([key, image, true class]). Empty where none is pinned
        beside the chosen one.
    """
    pinned, filter = shown.picks.pinned, shown.filter
    if pinned in (-1, filter) or shown.looks.view != "filter":
        return {}
    table = best_table(list(shown.tables), pinned)
    other = dataclasses.replace(shown, filter=pinned, table=table)
    found: dict[str, Any] = {
        "pinned": pinned, "chosen": chosen(other), "sight": sight(other), "problem": "",
    }  # fmt: skip
    for number, of in ((filter, shown), (pinned, other)):
        if not of.measured:
            return {**found, "problem": f"Filter {number} is not measured yet."}
    both = [t for t in shown.tables if {filter, pinned} <= set(t.filters.tolist())]
    held = max(both, key=lambda table: len(table.images), default=None)
    if held is None:
        return {**found, "problem": "The two were measured on other images, so none are compared."}
    two = two_filters(held, filter, pinned)
    # Its images may be others than those of the table that is shown.
    same = shown.table is not None and _data(held) == _data(shown.table)
    at_hand = shown.own_data and same
    return {
        **found,
        "sentence": _sentence(two),
        "rows": _rows(held, filter, pinned),
        "scale": axis(*bank_range(held)),
        "only": [
            _images(shown, held, images, at_hand)
            for images in (two.only_first, two.only_second, two.both)
        ],
        "note": "" if at_hand else NO_IMAGES,
    }


def _sentence(two: TwoFilters) -> str:
    """Say by how much the two differ, and whether that is more than chance."""
    if two.difference == 0:
        return f"Filters {two.first} and {two.second} have the same CAR on these images."
    more, less = (two.first, two.second) if two.difference > 0 else (two.second, two.first)
    size = points(abs(two.difference)).removeprefix("+")
    ends = (two.low, two.high) if two.difference > 0 else (-two.high, -two.low)
    span = f"95% interval {interval_words(*ends)}, {probability_words(two.p_value)}"
    said = f"The CAR of filter {more} is {size} higher than that of {less}"
    if two.sure:
        return f"{said} ({span})."
    doubt = ", which could be chance"
    if two.p_value <= SIGNIFICANT:  # of a pair that nobody had chosen it would be sure
        doubt += f": it is one of {counted(two.pairs, 'pair')} that can be chosen"
    return f"{said}{doubt} ({span})."


def _rows(table: CarTable, filter: int, pinned: int) -> list[dict[str, Any]]:
    """Return the classes that either filter's list shows, the chosen one's first."""
    numbers: dict[int, None] = {}
    for of in (filter, pinned):
        for _, rows in class_lists(table, of, SHOWN).blocks:
            numbers |= dict.fromkeys(row.number for row in rows)
    return [
        {
            "number": number,
            "images": int(table.class_images[number]),
            "of": [_cell(table, of, number) for of in (filter, pinned)],
        }
        for number in numbers
    ]


def _cell(table: CarTable, filter: int, number: int) -> dict[str, Any]:
    row = table.row(filter)
    lost, gained = int(table.lost[row, number]), int(table.gained[row, number])
    low, high = paired_interval(lost, gained, table.class_images[number])
    return {
        "car": float(table.class_car[row, number]), "low": float(low), "high": float(high),
        "sure": bool(table.q_value[row, number] <= SIGNIFICANT), "lost": lost, "gained": gained,
    }  # fmt: skip


def _data(table: CarTable) -> Any:
    return table.passport.get("data")


def _images(
    shown: Snapshot, table: CarTable, images: NDArray[np.int64], at_hand: bool
) -> dict[str, Any]:
    of = images[:MOST] if at_hand else images[:0]
    places = np.searchsorted(table.images, of).tolist()
    return {
        "images": len(images),
        "items": [
            [image_key(shown, int(table.images[place])), int(table.images[place]),
             int(table.targets[place])]
            for place in places
        ],
    }  # fmt: skip
