"""The chosen filter's pictures, sort by sort, and its nearest siblings."""

from __future__ import annotations

from typing import Any

from carviz.screen.keys import key
from carviz.session import SIGHTS, Seen, Sight, Snapshot
from carviz.wording import likeness_words

COARSE = 32
"""Up to so many pixels a side a picture is shown with its pixels as squares."""
TABS: dict[Sight, str] = {
    "weights": "Weights", "patches": "Patches", "synthesised": "Synthesised"
}  # fmt: skip
LATER, SOON = "Comes when the running job is over.", "Comes in a moment…"
EFFECTIVE = "Effective"
"""What the weights of a bank that reads something else than the image's RGB are called."""


def sight(shown: Snapshot) -> dict[str, Any]:
    """Return the chosen filter's pictures.

    Returns
    -------
    dict
        filter, and tabs: for each sort its name, words, small (a picture, None before it is there)
        and large: picture (None for words), words, items ([key, words] each, of patches), and
        coming (whether a picture is being made). A
        picture is [key, words, coarse]: words to be read aloud, and whether its pixels are squares.
    """
    return {"filter": shown.filter, "tabs": [tab(shown, name) for name in SIGHTS]}


def tab(shown: Snapshot, name: Sight) -> dict[str, Any]:
    """Return one sort of picture of the chosen filter."""
    sheet = shown.seen.sheets.get(shown.filter)
    if name == "patches" and sheet:
        items = [
            [key(shown, "patch", shown.filter, i), patch.words] for i, patch in enumerate(sheet)
        ]
        small: list[Any] | None = [items[0][0], "", False]
        large = {"picture": None, "words": "", "items": items, "coming": False}
    else:
        small = _small(shown, name, shown.filter)
        words = "" if small else _why_none(shown, name)
        coming = words in (LATER, SOON)
        large = {"picture": _large(shown, name), "words": words, "items": [], "coming": coming}
    return {"name": name, "words": sort_words(shown, name), "small": small, "large": large}


def sort_words(shown: Snapshot, name: Sight) -> str:
    """Return what a sort of picture is called in the bank that is shown."""
    deep = name == "weights" and shown.pictures is None and shown.has_colour
    return EFFECTIVE if deep else TABS[name]


def _drawn(shown: Snapshot, name: Sight, filter: int) -> tuple[Any, int] | None:
    """Return a filter's picture of one sort, and its version; None for patches, which are many."""
    if name == "weights" and shown.pictures is not None:
        return shown.pictures[filter], 1
    picture = None if name == "patches" else shown.seen.pictures(name).get(filter)
    return None if picture is None else (picture, shown.seen.version(name, filter))


def _small(shown: Snapshot, name: Sight, filter: int) -> list[Any] | None:
    found = _drawn(shown, name, filter)
    if found is None:
        return None
    picture, version = found
    return [key(shown, "small", name, filter, version), "", _is_coarse(picture)]


def _large(shown: Snapshot, name: Sight) -> list[Any] | None:
    found = _drawn(shown, name, shown.filter)
    if found is None:
        return None
    picture, version = found
    about = f"filter {shown.filter} of {shown.layer}"
    said = {
        "weights": f"{sort_words(shown, name)} of {about} as RGB; grey is no weight",
        "synthesised": f"A picture made to excite {about}",
    }[name]
    if said.startswith(EFFECTIVE):
        said = said.replace(EFFECTIVE, f"{EFFECTIVE} weights", 1)
    return [key(shown, "large", name, shown.filter, version), said, _is_coarse(picture)]


def _is_coarse(picture: Any) -> bool:
    return bool(max(picture.shape[:2]) <= COARSE)


def _why_none(shown: Snapshot, name: Sight) -> str:
    seen, filter = shown.seen, shown.filter
    if name == "patches" and seen.sheets.get(filter) is not None:
        return f"None of the images that were looked at excites filter {filter}."
    failed = {"weights": "weights", "patches": "sheet", "synthesised": "synthesised"}[name]
    pieces = [(failed, filter), ("exciting", -1), (f"all {name}", -1)]
    for piece in pieces if name != "synthesised" else pieces[:1]:
        if piece in seen.failed:
            return f"No picture: {seen.failed[piece]}"
    return LATER if shown.busy else SOON


def siblings(shown: Snapshot) -> dict[str, Any]:
    """Return the chosen filter's nearest siblings, where they are looked at.

    Returns
    -------
    dict
        filter, words (a sentence in their place), items: filter, words (how alike) and picture.
    """
    filter, seen = shown.filter, shown.seen
    if not shown.looks.siblings:
        return {"filter": filter, "words": "", "items": []}
    if seen.siblings is None:
        return {"filter": filter, "words": _why_no_siblings(seen, shown.busy), "items": []}
    items = [
        {
            "filter": number,
            "words": likeness_words(likeness),
            "picture": _small(shown, "weights", number),
        }
        for number, likeness in seen.nearest(filter)
    ]
    words = "" if items else "Its answer never changes, so it is like no other."
    return {"filter": filter, "words": words, "items": items}


def _why_no_siblings(seen: Seen, busy: bool) -> str:
    failed = seen.failed.get(("siblings", -1))
    if failed:
        return f"None: {failed}"
    return "Come when the running job is over." if busy else "Come in a moment…"
