"""The widgets of an explorer and where they stand; what they show is told from outside."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import ipywidgets as w

from carviz.banks import Bank
from carviz.explorer.chooser import Choice, Chooser
from carviz.explorer.classes import Classes
from carviz.explorer.gallery import Gallery
from carviz.explorer.pruning_view import PruningView
from carviz.explorer.seen import Sight
from carviz.explorer.sight_panel import SiblingsPanel, SightPanel

SORTS = {"number": "index", "CAR": "car", "colour": "color"}
SHOWS = {"weights": "weights", "best patch": "patches", "synthesised": "synthesised"}
VIEWS = {"One filter": "filter", "Whole bank": "bank", "Pruning": "pruning"}


class View:
    """Header, controls, status, gallery, chosen filter, classes, the bank's drawing, pruning."""

    def __init__(
        self,
        devices: list[str],
        choose: Callable[[int], None],
        open_class: Callable[[int], None],
        move: Callable[[int], None],
        load: Callable[[Choice], None],
        look: Callable[[Sight], None],
        open_siblings: Callable[[bool], None],
    ) -> None:
        self.header = w.HTML()
        self.change = _button("Change…", "Choose another model or other data")
        self.chooser = Chooser(load)
        self.status = w.HTML()
        self.panel = w.HTML()
        self.drawing = w.HTML()
        self.gallery = Gallery(choose)
        self.classes = Classes(open_class)
        self.sight = SightPanel(look)
        self.siblings = SiblingsPanel(choose, open_siblings)
        self.pruning = PruningView(choose, move)
        self.layer = w.Dropdown(description="Bank")
        self.sort = w.Dropdown(options=list(SORTS.items()), description="Sort")
        self.show = w.Dropdown(options=list(SHOWS.items()), description="Show")
        self.device = w.Dropdown(options=devices, description="Device")
        self.view = w.ToggleButtons(options=list(VIEWS.items()), tooltips=list(VIEWS))
        self.view.style.button_width = "auto"
        self.compute_bank = _button("Compute the bank", "CAR of every filter of this bank")
        self.compute_filter = _button("This filter only", "CAR of the chosen filter")
        self.prune = _button("Prune greedily", "Remove filters one by one, the least needed first")
        self.cancel = _button("Cancel", "Stop, and keep what is measured so far")
        self.compute_bank.add_class("cv-main")
        buttons = [self.compute_bank, self.compute_filter, self.prune, self.cancel]
        controls: list[Any] = [self.layer, *buttons]
        if len(devices) > 1:
            controls.insert(1, self.device)
        top, line = w.HBox([self.header, self.change]), w.HBox([self.status, self.view])
        self.controls = w.HBox(controls)
        pick = w.HBox([self.sort, self.show])
        self.left = w.VBox([pick, self.gallery])
        about = w.VBox([self.sight, self.panel, self.siblings])
        for box, name in (
            (top, "cv-top"), (self.controls, "cv-controls"), (line, "cv-line"),
            (self.left, "cv-left"), (pick, "cv-pick"), (about, "cv-about"),
        ):  # fmt: skip
            box.add_class(name)
        self.detail = w.HBox([about, self.classes])
        self.detail.add_class("cv-detail")
        body = w.HBox([self.left, self.detail, self.drawing, self.pruning.box])
        body.add_class("cv-body")
        self.children = [top, self.chooser, self.controls, line, body]
        self.change.on_click(lambda _: self.chooser.show(not self.chooser.shown))
        self.show_view("filter")

    def offer(self, banks: list[Bank]) -> None:
        """Offer the banks of a network to choose from."""
        self.layer.options = [(f"{b.layer} ({b.filters} filters)", b.layer) for b in banks]

    def allow(self, *, cancel: bool, rest: bool) -> None:
        """Say which controls can be used now: Cancel, and all that needs a subject that stays."""
        self.cancel.disabled = not cancel
        for control in (
            self.layer, self.device, self.compute_bank, self.compute_filter, self.prune,
        ):  # fmt: skip
            control.disabled = not rest
        self.chooser.loading = not rest

    def show_view(self, name: str) -> None:
        """Show the chosen filter or the whole bank beside the gallery, or pruning alone."""
        for widget, shown in (
            (self.left, name != "pruning"),
            (self.detail, name == "filter"),
            (self.drawing, name == "bank"),
            (self.pruning.box, name == "pruning"),
        ):
            (widget.remove_class if shown else widget.add_class)("cv-gone")

    def widgets(self) -> list[Any]:
        """Return every widget of it, to be closed."""
        return every_widget([*vars(self).values(), *vars(self.pruning).values()])


def every_widget(things: Iterable[Any]) -> list[Any]:
    """Return the widgets among things, with those inside them, their layouts and their styles."""
    found: dict[int, Any] = {}
    left = list(things)
    while left:
        thing = left.pop()
        if isinstance(thing, (list, tuple)):
            left.extend(thing)
        elif isinstance(thing, w.Widget) and id(thing) not in found:
            found[id(thing)] = thing
            left.extend(getattr(thing, key) for key in thing.keys)
    return list(found.values())


def _button(words: str, tip: str) -> Any:
    return w.Button(description=words, tooltip=tip)
