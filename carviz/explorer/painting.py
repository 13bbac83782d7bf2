"""Paints what a session knows into a widget's traits, and sends the pictures that it is asked for.

Whoever paints holds the session's lock.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from carviz.screen import Made, make_picture, sections
from carviz.session import News, Session, Snapshot, Throttle

PAUSE = 0.1
"""Seconds between two updates of what a browser shows, beside a job: more make it lag behind."""


class Painter:
    """Of one widget, which shows one session.

    A section is sent when it has changed. Beside a job there is news some twenty times a second;
    what comes too soon is left, for more will come, and the end of the job is never left.
    """

    def __init__(self, widget: Any, session: Session) -> None:
        self._widget, self._session = widget, session
        self._due = Throttle(PAUSE)
        self._choice: object = None

    def hear(self, news: News) -> None:
        """Show what has changed, if it is to be shown now."""
        if news.what == "subject":
            return  # a bank comes next
        session = self._session
        choice = session.layer, session.filter, session.count, session.looks, session.device
        # What somebody has just chosen, or how a job ended, is shown at once.
        if choice != self._choice or not session.busy or self._due.due():
            self.paint()

    def paint(self) -> None:
        """Show all that is known now."""
        session, widget = self._session, self._widget
        with session.lock:
            shown = session.snapshot()
            self._choice = shown.layer, shown.filter, shown.count, shown.looks, shown.device
            with widget.hold_sync():
                for name, content in sections(shown).items():
                    if getattr(widget, f"shown_{name}") != content:
                        setattr(widget, f"shown_{name}", content)

    # -- pictures

    def send_pictures(self, keys: Sequence[str]) -> None:
        """Make pictures by their names, in the worker's thread, and send them."""
        self._session.aside(lambda: self._send(keys))

    def _send(self, keys: Sequence[str]) -> None:
        shown = self._session.snapshot()
        told, buffers = [], []
        for key in keys:
            made, problem = _made(shown, key)
            if made is None:
                told.append({"key": key, "problem": problem})
            else:
                told.append({"key": key, "mime": made.mime, "about": made.about,
                             "at": len(buffers)})  # fmt: skip
                buffers.append(made.data)
        self._widget.send({"pictures": told}, buffers)


def _made(shown: Snapshot, key: str) -> tuple[Made | None, str]:
    """Return a picture; or None, and why: what cannot be read is told where it would stand."""
    try:
        return make_picture(shown, key), ""
    except Exception as error:
        return None, f"{type(error).__name__}: {error}"
