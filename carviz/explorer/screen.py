"""Paints what a session knows into a view. Whoever paints holds the session's lock."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from carviz.explorer.gallery import make_tile
from carviz.explorer.panels import filter_panel, header, status_line
from carviz.explorer.scatter import bank_drawing
from carviz.explorer.sight_panel import siblings_content, sight_content, small_sights
from carviz.explorer.view import View
from carviz.session import News, Session, Sight, Snapshot, car_of, small
from carviz.wording import points

NO_PICTURES = "The network reads no RGB images, so weights have no picture in colour."
UNTRACEABLE = "torch.fx cannot trace it: measured the slow way"


class Screen:
    """One view of one session."""

    def __init__(self, view: View, session: Session) -> None:
        self._view, self._session = view, session
        self._gallery: tuple[str, Sight] | None = None

    def show(self) -> None:
        """Show all as if freshly opened."""
        with self._session.lock:
            self._show_subject()
            shown = self._session.snapshot()
            self._show_bank(shown)
            self._say(shown)

    def hear(self, news: News) -> None:
        """Show what has changed."""
        if news.what == "subject":
            self._show_subject()
            return  # a bank comes next
        shown = self._session.snapshot()
        match news.what:
            case "work":
                self._say(shown)
            case "bank":
                self._show_bank(shown)
                self._say(shown)
            case "known":
                self._paint(shown)
                self._say(shown)
            case "view":
                self._paint(shown)
            case "place":
                self._paint_path(shown)
                self._say(shown)
            case "gallery":
                self._show_pictures(shown, news.sight, news.filters)
            case "sight":
                self._paint_sight(shown)
            case "classes":
                self._paint_images(shown)

    # -- another subject, another bank

    def _show_subject(self) -> None:
        view, session = self._view, self._session
        view.chooser.show_subject(session.subject)
        view.chooser.shown = False
        self._set(view.layer, "options", [(f"{b.layer} ({b.filters} filters)", b.layer)
                                          for b in session.banks])  # fmt: skip

    def _show_bank(self, shown: Snapshot) -> None:
        self._set(self._view.layer, "value", shown.layer)
        self._gallery = None
        self._view.pruning.show_bank(shown, shown.bank.filters)
        self._paint(shown)

    def _set(self, control: Any, name: str, value: Any) -> None:
        """Set a control to what was chosen elsewhere."""
        self._view.painting = True
        try:
            setattr(control, name, value)
        finally:
            self._view.painting = False

    # -- what is known

    def _paint(self, shown: Snapshot) -> None:
        """Show the chosen filter and its bank as they are known now."""
        view, count = self._view, shown.bank.filters
        remark = UNTRACEABLE if shown.untraceable else ""
        view.header.value = header(
            shown.model, shown.data, len(shown.images), shown.device, shown.table, remark,
            shown.path,
        )  # fmt: skip
        view.panel.value = filter_panel(
            shown.layer, shown.filter, count, shown.selectivity, shown.table
        )
        if self._gallery != (shown.layer, shown.looks.gallery):
            self._show_gallery(shown)
        view.gallery.value = shown.filter
        view.gallery.tiles = _tiles(shown)
        view.classes.content = shown.classes()
        self._paint_images(shown)
        if shown.looks.view == "bank":
            fullest = max(shown.tables, key=lambda t: (len(t.filters), len(t.images)), default=None)
            view.drawing.value = bank_drawing(fullest, shown.selectivity, shown.layer, shown.filter)
        self._paint_path(shown)
        self._paint_sight(shown)
        self._set(view.view, "value", shown.looks.view)
        self._set(view.device, "value", shown.device)
        view.show_view(shown.looks.view)

    def _paint_path(self, shown: Snapshot) -> None:
        """Show what pruning has found, where that is looked at."""
        if shown.looks.view == "pruning":
            self._view.pruning.paint(shown, shown.bank.filters)

    def _paint_images(self, shown: Snapshot) -> None:
        """Show an image of each class, and those of the one that is open."""
        classes = self._view.classes
        classes.opened = shown.looks.opened
        classes.changed = shown.changed
        classes.faces = {"filter": shown.filter, "of": shown.faces()}

    def _say(self, shown: Snapshot) -> None:
        """Show the status line anew, and what can be pressed."""
        view, busy = self._view, shown.busy
        view.status.value = status_line(shown.progress, busy, shown.status, shown.story)
        view.allow(cancel=busy, rest=not self._session.opening)
        view.pruning.allow(
            compare=not busy and bool(shown.missing), export=not busy and shown.count > 0
        )

    # -- pictures of what the filters see

    def _show_gallery(self, shown: Snapshot) -> None:
        """Show the pictures of the sort that is chosen, as far as they are there."""
        there: dict[int, Any] | None = dict(shown.seen.pictures(shown.looks.gallery))
        note = ""
        if shown.looks.gallery == "weights" and shown.pictures is not None:
            there = dict(enumerate(shown.pictures))
        elif shown.looks.gallery == "weights" and not shown.has_colour:
            there, note = None, NO_PICTURES
        if there:
            there = {number: small(picture) for number, picture in there.items()}
        self._view.gallery.show_bank(shown.layer, there, _tiles(shown), shown.filter, note)
        self._gallery = shown.layer, shown.looks.gallery

    def _show_pictures(self, shown: Snapshot, sort: Sight, numbers: Iterable[int]) -> None:
        """Show pictures that came in the gallery: at the end all, for who looks only then."""
        if sort != shown.looks.gallery or (sort == "weights" and shown.pictures is not None):
            return
        there, order = shown.seen.pictures(sort), tuple(range(shown.bank.filters))
        if not shown.seen.missing(sort, order):
            numbers = order
        self._view.gallery.show_pictures({n: small(there[n]) for n in numbers if n in there})

    def _paint_sight(self, shown: Snapshot) -> None:
        """Show the chosen filter's picture, and its siblings."""
        view, seen, busy, own = self._view, shown.seen, shown.busy, shown.pictures
        picture = None if own is None else own[shown.filter]
        view.sight.small = small_sights(shown.filter, picture, seen)
        view.sight.content = sight_content(
            shown.layer, shown.filter, shown.looks.large, picture, seen, busy
        )
        view.siblings.content = siblings_content(
            shown.filter, shown.looks.siblings,
            lambda n: seen.weights.get(n) if own is None else own[n], seen, busy,
        )  # fmt: skip


def _tiles(shown: Snapshot) -> list[dict[str, Any]]:
    kinds, car = shown.selectivity, car_of(shown.tables, shown.bank.filters)
    return [
        make_tile(
            filter,
            "" if kinds is None else str(kinds.kind[filter]),
            "" if car[filter] != car[filter] else points(car[filter], unit=False),
        )
        for filter in shown.order
    ]
