"""The chosen filter's pictures, sort by sort, and its nearest siblings."""

from __future__ import annotations

from typing import Any
from zlib import crc32

from carviz.screen.keys import key
from carviz.session import SIGHTS, Seen, Sight, Snapshot
from carviz.wording import likeness_words

COARSE = 32
"""Up to so many pixels a side a picture is shown with its pixels as squares."""
TABS: dict[Sight, str] = {
    "weights": "Weights", "patches": "Patches", "synthesised": "Synthesised"
}  # fmt: skip
LATER, SOON = "Comes when the running job is over.", "Comes in a moment…"
EFFECTIVE = "Effective weights"
"""What the weights of a bank that reads something else than the image's RGB are called."""
ALIKE = 0.5
"""The correlation of answers below which filters are not called alike."""
NOT_MADE = "Not made before this page was saved."
PADDED = "Checkered: outside of the image."


def sight(shown: Snapshot) -> dict[str, Any]:
    """Return the chosen filter's pictures.

    Returns
    -------
    dict
        filter, and tabs: for each sort its name, words, small (a picture, None before it is there)
        and large: picture (None for words), words, items ([key, words] each, of patches), note
        (a sentence, or "") and coming (whether a picture is being made). A picture is [key, words,
        coarse]: words to be read aloud, and whether its pixels are squares.
    """
    return {"filter": shown.filter, "tabs": [tab(shown, name) for name in SIGHTS]}


def tab(shown: Snapshot, name: Sight) -> dict[str, Any]:
    """Return one sort of picture of the chosen filter."""
    sheet = shown.seen.sheets.get(shown.filter)
    small: list[Any] | None
    if name == "patches" and sheet:
        items = [
            [key(shown, "patch", shown.filter, i, crc32(patch.png)), patch.words]
            for i, patch in enumerate(sheet)
        ]
        note = PADDED if any(patch.padded for patch in sheet) else ""
        small = [items[0][0], "", False]
        large = {"picture": None, "words": "", "items": items, "note": note, "coming": False}
    else:
        small, picture = small_picture(shown, name, shown.filter), _large(shown, name)
        words = "" if picture else _why_none(shown, name)
        coming = words in (LATER, SOON)
        large = {"picture": picture, "words": words, "items": [], "note": "", "coming": coming}
    return {"name": name, "words": sort_words(shown, name), "small": small, "large": large}


def sort_words(shown: Snapshot, name: Sight) -> str:
    """Return what a sort of picture is called in the bank that is shown."""
    deep = name == "weights" and shown.pictures is None and shown.has_colour
    return EFFECTIVE if deep else TABS[name]


def _drawn(shown: Snapshot, name: Sight, filter: int) -> tuple[Any, int] | None:
    """Return a filter's picture of one sort, of patches the best, and its version."""
    if name == "weights" and shown.pictures is not None:
        return shown.pictures[filter], 1
    picture = shown.seen.pictures(name).get(filter)
    return None if picture is None else (picture, shown.seen.version(name, filter))


def small_picture(shown: Snapshot, name: Sight, filter: int) -> list[Any] | None:
    """Return a filter's small picture of one sort, as `sight` has it; None before it is there."""
    found = _drawn(shown, name, filter)
    if found is None:
        return None
    picture, version = found
    return [key(shown, "small", name, filter, version), "", _is_coarse(picture)]


def any_picture(shown: Snapshot, sort: Sight, filter: int) -> list[Any] | None:
    """Return a filter's small picture of this sort, else of its weights."""
    return small_picture(shown, sort, filter) or small_picture(shown, "weights", filter)


def _large(shown: Snapshot, name: Sight) -> list[Any] | None:
    found = None if name == "patches" else _drawn(shown, name, shown.filter)
    if found is None:
        return None
    picture, version = found
    about = f"filter {shown.filter} of {shown.layer}"
    said = {
        "weights": f"{sort_words(shown, name)} of {about} as RGB; grey is no weight",
        "synthesised": f"A picture made to excite {about}",
    }[name]
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
    if shown.saved:
        return NOT_MADE
    return LATER if shown.busy else SOON


def siblings(shown: Snapshot) -> dict[str, Any]:
    """Return the chosen filter's nearest siblings, where they are looked at.

    Returns
    -------
    dict
        filter, words (a sentence in their place), items: filter, words (how alike) and picture,
        of the sort that stands in the gallery, else of the weights.
    """
    filter, seen = shown.filter, shown.seen
    found: dict[str, Any] = {"filter": filter, "words": "", "items": []}
    if not shown.looks.siblings:
        return found
    if seen.siblings is None:
        return {**found, "words": NOT_MADE if shown.saved else _why_no_siblings(seen, shown.busy)}
    nearest = seen.nearest(filter)
    if not nearest:
        return {**found, "words": "Its answer never changes, so it is like no other."}
    alike = [(number, likeness) for number, likeness in nearest if likeness >= ALIKE]
    if not alike:
        return {**found, "words": f"None is alike; nearest {likeness_words(nearest[0][1])}."}
    sort = shown.looks.gallery
    items = [
        {
            "filter": number,
            "words": likeness_words(likeness),
            "picture": any_picture(shown, sort, number),
        }
        for number, likeness in alike
    ]
    return {**found, "items": items}


def _why_no_siblings(seen: Seen, busy: bool) -> str:
    failed = seen.failed.get(("siblings", -1))
    if failed:
        return f"None: {failed}"
    return "Come when the running job is over." if busy else "Come in a moment…"
