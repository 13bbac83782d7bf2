"""What filters cost that are removed together, beside what each costs alone."""

from __future__ import annotations

import dataclasses
from typing import Any

from carviz.results import JointTable, as_one_filter, beyond
from carviz.screen.classes import changed, classes
from carviz.screen.sight import any_picture
from carviz.session import Snapshot, car_of
from carviz.wording import (
    counted,
    excess_words,
    flips_words,
    interval_words,
    points,
    twin_words,
)

PICK = "Pick filters in the gallery: a click takes one in, or out again."
NOT_MEASURED = "Not measured yet."


def several(shown: Snapshot) -> dict[str, Any]:
    """Return the picked filters, and what they cost together.

    Returns
    -------
    dict
        members: filter, picture and car (in words, "" before it is measured) of each; press (what
        the button says, "" where there is nothing to remove); title; hint (a sentence in place of
        numbers, "" where they are there); answer (of two: whether one stands in for the other);
        car; facts (lines); classes and changed, as those sections have them of one filter, with
        `without`, what the images were looked at without. Empty where nobody looks at it.
    """
    if shown.looks.view != "several":
        return {}
    picked = shown.picks.several
    these = "these " if len(picked) > 1 else ""
    title = f"Without {these}{counted(len(picked), 'filter')}" if picked else "No filter picked"
    found: dict[str, Any] = {
        "members": _members(shown),
        "press": "" if not picked else _press(picked),
        "title": title,
        "hint": "" if shown.joint else NOT_MEASURED if picked else PICK,
    }
    return found if shown.joint is None else {**found, **_numbers(shown, shown.joint)}


def _press(picked: tuple[int, ...]) -> str:
    return f"Remove these {len(picked)} together" if len(picked) > 1 else f"Remove {picked[0]}"


def _members(shown: Snapshot) -> list[dict[str, Any]]:
    car = car_of(shown.tables, shown.bank.filters)
    if shown.joint is not None:  # of the same images as the set
        car[shown.joint.filters] = shown.joint.single_car
    sort = shown.looks.gallery
    return [
        {
            "filter": filter,
            "picture": any_picture(shown, sort, filter),
            "car": points(car[filter], unit=False) if car[filter] == car[filter] else "",
        }
        for filter in shown.picks.several
    ]


def _numbers(shown: Snapshot, table: JointTable) -> dict[str, Any]:
    """Return what the set costs; it is the only one of its table."""
    low, high = (float(end[0]) for end in table.car_interval)
    facts = [
        [f"95% interval {interval_words(low, high)}", "", ""],
        [flips_words(int(table.lost[0]), int(table.gained[0]), len(table.images)), "", ""],
    ]
    answer = ""
    if table.sizes[0] > 1:
        excess, p_value = float(table.excess[0]), float(table.p_value[0])
        one, other = (*shown.picks.several, -1)[:2]
        why, size, tried = beyond(table, 0), int(table.sizes[0]), shown.sets_tried
        ends = float(table.low[0]), float(table.high[0])
        answer = twin_words(one, other, excess, p_value, why, tried) if size == 2 else ""
        total = points(float(table.sum_of_cars[0]))
        facts += [
            ["One by one their CARs add up to ", total, "."],
            [excess_words(excess, *ends, p_value, why, tried), "", ""],
        ]
        if why.stood_in:
            lost = (
                f" of the {int(table.lost[0]):,} lost are right when only one of them is missing."
            )
            facts.append(["", f"{why.stood_in:,}", lost])
    return {
        "car": points(float(table.car[0]), unit=False),
        "answer": answer,
        "facts": facts,
        **_classes(shown, table),
    }


def _classes(shown: Snapshot, table: JointTable) -> dict[str, Any]:
    of_set = as_one_filter(table, 0)
    several = shown.picks.several
    gone = f"these {len(several)}" if len(several) > 1 else f"filter {several[0]}"
    looked = dataclasses.replace(shown, filter=0, table=of_set, tables=(of_set,), own_data=True)
    return {
        "classes": classes(looked, gone),
        "changed": changed(looked),
        "without": gone,
    }
