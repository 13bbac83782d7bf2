"""What people do in an explorer's view: each press, choice and message becomes what it asks for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from carviz.explorer.chooser import Choice, model_names, what_to_open
from carviz.explorer.view import View
from carviz.session import SIGHTS, Session


class Listener:
    """Hears a view, and asks its session."""

    def __init__(self, view: View, session: Session) -> None:
        self._view, self._session = view, session
        self._named = False

    def connect(self) -> None:
        """Listen to every control and every panel."""
        view, session = self._view, self._session
        for panel in (
            view.gallery, view.classes, view.sight, view.siblings, view.chooser,
            view.pruning.strip, view.pruning.slider,
        ):  # fmt: skip
            panel.on_msg(lambda _panel, content, _buffers: self.hear(content))
        self._on_choice(view.layer, lambda value: setattr(session, "layer", value))
        self._on_choice(view.device, lambda value: setattr(session, "device", value))
        self._on_choice(view.sort, lambda value: session.look(order=value))
        self._on_choice(view.show, lambda value: session.look(gallery=value))
        self._on_choice(view.view, lambda value: session.look(view=value))
        self._on_press(view.compute_bank, lambda: session.compute("bank"))
        self._on_press(view.compute_filter, lambda: session.compute("filter"))
        self._on_press(view.prune, session.prune)
        self._on_press(view.pruning.compare, session.compare)
        self._on_press(view.pruning.export, session.export)
        view.cancel.on_click(lambda _: session.cancel())
        view.change.on_click(lambda _: self._show_chooser(not view.chooser.shown))

    def hear(self, message: Any) -> None:
        """Do what a panel's message asks for.

        It may come late: the bank, or the path, may be another by now. What is no message of ours
        is left.
        """
        session = self._session
        match message:
            case {"choose": int(filter)}:
                with session.lock:
                    if 0 <= filter < session.snapshot().bank.filters:
                        session.filter = filter
            case {"open": bool(opened)}:
                session.look(siblings=opened)
            case {"open": int(number)}:
                session.look(opened=number)
            case {"look": str(sight)} if sight in SIGHTS:
                session.look(large=sight)
            case {"place": int(count)}:
                with session.lock:
                    most = 0 if session.path is None else len(session.path)
                    session.count = max(0, min(count, most))
            case {"close": True}:
                self._show_chooser(False)
            case {"load": dict(asked)}:
                fields = (str(asked.get(f, "")).strip() for f in ("model", "data", "limit"))
                self._open(Choice(*fields))

    def _open(self, choice: Choice) -> None:
        """Open what was typed into the row, in the place of a measurement that runs."""
        session = self._session
        if not session.opening:
            self._do(lambda: session.open_other(*what_to_open(choice, session.subject)))

    def _show_chooser(self, shown: bool) -> None:
        if shown and not self._named:
            self._named = True
            self._session.aside(self._list_models)  # it takes torchvision along
        self._view.chooser.shown = shown

    def _list_models(self) -> None:
        try:
            self._view.chooser.models = model_names()
        except Exception:  # the names are a help: what can be loaded is told by loading it
            self._named = False

    def _on_choice(self, control: Any, ask: Callable[[Any], object]) -> None:
        def chosen(change: Any) -> None:
            with self._session.lock:
                if not self._view.painting:  # else it is shown what was chosen elsewhere
                    ask(change["new"])

        control.observe(chosen, "value")

    def _on_press(self, button: Any, ask: Callable[[], None]) -> None:
        def pressed(_button: Any) -> None:
            if not self._session.busy:  # a second click of a double click starts nothing anew
                self._do(ask)

        button.on_click(pressed)

    def _do(self, ask: Callable[[], None]) -> None:
        """Do what somebody asked for in the browser; what is refused is told in the status."""
        try:
            ask()
        except Exception as error:
            self._session.refuse(error)
