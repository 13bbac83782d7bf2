"""Paints what is known into the view. Whoever paints holds the explorer's lock."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from carviz.banks import Bank
from carviz.explorer.classes import NOTHING, class_content, classes_shown
from carviz.explorer.faces import Faces, choose_faces
from carviz.explorer.findings import Findings
from carviz.explorer.gallery import make_tile
from carviz.explorer.loading import many_may_read
from carviz.explorer.making import small
from carviz.explorer.panels import filter_panel, header
from carviz.explorer.paper import Shown
from carviz.explorer.scatter import bank_drawing
from carviz.explorer.seen import Demand, Sight
from carviz.explorer.sight_panel import siblings_content, sight_content, small_sights
from carviz.explorer.sights import Sights, Told
from carviz.explorer.subject import Subject
from carviz.explorer.thumbnails import changed_images
from carviz.explorer.turn import Turn
from carviz.explorer.view import View
from carviz.results import CarTable
from carviz.wording import points

NO_PICTURES = "The network reads no RGB images, so weights have no picture in colour."
NO_IMAGES = "The table was measured on other images than the ones at hand, so none are shown."
UNTRACEABLE = "torch.fx cannot trace it: measured the slow way"


class Screen:
    """One view, of one subject at a time.

    Attributes
    ----------
    faces : Faces
        The pictures beside the classes.
    sights : Sights
        The pictures of what filters see.
    large : str
        Which of them is shown large.
    siblings : bool
        Whether the chosen filter's siblings are shown.
    """

    def __init__(
        self,
        view: View,
        lock: threading.RLock,
        busy: Callable[[], bool],
        judged: Callable[[], None],
        failed: Callable[[str, str], None],
    ) -> None:
        self._view, self._busy = view, busy
        self.large: Sight = "weights"
        self.siblings = False
        self._reading = threading.Lock()
        self._pending = False
        self.faces = Faces(lock, busy, self._show_faces)
        told = Told(self._show_pictures, self._paint_sight, judged, failed)
        self.sights = Sights(lock, busy, told)

    def begin(self, subject: Subject, findings: Findings) -> None:
        """Go over to another subject."""
        self._subject = subject
        self._turn = Turn(None if many_may_read(subject.origin) else self._reading)
        self._rgb = any(bank.reads_rgb for bank in subject.banks())
        self.sights.begin(subject, findings, self._turn)
        self.faces.begin(subject.images, subject.normalization(), self._turn)

    def retire(self) -> None:
        """Make and read nothing more."""
        self.sights.retire()
        self.faces.retire()

    def rest(self, timeout: float) -> None:
        """Wait until nothing is made and read any more, without the explorer's lock."""
        self.sights.rest(timeout)
        self.faces.end(timeout)

    def show_bank(self, shown: Shown, bank: Bank) -> None:
        """Begin with another bank."""
        self._view.classes.opened = -1
        self._pending = False
        self._shown, self._bank = shown, bank
        self._view.layer.value = shown.layer
        self.sights.look(shown.layer)
        self.show_gallery()
        self._view.pruning.show_bank(shown, bank.filters)

    def show_gallery(self) -> None:
        """Show the pictures of the sort that is chosen, as far as they are there."""
        shown, sort = self._shown, self._view.show.value
        there: dict[int, Any] | None = dict(self.sights.seen.pictures(sort))
        note = ""
        if sort == "weights" and shown.pictures is not None:
            there = dict(enumerate(shown.pictures))
        elif sort == "weights" and not self._rgb:
            there, note = None, NO_PICTURES
        tiles = self._tiles(shown, self._bank.filters)
        if there:
            there = {number: small(picture) for number, picture in there.items()}
        self._view.gallery.show_bank(shown.layer, there, tiles, shown.filter, note)

    def paint(self, shown: Shown, bank: Bank, device: str) -> None:
        """Show the chosen filter and its bank as they are known now."""
        view, filter, table = self._view, shown.filter, shown.table
        self._shown, self._bank = shown, bank
        self.sights.look(shown.layer)
        remark = UNTRACEABLE if self._subject.networks[device].untraceable else ""
        view.header.value = header(
            shown.model, shown.data, len(shown.images), device, table, remark, shown.path
        )
        view.panel.value = filter_panel(shown.layer, filter, bank.filters, shown.selectivity, table)
        view.gallery.value = filter
        view.gallery.tiles = self._tiles(shown, bank.filters)
        self.paint_classes(shown)
        if view.view.value == "bank":
            fullest = max(shown.tables, key=lambda t: (len(t.filters), len(t.images)), default=None)
            view.drawing.value = bank_drawing(fullest, shown.selectivity, shown.layer, filter)
        self.paint_path(shown, bank)
        self._paint_sight()
        self.sights.want(self._demand(), device)

    def _demand(self) -> Demand:
        shown = self._shown
        return Demand(
            shown.layer, shown.filter,
            deep=shown.pictures is None and self._rgb,
            order=tuple(tile["filter"] for tile in self._view.gallery.tiles),
            large=self.large, gallery=self._view.show.value, siblings=self.siblings,
            beside=self._rgb,
        )  # fmt: skip

    def _paint_sight(self) -> None:
        """Show the chosen filter's picture, and its siblings."""
        self._catch_up()
        shown, seen, busy = self._shown, self.sights.seen, self._busy()
        own = shown.pictures
        picture = None if own is None else own[shown.filter]
        self._view.sight.small = small_sights(shown.filter, picture, seen)
        self._view.sight.content = sight_content(
            shown.layer, shown.filter, self.large, picture, seen, busy
        )
        self._view.siblings.content = siblings_content(
            shown.filter, self.siblings,
            lambda n: seen.weights.get(n) if own is None else own[n], seen, busy,
        )  # fmt: skip

    def _show_pictures(self, sort: Sight, numbers: list[int]) -> None:
        """Show pictures that came in the gallery: at the end all, for who looks only then."""
        there, order = self.sights.seen.pictures(sort), tuple(range(self._bank.filters))
        if sort != self._view.show.value or (
            sort == "weights" and self._shown.pictures is not None
        ):
            return
        if not self.sights.seen.missing(sort, order):
            numbers = list(order)
        self._view.gallery.show_pictures({n: small(there[n]) for n in numbers if n in there})

    def paint_path(self, shown: Shown, bank: Bank) -> None:
        """Show what pruning has found, where that is looked at."""
        if self._view.view.value == "pruning":
            self._view.pruning.paint(shown, bank.filters)

    def paint_classes(self, shown: Shown) -> None:
        """Show the chosen filter's classes, and the images of the one that is open."""
        table, classes = shown.table, self._view.classes
        if table is None or not shown.measured:
            words = "Classes appear here once the filter is measured."
            classes.content = {**NOTHING, "empty": words}
            return
        own = table.passport.get("data") == self._subject.data_digest
        classes.content = class_content(table, shown.filter, faced=own)
        if own:
            numbers = classes_shown(classes.content)
            self.faces.want(shown.filter, choose_faces(table, shown.filter, numbers))
        if classes.opened >= 0:
            self._show_changed(shown, table)

    def _show_changed(self, shown: Shown, table: CarTable) -> None:
        """Show the images of the open class; later, where another thread reads just now.

        Whoever holds the lock must not wait for the turn: who has the turn may wait for the lock.
        """
        self._pending = not self._turn.take()
        if self._pending:
            return
        number = self._view.classes.opened
        try:
            found = self._changed(shown, table, number)
        finally:
            self._turn.leave()
        self._view.classes.changed = {"filter": shown.filter, "number": number, **found}

    def _catch_up(self) -> None:
        if self._pending:
            self._pending = False
            self.paint_classes(self._shown)

    def _changed(self, shown: Shown, table: CarTable, number: int) -> dict[str, Any]:
        if table.passport.get("data") != self._subject.data_digest:
            return {"problem": NO_IMAGES}
        try:
            return changed_images(table, shown.filter, number, shown.images, shown.normalization)
        except Exception as error:  # told where the images would be; the numbers stand
            return {"problem": f"{type(error).__name__}: {error}"}

    def _show_faces(self, filter: int, faces: dict[str, Any]) -> None:
        self._view.classes.faces = {"filter": filter, "of": faces}
        self._catch_up()

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
