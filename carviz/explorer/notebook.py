"""What a notebook keeps of an explorer: the live widget, with words and a picture for without it."""

from __future__ import annotations

import base64
from html import escape
from typing import TYPE_CHECKING, Any

from carviz.session import Snapshot

if TYPE_CHECKING:
    from carviz.plots import CarvizFigure

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


def show_in_notebook(widget: Any, shown: Snapshot, picture: SavedPicture) -> None:
    """Display the live widget, and below it a closed line with the picture that stays."""
    from IPython.display import display

    figure = shown.figure() if shown.drawable else None
    title = f"carviz explorer of {shown.model} on {shown.data}"
    image = None if figure is None else figure._repr_png_()
    display(bundle(widget.model_id, title, image), raw=True)  # type: ignore[no-untyped-call]
    picture.display(figure)


class SavedPicture:
    """An output of its own for the plain figure, closed, which a saved notebook keeps."""

    def __init__(self) -> None:
        self._handles: list[Any] = []

    def display(self, figure: CarvizFigure | None) -> None:
        """Make room for it."""
        from IPython.display import display

        handle = display(_content(figure), raw=True, display_id=True)  # type: ignore[no-untyped-call]
        if handle is not None:
            self._handles.append(handle)

    def draw(self, shown: Snapshot) -> None:
        """Draw what is shown now; any thread may."""
        if self._handles and shown.drawable:
            content = _content(shown.figure())
            for handle in self._handles:
                handle.update(content, raw=True)


def _content(figure: CarvizFigure | None) -> dict[str, Any]:
    if figure is None:
        return {"text/plain": ""}
    png = figure._repr_png_()
    source = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    words = escape(figure.description)
    return {
        "image/png": png,
        "text/plain": figure.description,
        "text/html": f'<details><summary>Saved picture</summary><img alt="{words}" '
        f'src="{source}" style="max-width: 100%"></details>',
    }
