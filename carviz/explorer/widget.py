"""The explorer itself: traits and methods over one job, the tables it made, and the view."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import traitlets as t

from carviz.banks import find_layer
from carviz.cards import save_page
from carviz.checks import check_filter
from carviz.explorer.cells import PATIENCE
from carviz.explorer.job import Job
from carviz.explorer.known import best
from carviz.explorer.listener import Listener
from carviz.explorer.panels import status_line
from carviz.explorer.paper import Paper, Shown, page
from carviz.explorer.subject import Subject
from carviz.explorer.view import every_widget
from carviz.explorer.words import READY, told
from carviz.plots import CarvizFigure
from carviz.results import CarTable, SelectivityTable


class Explorer(Listener):
    """Explains one filter of a network at a time; `carviz.explore` makes it.

    Attributes
    ----------
    layer : str
        The bank that is shown; setting it ends a run and shows the other bank.
    filter : int
        The chosen filter's number in its bank.
    busy, progress, status
        See `Working`.
    path, count, exported
        See `Pruner`.
    table : CarTable or None
        What is known so far: the table that is shown for the chosen filter.
    """

    layer = t.Unicode()
    table = t.Instance(CarTable, allow_none=True)

    def __init__(
        self,
        subject: Subject,
        *,
        layer: str | None = None,
        tables: list[CarTable] | None = None,
        selectivity: list[SelectivityTable] | None = None,
    ) -> None:
        super().__init__(subject, tables or [], selectivity or [])
        self.add_class("carviz")
        self._paper = Paper()
        first = layer or subject.first_layer({table.layer for table in tables or []})
        try:
            self._show_subject(first)
        except BaseException:  # a bank that is not offered: no widget stays
            self.close()
            raise
        self._connect()
        self.observe(self._say, ["busy", "progress", "status"])
        self.observe(self._rested, "busy")
        self.children = self._view.children

    def _show_subject(self, layer: str) -> None:
        banks = [b for b in self._all.values() if not b.gate or b.layer == layer]
        self._offered = [bank.layer for bank in banks]
        self._screen.begin(self._subject, self._findings)
        self._view.chooser.show_subject(self._subject)
        self._view.chooser.show(False)
        self._offering = True
        try:
            self._view.offer(banks)
            if self.layer == layer:
                self._show_layer()
            else:
                self.layer = layer
        finally:
            self._offering = False

    # -- what is asked for

    def snapshot(self) -> CarvizFigure:
        """Return a plain figure of the chosen filter, or of pruning where that is looked at.

        ValueError while the filter is not measured, and the bank not pruned.
        """
        return self.results().figure()

    def save_html(self, path: str | os.PathLike[str]) -> Path:
        """Write what is shown as a static page that opens anywhere and prints; return its path.

        Raises
        ------
        ValueError
            While the chosen filter is not measured, and the bank not pruned.
        FileNotFoundError
            If the folder of `path` is not there.
        """
        shown = self.results()
        return save_page(page(shown, self._subject.data_digest), path)

    def results(self) -> Shown:
        """Return all that is shown at this moment: what a figure or a page is made from."""
        with self._lock:
            return Shown(
                model=self._subject.model_name,
                data=self._subject.data_name,
                layer=self.layer,
                filter=self.filter,
                table=self.table,
                tables=tuple(self._tables()),
                selectivity=self._findings.kinds.get(self.layer),
                pictures=self._pictures,
                images=self._subject.images,
                normalization=self._subject.normalization(),
                path=self.path,
                paths=self._of(self.layer).paths,
                count=self.count,
                exported=self.exported,
                view=self._view.view.value,
            )

    def close(self) -> None:
        """End for good: the job within its batch, all threads, and what a browser shows.

        What was measured and saved stays; nothing more can be asked for.
        """
        job = self.retire("Closed.")
        if job is not None:
            job.wait(PATIENCE)

    def retire(self, words: str = "Ended: its cell was run again.") -> Job | None:
        """End for good, with the last words of its status; return the job that still ends."""
        if getattr(self, "_closed", True):  # or never begun: Python closes what it forgets
            return None
        with self._lock:
            job, self._closed = self._job, True
            self._supersede()
            self._screen.retire()
            self.busy, self.status = False, words
        self._screen.rest(PATIENCE)
        self._view.chooser.rest(PATIENCE)
        for widget in [*self._view.widgets(), *every_widget([self.layout])]:
            widget.close()
        super().close()
        return job

    def _draw(self, job: Job) -> None:
        with self._lock:
            shown = self.results()
        if self._paper.laid and shown.drawable:
            figure = shown.figure()
            with self._lock:
                self._only(job)
                self._paper.draw(figure)

    # -- what is shown

    @t.validate("layer")
    def _check_layer(self, proposal: Any) -> str:
        layer = find_layer(self._subject.network, self._subject.network, proposal["value"])
        if layer not in self._offered:
            raise ValueError(
                f"{layer!r} is a gate, whose zero is not “gone”, so it is shown only when asked "
                f"for from the start: explore(…, layer={layer!r}). Others: {self._offered}."
            )
        return layer

    @t.validate("filter")
    def _check_filter(self, proposal: Any) -> int:
        try:
            return check_filter(proposal["value"], self._bank.filters, self.layer)
        except ValueError as error:
            raise t.TraitError(str(error)) from error

    @t.observe("layer")
    def _layer_changed(self, _change: Any) -> None:
        self._show_layer()

    def _show_layer(self) -> None:
        """Show the bank as if it had just been chosen."""
        with self._lock:
            self._supersede()
            self._story = ""
            self._findings.look(self._subject, self._bank)
            self._pictures = self._subject.pictures(self._bank)
            with self.hold_trait_notifications():
                self.filter, self.progress, self.busy = 0, 0.0, False
                self.status, self.exported = READY, None
            self._show_path()
            self._screen.show_bank(self.results(), self._bank)
            self._refresh()
            if self.table is not None:
                self.status = f"{self.layer}: {told(self.table)}."
            self._say()

    @t.observe("filter")
    def _filter_changed(self, _change: Any) -> None:
        self._refresh()

    @t.observe("count")
    def _count_changed(self, _change: Any) -> None:
        self._paint_path()
        self._say()

    def _paint_path(self) -> None:
        with self._lock:
            self._screen.paint_path(self.results(), self._bank)

    def _turn_to_pruning(self) -> None:
        self._view.view.value = "pruning"

    def _say(self, change: Any = None) -> None:
        with self._lock:
            view = self._view
            view.status.value = status_line(self.progress, self.busy, self.status, self._story)
            view.allow(cancel=self.busy, rest=not self.opening)
            steps = 0 if self.path is None or self.busy else len(self.path)
            missing = self._of(self.layer).missing(steps) if steps else []
            view.pruning.allow(compare=bool(missing), export=steps > 0 and self.count > 0)

    def _rested(self, _change: Any) -> None:
        with self._lock:
            if not self.busy:
                self._screen.faces.go_on()
                self._refresh()  # pictures go on, too

    def _before_work(self) -> None:
        self._screen.faces.rest()
        self._screen.sights.rest()

    def _refresh(self) -> None:
        """Show what is known now of the chosen filter and of its bank."""
        with self._lock:
            self.table = best(self._tables(), self.filter)
            self._show_path()
            self._screen.paint(self.results(), self._bank, self._device)

    # -- in a notebook

    def _ipython_display_(self) -> None:
        self._paper.display(self.results(), self.model_id)
