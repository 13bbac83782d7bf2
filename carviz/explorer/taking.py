"""Sends what somebody takes along: files to the browser, which saves them, and lines of Python."""

from __future__ import annotations

from typing import Any

from carviz.screen import TYPES, file_name, lines, sendable, take
from carviz.session import Session


def send_along(widget: Any, session: Session, kind: str) -> None:
    """Make a file of this kind in the session's thread, or the lines, and send it to the browser.

    Nothing is written where the kernel runs.
    """
    session.aside(lambda: _send(widget, session, kind))


def _send(widget: Any, session: Session, kind: str) -> None:
    with session.lock:
        shown = session.snapshot()
    told: dict[str, Any] = {"kind": kind}
    buffers: list[bytes] = []
    try:
        if kind == "python":
            told["text"] = lines(shown)
        else:
            buffers.append(take(session, shown, kind))
            told |= {"name": file_name(shown, kind), "mime": TYPES[kind]}
    except Exception as error:  # told where it was asked for
        told["problem"] = str(error)
    with session.lock:
        widget.send({"taken": sendable(told)}, buffers)
