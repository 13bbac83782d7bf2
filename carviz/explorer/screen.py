"""Paints what is known into the view. Whoever paints holds the explorer's lock."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from carviz.banks import Bank
from carviz.explorer.classes import NOTHING, class_content, classes_shown
from carviz.explorer.faces import Faces, choose_faces
from carviz.explorer.gallery import make_tile
from carviz.explorer.loading import many_may_read
from carviz.explorer.panels import filter_panel, header
from carviz.explorer.paper import Shown
from carviz.explorer.scatter import bank_drawing
from carviz.explorer.subject import Subject
from carviz.explorer.thumbnails import changed_images
from carviz.explorer.view import View
from carviz.plots.style import points
from carviz.results import CarTable

NO_PICTURES = "This bank reads no RGB: pictures of deeper filters come with a later version."
NO_IMAGES = "The table was measured on other images than the ones at hand, so none are shown."
UNTRACEABLE = "torch.fx cannot trace it: measured the slow way"


class Screen:
    """One view, of one subject at a time.

    Attributes
    ----------
    opened : int
        The class whose images are shown, by number; -1 for none.
    faces : Faces
        The pictures beside the classes.
    """

    def __init__(self, view: View, lock: threading.RLock, busy: Callable[[], bool]) -> None:
        self._view = view
        self.opened = -1
        self.faces = Faces(lock, busy, self._show_faces)

    def begin(self, subject: Subject) -> None:
        """Go over to another subject."""
        self._subject = subject
        together = many_may_read(subject.origin)
        self.faces.begin(subject.images, subject.normalization(), together)

    def show_bank(self, shown: Shown, bank: Bank) -> None:
        """Begin with another bank."""
        self.opened = self._view.classes.opened = -1
        note = "" if shown.pictures is not None else NO_PICTURES
        tiles = self._tiles(shown, bank.filters)
        self._view.layer.value = shown.layer
        self._view.gallery.show_bank(shown.layer, shown.pictures, tiles, shown.filter, note)
        self._view.pruning.show_bank(shown, bank.filters)

    def paint(self, shown: Shown, bank: Bank, device: str) -> None:
        """Show the chosen filter and its bank as they are known now."""
        view, filter, table = self._view, shown.filter, shown.table
        remark = UNTRACEABLE if self._subject.networks[device].untraceable else ""
        view.header.value = header(
            shown.model, shown.data, len(shown.images), device, table, remark, shown.path
        )
        picture = None if shown.pictures is None else shown.pictures[filter]
        view.panel.value = filter_panel(
            shown.layer, filter, bank.filters, picture, shown.selectivity, table
        )
        view.gallery.value = filter
        view.gallery.tiles = self._tiles(shown, bank.filters)
        self.paint_classes(shown)
        if view.view.value == "bank":
            fullest = max(shown.tables, key=lambda t: (len(t.filters), len(t.images)), default=None)
            view.drawing.value = bank_drawing(fullest, shown.selectivity, shown.layer, filter)
        self.paint_path(shown, bank)

    def paint_path(self, shown: Shown, bank: Bank) -> None:
        """Show what pruning has found, where that is looked at."""
        if self._view.view.value == "pruning":
            self._view.pruning.paint(shown, bank.filters)

    def paint_classes(self, shown: Shown) -> None:
        """Show the chosen filter's classes, and the images of the one that is open."""
        table, classes = shown.table, self._view.classes
        classes.opened = self.opened
        if table is None or not shown.measured:
            words = "Classes appear here once the filter is measured."
            classes.content = {**NOTHING, "empty": words}
            return
        own = table.passport.get("data") == self._subject.data_digest
        classes.content = class_content(table, shown.filter, faced=own)
        if own:
            numbers = classes_shown(classes.content)
            self.faces.want(shown.filter, choose_faces(table, shown.filter, numbers))
        if self.opened >= 0:
            found = self._changed(shown, table)
            classes.changed = {"filter": shown.filter, "number": self.opened, **found}

    def _changed(self, shown: Shown, table: CarTable) -> dict[str, Any]:
        if table.passport.get("data") != self._subject.data_digest:
            return {"problem": NO_IMAGES}
        try:
            return changed_images(
                table, shown.filter, self.opened, shown.images, shown.normalization
            )
        except Exception as error:  # told where the images would be; the numbers stand
            return {"problem": f"{type(error).__name__}: {error}"}

    def _show_faces(self, filter: int, faces: dict[str, Any]) -> None:
        self._view.classes.faces = {"filter": filter, "of": faces}

    def _tiles(self, shown: Shown, count: int) -> list[dict[str, Any]]:
        kinds, car = shown.selectivity, np.full(count, np.nan)
        for table in sorted(shown.tables, key=lambda t: (len(t.images), len(t.filters))):
            car[table.filters] = table.car
        key = np.arange(count, dtype=float)
        if self._view.sort.value == "car":
            key = -car
        elif self._view.sort.value == "color" and kinds is not None:
            key = -kinds.color_index
        return [
            make_tile(
                int(i),
                "" if kinds is None else str(kinds.kind[i]),
                "" if np.isnan(car[i]) else points(car[i], unit=False),
            )
            for i in np.argsort(key, kind="stable")  # what is not known comes last
        ]
