"""The chosen filter's picture with its three tabs, and its siblings, which open on demand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anywidget
import traitlets as t
from numpy.typing import NDArray

from carviz.explorer.scripts import script
from carviz.session import LARGE, SIGHTS, Seen, Sight, png_uri
from carviz.wording import likeness_words

TABS: dict[Sight, str] = {
    "weights": "Weights", "patches": "Patches", "synthesised": "Synthesised"
}  # fmt: skip
COARSE = 32
"""Up to so many pixels a side a picture is shown with its pixels as squares."""
SMALL = 96


class SightPanel(anywidget.AnyWidget):
    """Python alone writes the traits; the press of a tab comes as a message.

    `content` is what is shown large, and `small` the pictures on the tabs, side by side.
    """

    _esm = script("sight.js")

    content = t.Dict({}).tag(sync=True)
    small = t.Dict({}).tag(sync=True)


class SiblingsPanel(anywidget.AnyWidget):
    """Python alone writes the traits; opening, and the choice of a sibling, come as messages."""

    _esm = script("siblings.js")

    content = t.Dict({}).tag(sync=True)


def sight_content(
    layer: str,
    filter: int,
    sight: Sight,
    picture: NDArray[Any] | None,
    seen: Seen,
    busy: bool,
) -> dict[str, Any]:
    """Return what the browser shows of one filter; `picture` is that of its RGB weights, if any."""
    content: dict[str, Any] = {
        "tabs": [[name, words] for name, words in TABS.items()],
        "look": sight, "filter": filter, "src": "", "alt": "", "items": [], "words": "",
        "coarse": False,
    }  # fmt: skip
    sheet = seen.sheets.get(filter)
    if sight == "patches" and sheet:
        return {**content, "items": sheet}
    shown = _drawn(filter, sight, picture, seen)
    if shown is None:
        return {**content, "words": _why_none(filter, sight, seen, busy)}
    said = {
        "weights": f"Weights of filter {filter} of {layer} as RGB; grey is no weight",
        "synthesised": f"A picture made to excite filter {filter} of {layer}",
    }
    return {
        **content, "src": png_uri(shown, LARGE), "alt": said[sight], "coarse": _is_coarse(shown)
    }  # fmt: skip


def small_sights(filter: int, picture: NDArray[Any] | None, seen: Seen) -> dict[str, Any]:
    """Return what stands on the tabs: each picture of the filter that is there, small."""
    small: dict[str, Any] = {}
    if sheet := seen.sheets.get(filter):
        small["patches"] = {"src": sheet[0]["src"], "coarse": False}
    for sight in SIGHTS:
        shown = _drawn(filter, sight, picture, seen)
        if shown is not None:
            small[sight] = {"src": png_uri(shown, SMALL), "coarse": _is_coarse(shown)}
    return small


def _drawn(
    filter: int, sight: Sight, picture: NDArray[Any] | None, seen: Seen
) -> NDArray[Any] | None:
    """Return the filter's picture of one sort; None for patches, which are many."""
    if sight == "weights" and picture is not None:
        return picture
    return None if sight == "patches" else seen.pictures(sight).get(filter)


def _is_coarse(picture: NDArray[Any]) -> bool:
    return bool(max(picture.shape[:2]) <= COARSE)


def _why_none(filter: int, sight: Sight, seen: Seen, busy: bool) -> str:
    if sight == "patches" and seen.sheets.get(filter) is not None:
        return f"None of the images that were looked at excites filter {filter}."
    failed = {"weights": "weights", "patches": "sheet", "synthesised": "synthesised"}[sight]
    pieces = [(failed, filter), ("exciting", -1), (f"all {sight}", -1)]
    for piece in pieces if sight != "synthesised" else pieces[:1]:
        if piece in seen.failed:
            return f"No picture: {seen.failed[piece]}"
    return "Comes when the running job is over." if busy else "Comes in a moment…"


def siblings_content(
    filter: int, opened: bool, pictures: Callable[[int], NDArray[Any] | None], seen: Seen,
    busy: bool,
) -> dict[str, Any]:  # fmt: skip
    """Return what the browser shows of a filter's siblings."""
    content: dict[str, Any] = {"open": opened, "filter": filter, "items": [], "words": ""}
    if not opened:
        return content
    if seen.siblings is None:
        failed = seen.failed.get(("siblings", -1))
        words = "Come when the running job is over." if busy else "Come in a moment…"
        return {**content, "words": f"None: {failed}" if failed else words}
    items = []
    for number, likeness in seen.nearest(filter):
        picture = pictures(number)
        items.append(
            {
                "filter": number,
                "words": likeness_words(likeness),
                "src": "" if picture is None else png_uri(picture, SMALL),
            }
        )
    words = "" if items else "Its answer never changes, so it is like no other."
    return {**content, "items": items, "words": words}
