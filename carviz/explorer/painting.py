"""Paints what a session knows into a widget's traits, and sends the pictures that it is asked for.

Whoever paints holds the session's lock.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from carviz.screen import SECTIONS, Made, make_picture, sections
from carviz.session import News, Session, Snapshot, Throttle

MOST = 10
"""Updates a second, beside a job, of what a browser shows: more make it lag behind."""


def as_traits(shown: Snapshot) -> dict[str, Any]:
    """Return the sections of a snapshot, as the widget has them."""
    return {f"shown_{name}": content for name, content in sections(shown).items()}


class Painter:
    """Of one widget, which shows one session.

    A section is sent when it has changed. Beside a job there may be news some twenty times a
    second; what comes too soon is left, for more will come, and the end of the job is never left.
    """

    def __init__(self, widget: Any, session: Session) -> None:
        self._widget, self._session = widget, session
        self._due = Throttle(1.0, MOST)
        self._choice: object = None

    def hear(self, news: News) -> None:
        """Show what has changed, if it is to be shown now."""
        if news.what == "subject":
            return  # a bank comes next
        # What somebody has just chosen, or that a job begins or ends, is shown at once.
        due = self._due.due()
        if due or not self._session.busy or self._chosen() != self._choice:
            self.paint()

    def paint(self) -> None:
        """Show all that is known now."""
        with self._session.lock:
            self._choice = self._chosen()
            self._show(as_traits(self._session.snapshot()))

    def let_go(self) -> None:
        """Hold nothing any more, neither pictures nor numbers, though somebody holds the widget."""
        with self._session.lock:
            self._show({f"shown_{name}": {} for name in SECTIONS})

    def _show(self, traits: dict[str, Any]) -> None:
        with self._widget.hold_sync():  # in one message
            for name, content in traits.items():
                if getattr(self._widget, name) != content:
                    setattr(self._widget, name, content)

    def _chosen(self) -> object:
        session = self._session
        return (
            session.layer, session.filter, session.count, session.looks, session.device,
            session.busy, session.opening,
        )  # fmt: skip

    # -- pictures

    def send_pictures(self, keys: Sequence[str]) -> None:
        """Make pictures by their names, in the worker's thread, and send them."""
        self._session.aside(lambda: self._send(keys))

    def _send(self, keys: Sequence[str]) -> None:
        shown = self._session.snapshot()
        told: list[dict[str, Any]] = []
        buffers: list[bytes] = []
        for key in keys:
            made, problem = _made(shown, key)
            if made is None:
                told.append({"key": key, "problem": problem})
                continue
            told.append({"key": key, "mime": made.mime, "about": made.about, "at": len(buffers)})
            buffers.append(made.data)
        self._widget.send({"pictures": told}, buffers)


def _made(shown: Snapshot, key: str) -> tuple[Made | None, str]:
    """Return a picture; or None, and why: what cannot be read is told where it would stand."""
    try:
        return make_picture(shown, key), ""
    except Exception as error:
        return None, f"{type(error).__name__}: {error}"
