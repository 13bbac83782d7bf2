"""What stays of an explorer without a kernel: a bundle with fallbacks, and a plain figure."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from carviz.session import Session, Snapshot, raw_pictures

if TYPE_CHECKING:
    from carviz.plots import CarvizFigure

MOST_CHANGED = 200
"""Changed images whose pictures go into a page."""

VIEW = "application/vnd.jupyter.widget-view+json"


def bundle(model_id: str, title: str, image: bytes | None) -> dict[str, Any]:
    """Return what a cell's output holds: the live widget, and words for where there is none."""
    words = (
        f"{title}: the live explorer needs a running kernel; run this cell. "
        "A picture of its last result, if there is one, stands below."
    )
    data: dict[str, Any] = {
        VIEW: {"version_major": 2, "version_minor": 0, "model_id": model_id},
        "text/plain": words,
        "text/html": f"<p>{escape(words)}</p>",
    }
    if image is not None:
        data["image/png"] = image
    return data


def page(session: Session) -> str:
    """Return a static page of all that is shown; ValueError while there is nothing to show.

    Images that changed are shown only if the table was measured on the data at hand.
    """
    from carviz import cards  # here, for it takes matplotlib along

    shown = session.snapshot()
    about = f"Network {shown.model} on {shown.data}"
    if shown.pruned and not shown.measured:
        return cards.pruning_page(
            shown.paths,
            band=shown.band,
            held_out=shown.held_out,
            count=shown.count,
            selectivity=None if shown.pictures is None else shown.selectivity,
            pictures=shown.pictures,
            about=about,
        )
    table = shown.require()
    thumbnails = {}
    if shown.own_data:
        numbers = [int(n) for n in table.flips(shown.filter)["image"][:MOST_CHANGED]]
        thumbnails = session.read(lambda: raw_pictures(numbers, shown.images, shown.normalization))
    return cards.whole_page(
        table,
        shown.filter,
        selectivity=shown.selectivity,
        pictures=shown.pictures,
        thumbnails=thumbnails,
        paths=shown.paths if shown.pruned else (),
        band=shown.band,
        held_out=shown.held_out,
        count=shown.count,
        about=about,
    )


class Paper:
    """An output of its own for the plain figure, which a saved notebook keeps."""

    def __init__(self) -> None:
        self._handles: list[Any] = []

    def display(self, shown: Snapshot, model_id: str) -> None:
        """Display the live widget, and below it make room for the figure."""
        from IPython.display import display

        figure = shown.figure() if shown.drawable else None
        title = f"carviz explorer of {shown.model} on {shown.data}"
        image = None if figure is None else figure._repr_png_()
        display(bundle(model_id, title, image), raw=True)  # type: ignore[no-untyped-call]
        handle = display(_content(figure), raw=True, display_id=True)  # type: ignore[no-untyped-call]
        if handle is not None:
            self._handles.append(handle)

    @property
    def laid(self) -> bool:
        """Whether there is an output to draw into."""
        return bool(self._handles)

    def draw(self, figure: CarvizFigure) -> None:
        """Put the figure there; any thread may."""
        content = _content(figure)
        for handle in self._handles:
            handle.update(content, raw=True)


def _content(figure: CarvizFigure | None) -> dict[str, Any]:
    if figure is None:
        return {"text/plain": ""}
    return {"image/png": figure._repr_png_(), "text/plain": figure.description}
