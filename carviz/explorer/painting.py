"""Paints what a session knows into a widget's traits, and sends the pictures that it is asked for.

Whoever paints holds the session's lock.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from carviz.screen import SECTIONS, Made, make_picture, sections, sendable
from carviz.session import News, Session, Snapshot, Throttle

MOST = 10
"""Updates a second of what goes on: more make a browser lag behind."""


def as_traits(shown: Snapshot, names: Iterable[str] = tuple(SECTIONS)) -> dict[str, Any]:
    """Return sections of a snapshot, as the widget has them."""
    return {f"shown_{name}": content for name, content in sections(shown, names).items()}


class Painter:
    """Of one widget, which shows one session.

    A section is sent when it has changed. There may be news some twenty times a second: of what
    more is sure to come of, what comes too soon is left to the next.
    """

    def __init__(self, widget: Any, session: Session) -> None:
        self._widget, self._session = widget, session
        self._due = Throttle(1.0, MOST)
        self._left = False

    def hear(self, news: News) -> None:
        """Show what has changed, if it is to be shown now."""
        if news.what == "subject":
            return  # a bank comes next
        step = news.more and news.what == "work"  # most news: how far the job is
        if news.more and not self._due.due():
            self._left = self._left or not step
        elif step and not self._left:
            self._show(as_traits(self._session.snapshot(), ["work"]))
        else:
            self.paint()

    def paint(self) -> None:
        """Show all that is known now."""
        with self._session.lock:
            self._left = False
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

    # -- pictures

    def send_pictures(self, keys: Sequence[str]) -> None:
        """Make pictures by their names, in the worker's thread, and send them."""
        self._session.aside(lambda: self._send(keys))

    def _send(self, keys: Sequence[str]) -> None:
        session = self._session
        with session.lock:
            shown, subject = session.snapshot(), session.subject
        told: list[dict[str, Any]] = []
        buffers: list[bytes] = []
        missing: list[str] = []
        for key in keys:
            made, problem = _made(shown, key)
            if made is not None:
                told.append(
                    {"key": key, "mime": made.mime, "about": made.about, "at": len(buffers)}
                )
                buffers.append(made.data)
            elif problem:
                told.append({"key": key, "problem": problem})
            else:
                missing.append(key)
        with session.lock:
            if (session.layer, session.subject) != (shown.layer, subject):
                self.send_pictures(missing)  # they may be of the bank that was chosen meanwhile
            else:
                told += [{"key": key, "problem": ""} for key in missing]
            self._widget.send({"pictures": sendable(told)}, buffers)


def _made(shown: Snapshot, key: str) -> tuple[Made | None, str]:
    """Return a picture; or None, and why: what cannot be read is told where it would stand."""
    try:
        return make_picture(shown, key), ""
    except Exception as error:
        return None, f"{type(error).__name__}: {error}"
