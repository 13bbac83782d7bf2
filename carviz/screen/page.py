"""A session as one file: the same screen, for a reader without a kernel and without a network."""

from __future__ import annotations

import dataclasses
import datetime
import os
from pathlib import Path

from carviz.checks import check_home
from carviz.results import write_whole
from carviz.screen.pages.album import Album
from carviz.screen.pages.content import (
    LEFT_OUT,
    OF_FILTER,
    Content,
    Snapshots,
    content_of,
    to_text,
)
from carviz.screen.pages.document import document
from carviz.screen.pictures import Made, make_picture
from carviz.session import Session, Snapshot, View
from carviz.version import __version__
from carviz.wording import counted

BYTES = 20_000_000
"""Of a page, at most."""
OF_KERNEL = ("several", "image")
"""Views that a page has not, for there is nobody to remove anything or to look."""
NO_KERNEL = "A saved page: measuring needs a notebook."


def save_page(
    session: Session,
    path: str | os.PathLike[str],
    *,
    model: str = "",
    data: str = "",
    view: View | None = None,
) -> Path:
    """Write all that a session knows as one file of HTML, which shows it as the session's screen.

    It holds every bank of which anything is known, with every filter, what its removal changes, the
    pruning and the pictures that were made. It asks for nothing: neither a kernel nor a network.
    Where it would be larger than 20 MB, images of the data come before other pictures, and the page
    says what it has left out.

    Parameters
    ----------
    session
        What to show; what is chosen in it, the page begins with.
    path
        The file.
    model, data
        What to call them; else as the session does.
    view
        "filter", "bank" or "pruning", to begin with; else what is looked at.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    FileNotFoundError
        If the folder of `path` is not there.
    """
    path = Path(path)
    check_home(path, "A page")

    def named(shown: Snapshot) -> Snapshot:
        return dataclasses.replace(shown, model=model or shown.model, data=data or shown.data)

    with session.lock:
        chosen, snapshots = session.snapshot(), session.snapshots()
    chosen = dataclasses.replace(chosen, looks=chosen.looks.changed(view=view))
    renamed = {layer: list(map(named, of_filters)) for layer, of_filters in snapshots.items()}
    write_whole(path, page(session, named(chosen), renamed))
    return path


def page(session: Session, chosen: Snapshot, snapshots: Snapshots, room: int = BYTES) -> bytes:
    """Return the file's bytes: `room` at most, but for what a page has without pictures."""
    album = Album(chosen.subject)
    content = content_of(chosen, snapshots, album)
    by_layer = {layer: of_filters[0] for layer, of_filters in snapshots.items()}

    def make(keys: list[str]) -> list[Made | str]:
        # One thread reads the data.
        return session.read(lambda: [_made(by_layer, key) for key in keys])

    def whole(pictures: dict[str, Made], missing: int) -> bytes:
        left = [*content.left_out, *([counted(missing, "picture")] if missing else [])]
        title = f"carviz: {chosen.model} on {chosen.data}"
        return document(title, _json(chosen, content, album, pictures, _status(left)))

    return whole(*album.make(make, room - len(whole({}, len(album.numbers)))))


def _made(snapshots: dict[str, Snapshot], key: str) -> Made | str:
    """Return a picture of any bank, or why there is none: told where it would stand."""
    try:
        found = (make_picture(shown, key) for shown in snapshots.values())
        return next((made for made in found if made is not None), "No picture.")
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def _status(left_out: list[str]) -> str:
    today = datetime.date.today().isoformat()
    words = f"{NO_KERNEL} Saved on {today} by carviz {__version__}."
    return words + (f" Left out to keep it small: {', '.join(left_out)}." if left_out else "")


def _json(
    chosen: Snapshot, content: Content, album: Album, pictures: dict[str, Made], status: str
) -> str:
    looks = dataclasses.asdict(chosen.looks)
    if looks["view"] in OF_KERNEL:
        looks["view"] = "filter"
    files: dict[tuple[str, bytes], int] = {}  # each of them once
    named = {
        number: [files.setdefault((made.mime, made.data), len(files)), made.about]
        for number, made in pictures.items()
    }
    parts = {
        "choice": to_text({"layer": chosen.layer, "device": chosen.device, **looks}),
        "status": to_text(status),
        "sections": to_text(OF_FILTER),
        "banks": to_text(content.banks),
        "parts": f"[{','.join(content.parts.texts)}]",
        "pictures": to_text(named),
        "files": to_text(list(files)),
        "problems": to_text(album.problems),
        "left_out": to_text(LEFT_OUT),
    }
    return "{" + ",\n".join(f'"{name}":{text}' for name, text in parts.items()) + "}"
