"""What a notebook keeps of an explorer: the live widget, and words and a picture without it."""

from __future__ import annotations

import base64
from html import escape
from typing import Any

from carviz.session import Session, Snapshot

VIEW = "application/vnd.jupyter.widget-view+json"
WORDS = (
    "A carviz explorer: it is live while its kernel runs, so run this cell. The picture of what it "
    "showed last, if there is one, stands below."
)
PAUSE, BESIDE_JOB = 1.0, 5.0
"""Seconds from a choice to its picture, which takes half a second of the worker's; beside a job."""
NONE: dict[str, Any] = {"text/plain": ""}
OPEN = "content-visibility: visible; display: block; block-size: auto; opacity: 1"
STYLE = (
    f"@media print {{ .carviz-saved::details-content {{ {OPEN} }} }} "
    f"body.jp-Notebook:not(:has(.carviz)) .carviz-saved::details-content {{ {OPEN} }}"
)
"""On paper, and on a page of nbconvert's without the widget, the picture is open."""


def switch_on_widgets() -> None:
    """Let Colab show widgets that it does not bring; elsewhere there is nothing to do."""
    try:
        from google.colab import output
    except ImportError:
        return
    output.enable_custom_widget_manager()


def bundle(model_id: str) -> dict[str, Any]:
    """Return what a cell's output holds: the live widget, and words for where there is none.

    They name no network: this output stays as it is when another is chosen.
    """
    return {
        VIEW: {"version_major": 2, "version_minor": 0, "model_id": model_id},
        "text/plain": WORDS,
        "text/html": f"<p>{escape(WORDS)}</p>",
    }


def show_in_notebook(model_id: str, picture: SavedPicture) -> None:
    """Display the live widget, and below it a closed line with the picture that stays."""
    from IPython.display import display

    display(bundle(model_id), raw=True)  # type: ignore[no-untyped-call]
    picture.display(model_id)


class SavedPicture:
    """An output of its own, closed, with a plain figure of what was chosen last.

    It is drawn anew a while after a choice, by the session's worker, and when a job has ended.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._handle: Any = None
        self._choice: tuple[Any, ...] | None = None
        self._asked = False

    def display(self, name: str) -> None:
        """Make room for it, under a name: outputs of the same name show the same."""
        from IPython.display import display

        self._choice = self._chosen()
        content = _content(self._session.snapshot())
        self._handle = display(content, raw=True, display_id=f"{name}-saved")  # type: ignore[no-untyped-call]

    def hear(self) -> None:
        """Have it drawn if something else was chosen; whoever calls holds the session's lock."""
        former, self._choice = self._choice, self._chosen()
        if self._handle is None or self._choice == former:
            return
        # The job beside which another bank is chosen has ended by that.
        same_bank = former is not None and former[0] == self._choice[0]
        beside = self._session.busy and same_bank
        if not self._asked:  # else what was asked for will show it
            self._asked = True
            self._session.aside(self._draw_late, BESIDE_JOB if beside else PAUSE)

    def _chosen(self) -> tuple[Any, ...]:
        session = self._session
        place = session.subject, session.layer
        return place, session.filter, session.view, session.count

    def _draw_late(self) -> None:
        self._asked = False
        self.draw()

    def draw(self) -> None:
        """Draw what is chosen now, or clear it where there is nothing to draw."""
        if self._handle is not None:
            self._handle.update(_content(self._session.snapshot()), raw=True)


def _content(shown: Snapshot) -> dict[str, Any]:
    if not shown.drawable:
        return NONE
    figure = shown.figure()
    png = figure._repr_png_()
    source = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    title = f"carviz explorer of {shown.about}"
    words = escape(figure.description)
    return {
        "image/png": png,
        "text/plain": f"Saved picture: {figure.description}",
        "text/html": f'<details class="carviz-saved"><summary>Saved picture</summary>'
        f"<p>{escape(title)}</p>"
        f'<img alt="{words}" src="{source}" style="max-width: 100%"></details>'
        f"<style>{STYLE}</style>",
    }
