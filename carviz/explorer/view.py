"""The widgets of an explorer and where they stand; what they show is told from outside."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import ipywidgets as w

from carviz.explorer.chooser import Chooser
from carviz.explorer.classes import Classes
from carviz.explorer.gallery import Gallery
from carviz.explorer.pruning_view import PruningView
from carviz.explorer.sight_panel import SiblingsPanel, SightPanel

SORTS = {"number": "number", "CAR": "car", "colour": "color"}
SHOWS = {"weights": "weights", "best patch": "patches", "synthesised": "synthesised"}
VIEWS = {"One filter": "filter", "Whole bank": "bank", "Pruning": "pruning"}


class View:
    """Header, controls, status, gallery, chosen filter, classes, the bank's drawing, pruning.

    Attributes
    ----------
    painting : bool
        Whether a control is being set to what was chosen elsewhere, so that nobody chooses now.
    """

    def __init__(self, devices: list[str]) -> None:
        self.header = w.HTML()
        self.change = _button("Change…", "Choose another model or other data")
        self.chooser = Chooser()
        self.status = w.HTML()
        self.panel = w.HTML()
        self.drawing = w.HTML()
        self.gallery = Gallery()
        self.classes = Classes()
        self.sight = SightPanel()
        self.siblings = SiblingsPanel()
        self.pruning = PruningView()
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
        self.painting = False
        self.show_view("filter")

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

    def forget(self) -> None:
        """Let go of pictures, when all widgets are closed: somebody may hold what they were in."""
        for gallery in (self.gallery, self.pruning.strip):
            gallery.sprite = b""
        self.classes.changed, self.classes.faces = {}, {}
        self.sight.content, self.sight.small, self.siblings.content = {}, {}, {}

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
