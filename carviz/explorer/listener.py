"""What people do in an explorer's view: each press and choice becomes what it asks for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from carviz.banks import Bank
from carviz.explorer.chooser import Choice, what_to_open
from carviz.explorer.job import Job
from carviz.explorer.opener import Opener
from carviz.explorer.paper import Shown
from carviz.explorer.screen import Screen
from carviz.explorer.seen import Sight
from carviz.explorer.subject import Subject
from carviz.explorer.view import View
from carviz.explorer.words import how_it_ended
from carviz.results import CarTable, SelectivityTable


class Listener(Opener):
    """The part of an explorer that has a view, and does what people ask for in it."""

    def __init__(
        self, subject: Subject, tables: list[CarTable], selectivity: list[SelectivityTable]
    ) -> None:
        super().__init__(subject, tables, selectivity)
        self._offering = False
        self._view = View(
            list(subject.networks),
            self._choose,
            self._open_class,
            self._moved,
            self._choose_other,
            self._look,
            self._open_siblings,
        )
        self._screen = Screen(
            self._view, self._lock, lambda: self.busy, self._refresh, self._sights_failed
        )

    def _connect(self) -> None:
        view = self._view
        view.layer.observe(self._bank_chosen, "value")
        view.device.observe(self._device_changed, "value")
        view.sort.observe(lambda _: self._refresh(), "value")
        view.show.observe(self._gallery_changed, "value")
        view.view.observe(self._view_changed, "value")
        view.compute_bank.on_click(lambda _: self._pressed(lambda: self.compute("bank")))
        view.compute_filter.on_click(lambda _: self._pressed(lambda: self.compute("filter")))
        view.prune.on_click(lambda _: self._pressed(self.prune))
        view.pruning.compare.on_click(lambda _: self._pressed(self.compare))
        view.pruning.export.on_click(lambda _: self._pressed(self.export))
        view.cancel.on_click(lambda _: self.cancel())

    @property
    def _bank(self) -> Bank:
        return self._all[self.layer]

    def results(self) -> Shown:
        """Return all that is shown at this moment."""
        raise NotImplementedError

    def _say(self, change: Any = None) -> None:
        """Show the status line anew."""
        raise NotImplementedError

    # -- what is chosen

    def _bank_chosen(self, change: Any) -> None:
        with self._lock:
            if not self._offering:  # else the list changes, and nobody chose
                self.layer = change["new"]

    def _choose(self, filter: int) -> None:
        """Take a choice from the browser, which may be late: the bank may be another by now."""
        with self._lock:
            if 0 <= filter < self._bank.filters:
                self.filter = filter

    def _choose_other(self, choice: Choice) -> None:
        """Open what was typed into the row, in the place of a measurement that runs."""
        if not self.opening:
            self._do(lambda: self._start_loading(*what_to_open(choice, self._subject)))

    def _pressed(self, action: Callable[[], None]) -> None:
        """Do what a button says."""
        if not self.busy:  # a second click of a double click starts nothing anew
            self._do(action)

    def _do(self, action: Callable[[], None]) -> None:
        """Do what somebody asked for in the browser; what is refused is told in the status."""
        try:
            action()
        except Exception as error:
            refused = error

            def refuse(_job: Job) -> None:
                raise refused

            self._start(refuse, self._refused, "")

    def _refused(self, job: Job) -> None:
        with self._lock:
            self._only(job)
            self._end(job, 0.0, how_it_ended(job, None))

    def _device_changed(self, change: Any) -> None:
        with self._lock:
            if self.busy:
                self._supersede()
                self.busy, self.status = False, f"Stopped, to go on with {change['new']}."
            self._device = change["new"]
            self._refresh()

    def _view_changed(self, change: Any) -> None:
        with self._lock:
            self._refresh()
            self._view.show_view(change["new"])

    def _open_class(self, number: int) -> None:
        with self._lock:
            self._view.classes.opened = number
            self._screen.paint_classes(self.results())

    def _look(self, sight: Sight) -> None:
        with self._lock:
            self._screen.large = sight
            self._refresh()

    def _open_siblings(self, opened: bool) -> None:
        with self._lock:
            self._screen.siblings = opened
            self._refresh()

    def _gallery_changed(self, _change: Any) -> None:
        with self._lock:
            self._screen.show_gallery()
            self._refresh()

    def _sights_failed(self, words: str, story: str) -> None:
        if not self.busy:
            self._story, self.status = story, f"Pictures of {self.layer}: {words}"
            self._say()
