"""What people do on the screen: each message becomes what it asks a session for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from carviz.checks import is_whole
from carviz.screen import Choice, model_names, what_to_open
from carviz.session import Session

PRESSES: dict[str, Callable[[Session], None]] = {
    "compute bank": lambda session: session.compute("bank"),
    "compute filter": lambda session: session.compute("filter"),
    "compute together": lambda session: session.compute("together"),
    "prune": lambda session: session.prune(),
    "compare": lambda session: session.compare(),
    "export": lambda session: session.export(),
}
"""Buttons that begin a job."""
FIELDS = ("model", "data", "limit", "weights")
LOOKS = ("view", "order", "gallery", "large", "siblings", "opened", "image")


class Listener:
    """Hears one widget, and asks its session.

    Without `change` it hears of no other model and no other data, and exports nothing: whoever
    looks at a served notebook could name any folder of the server, and write into it.
    """

    def __init__(
        self,
        widget: Any,
        session: Session,
        send_pictures: Callable[[list[str]], None],
        send_along: Callable[[str], None] = lambda _kind: None,
        *,
        change: bool = True,
    ) -> None:
        self._widget, self._session, self._change = widget, session, change
        self._send_pictures, self._send_along = send_pictures, send_along
        self._named = False

    def hear(self, message: Any, buffers: Sequence[Any] = ()) -> None:
        """Do what a message asks for.

        It may come late: the bank, or the path, may be another by now. What is no message of ours
        is left.
        """
        session = self._session
        match message:
            case {"filter": filter} if is_whole(filter):
                with session.lock:
                    if 0 <= filter < session.snapshot().bank.filters:
                        session.filter = filter
            case {"pick": list(filters)} if all(map(is_whole, filters)):
                with session.lock:
                    count = session.snapshot().bank.filters
                    session.picked = [filter for filter in filters if 0 <= filter < count]
            case {"toggle": filter} if is_whole(filter):
                with session.lock:  # clicks may come faster than what they change is shown
                    if 0 <= filter < session.snapshot().bank.filters:
                        held = session.picked
                        others = [other for other in held if other != filter]
                        session.picked = others if filter in held else [*held, filter]
            case {"pin": filter} if is_whole(filter):
                with session.lock:
                    if -1 <= filter < session.snapshot().bank.filters:
                        session.pinned = filter
            case {"own": {"name": str(name)}} if len(buffers) == 1:
                self._show_image(bytes(buffers[0]), name)
            case {"layer": str(layer)}:
                with session.lock:
                    if not session.opening and layer in [bank.layer for bank in session.banks]:
                        session.layer = layer
            case {"device": str(device)}:
                with session.lock:
                    if not session.opening and device in session.snapshot().devices:
                        session.device = device
            case {"look": dict(looks)}:
                self._look(looks)
            case {"count": count} if is_whole(count):
                with session.lock:
                    most = 0 if session.path is None else len(session.path)
                    session.count = max(0, min(count, most))
            case {"press": "export"} if not self._change:
                return  # it would write on the server
            case {"press": "cancel"}:
                session.cancel()
            case {"press": str(name)} if name in PRESSES:
                if not session.busy:  # a second click of a double click starts nothing anew
                    self._do(lambda: PRESSES[name](session))
            case {"models": _} | {"load": _} if not self._change:
                return  # a screen that can ask for that is not ours
            case {"models": True}:
                self._name_models()
            case {"load": dict(asked)}:
                fields = {name: str(asked.get(name, "")).strip() for name in FIELDS}
                self._open(Choice(fit=asked.get("fit") is True, **fields))
            case {"take": str(kind)}:
                self._send_along(kind)
            case {"want": list(keys)}:
                self._send_pictures([key for key in keys if isinstance(key, str)])

    def _look(self, looks: dict[str, Any]) -> None:
        known = {name: value for name, value in looks.items() if name in LOOKS}
        try:
            self._session.look(**known)
        except (TypeError, ValueError):  # no look of ours
            return

    def _show_image(self, data: bytes, name: str) -> None:
        try:
            self._session.show_image(data, name)
        except Exception as error:  # whatever is in it, it is told where it was given
            self._session.refuse_image(error)

    def _open(self, choice: Choice) -> None:
        """Open what was typed into the row, in the place of a measurement that runs."""
        session = self._session
        if session.opening:
            return
        try:
            session.open_other(*what_to_open(choice, session.subject))
        except Exception as error:
            session.refuse(error, opening=True)

    def _name_models(self) -> None:
        if not self._named:
            self._named = True
            self._session.aside(self._list_models)

    def _list_models(self) -> None:
        try:
            found = model_names()
            with self._session.lock:  # whoever holds it may be painting
                self._widget.shown_models = found
        except Exception:  # the names are a help: what can be loaded is told by loading it
            self._named = False

    def _do(self, ask: Callable[[], None]) -> None:
        """Do what somebody asked for in the browser; what is refused is told in the status."""
        try:
            ask()
        except Exception as error:
            self._session.refuse(error)
