"""One image: where the chosen filter answers, and what the network says with and without it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from carviz.screen.head import class_names
from carviz.screen.keys import key
from carviz.screen.sight import any_picture
from carviz.session import OWN, Needed, OneImage, Snapshot, changed_images
from carviz.wording import answer_words, counted, percent

FIRST = 5
"""Answers that are listed, and filters that are needed most."""
LAST = 3
"""Filters without which the answer is surer."""
ROUNDING = 1e-4
"""Nats below which a fall of log p is rounding."""
LOOKING = "Looking at it…"
SCALE = "Bright: it answers, brightest at {}, its strongest answer known. Dark: it does not."
SILENT = "Filter {} answers nowhere on this image."
UNMAPPED = "{} reads crops or frames of an image, so that its maps lie on no image."


def image(shown: Snapshot) -> dict[str, Any]:
    """Return the image that is looked at; empty where nobody looks.

    Returns
    -------
    dict
        number; own (whether it is the reader's); title; true (in words, "" where nobody knows);
        refused (why a picture was not taken, or ""); going (before, after: numbers of images, and
        words: which of how many); problem (a sentence, or ""); picture and map: [key, words], None
        before they are there; note (of the map, or why there is none); before and after: [class's
        number, share] each, the most probable first; label; sentence; changed (whether the answer
        does); needed: title, words, rows and against.
    """
    if shown.looks.view != "image":
        return {}
    number, one = shown.image, shown.one_image
    is_own = number == OWN
    own = "" if shown.own_image is None else shown.own_image.name
    found: dict[str, Any] = {
        "number": number,
        "own": is_own,
        "title": (f"Your image: {own}" if own else "Your image") if is_own else f"Image {number}",
        "going": None if is_own else _going(shown, number),
        "problem": shown.image_problem,
        "refused": shown.image_refused,
        "picture": None,
        "words": LOOKING,
    }
    return found if one is None else {**found, **_looked_at(shown, one)}


def _going(shown: Snapshot, number: int) -> dict[str, Any]:
    """Return where one can go from here: through the images that the filter changes, else all."""
    table = shown.table if shown.own_data else None
    among = changed_images(table, shown.filter)
    what = f"{counted(len(among), 'image')} that filter {shown.filter} changes"
    total = len(shown.images)
    if not among:
        return {
            "before": (number - 1) % total,
            "after": (number + 1) % total,
            "words": f"of {counted(total, 'image')}",
        }
    if number not in among:
        return {"before": among[-1], "after": among[0], "words": f"beside the {what}"}
    place = among.index(number)
    return {
        "before": among[place - 1],
        "after": among[(place + 1) % len(among)],
        "words": f"{place + 1} of {what}",
    }


def _looked_at(shown: Snapshot, one: OneImage) -> dict[str, Any]:
    names = class_names(shown)
    on_it = f"Where filter {shown.filter} answers on it"
    true = "" if one.label < 0 else f"in truth {name_of(names, one.label)}"
    place: list[str | int] = [*one.key, shown.filter, f"{one.strongest:.6g}"]
    what = "Your image" if shown.image == OWN else f"Image {shown.image}"
    return {
        "true": true,
        "label": one.label,
        "picture": [key(shown, "view", *one.key), f"{what}, {true}" if true else what],
        "map": None if one.maps is None else [key(shown, "map", *place), on_it],
        "note": _note(one),
        "before": _first(one.before),
        "after": _first(one.after),
        "changed": bool(one.before.argmax() != one.after.argmax()),
        "sentence": _sentence(one, names),
        "needed": None if shown.needed is None else _needed(shown, one, shown.needed, names),
    }


def _note(one: OneImage) -> str:
    if one.maps is None:
        return UNMAPPED.format(one.layer)
    if one.maps.highest[0] <= 0:
        return SILENT.format(one.filter)
    return SCALE.format(answer_words(one.strongest))


def name_of(names: list[str], number: int) -> str:
    """Return a class's name, or its number where it has none."""
    return names[number] if number < len(names) else f"class {number}"


def _first(shares: NDArray[np.float64]) -> list[list[Any]]:
    order = np.argsort(-shares, kind="stable")[:FIRST]
    return [[int(n), float(shares[n])] for n in order]


def _sentence(one: OneImage, names: list[str]) -> str:
    with_all, without = int(one.before.argmax()), int(one.after.argmax())
    name, gone = name_of(names, with_all), f"Without filter {one.filter} the answer"
    had = percent(one.before[with_all])
    if with_all == without:
        return f"{gone} stays {name}: {had} with it, {percent(one.after[with_all])} without."
    other = f"{name_of(names, without)} ({percent(one.after[without])})"
    return f"{gone} changes from {name} ({had}) to {other}."


def _needed(shown: Snapshot, one: OneImage, needed: Needed, names: list[str]) -> dict[str, Any]:
    """Return the filters that the answer needs most, and those without which it is surer."""
    order = np.argsort(-needed.drop, kind="stable")
    most = [n for n in order[:FIRST].tolist() if needed.drop[n] > ROUNDING]
    least = [n for n in order[::-1][:LAST].tolist() if needed.drop[n] < -ROUNDING]
    name, first = name_of(names, needed.target), int(one.before.argmax())
    had = float(one.before[needed.target])

    def row(filter: int) -> dict[str, Any]:
        left = min(had * float(np.exp(-needed.drop[filter])), 1.0)
        answer = int(needed.answers[filter])
        return {
            "filter": filter,
            "picture": any_picture(shown, shown.looks.gallery, filter),
            "words": f"{percent(had)} → {percent(left)}",
            "becomes": "" if answer == first else name_of(names, answer),
        }

    nothing = "No filter of this bank changes it by itself." if not most and not least else ""
    return {
        "title": f"Filters of {shown.layer} that “{name}” needs here",
        "words": nothing,
        "rows": [row(n) for n in most],
        "against": [row(n) for n in least],
    }
