"""Measuring in the explorer: CAR of a bank or of one filter, and what is known of each bank."""

from __future__ import annotations

from typing import Any, Literal

import traitlets as t

from carviz.car import prepare_car
from carviz.explorer.job import Job, Throttle
from carviz.explorer.pruner import Pruner
from carviz.explorer.subject import Subject
from carviz.explorer.words import how_it_ended, under_way
from carviz.results import CarTable, SelectivityTable
from carviz.selectivity import measure_selectivity


class Measurer(Pruner):
    """The part of an explorer that measures the bank it shows.

    Attributes
    ----------
    filter : int
        The chosen filter's number in its bank.
    """

    filter = t.Int(0)

    def __init__(
        self, subject: Subject, tables: list[CarTable], selectivity: list[SelectivityTable]
    ) -> None:
        super().__init__(subject)
        self._running: CarTable | None = None
        self._findings.kinds.update({table.layer: table for table in selectivity})
        self._findings.judged.update(self._findings.kinds)
        for table in tables:
            self._findings.of(table.layer).add(table)

    # -- what is asked for

    def compute(self, scope: Literal["bank", "filter"] = "bank") -> None:
        """Measure CAR in the background; a job that runs already is ended, its table kept.

        Parameters
        ----------
        scope
            "bank" for every filter of `layer`, "filter" for the chosen one: its result is merged
            with what is known of the bank on the same images.
        """
        if scope not in ("bank", "filter"):
            raise ValueError(f"scope is 'bank' or 'filter'; found {scope!r}.")
        with self._lock:
            layer, chosen = self.layer, [self.filter] if scope == "filter" else None
            network = self._subject.networks[self._device]
            self._start(
                lambda job: self._measure(job, network, layer, chosen),
                self._ended,
                f"{layer}: preparing",
            )

    # -- the job: everything here runs in its thread, and only ever sets traits

    def _measure(self, job: Job, network: Any, layer: str, filters: list[int] | None) -> None:
        total = len(self._subject.images)
        what = layer if filters is None else f"Filter {filters[0]} of {layer}"
        tick = self._ticker(job, lambda share: under_way(what, share, total, job.seconds))
        measurement = prepare_car(
            network,
            self._subject.images,
            layer,
            filters=filters,
            run=self._subject.run,
            tick=job.check,
        )
        tables = Throttle(0.2)
        for table in measurement.tables(tick):
            with self._lock:
                self._only(job)
                self._running = table
                if tables.due():
                    self._refresh()
            job.check()
            self._judge(job, layer)

    def _judge(self, job: Job, layer: str) -> None:
        if layer in self._findings.judged or not self._all[layer].reads_rgb:
            return
        network = self._subject.networks[self._device]
        found = measure_selectivity(
            network,
            layer,
            data=self._subject.images,
            normalize=self._subject.normalize(),
            progress=False,
        )
        with self._lock:
            self._only(job)
            self._findings.kinds[layer] = found
            self._findings.judged.add(layer)
            self._refresh()

    def _ended(self, job: Job) -> None:
        with self._lock:
            if self._job is not job:
                return
            last = self._keep_running()
            self._refresh()
            # What was under way when it was stopped is not kept, so it does not count as done.
            done = 0.0 if last is None else len(last.images) / last.total
            self._end(job, done, how_it_ended(job, last))
        self._draw(job)

    # -- what is known

    def _tables(self) -> list[CarTable]:
        """Return what is known of the bank, the table of the running job last."""
        running = self._running
        here = running is not None and running.layer == self.layer
        return [
            *self._findings.of(self.layer).tables,
            *([running] if running is not None and here else []),
        ]

    def _supersede(self) -> None:
        """Take the pen from a running job, and keep what it has written."""
        super()._supersede()
        self._keep_running()

    def _keep_running(self) -> CarTable | None:
        table, self._running = self._running, None
        if table is not None:
            self._findings.of(table.layer).add(table)
        return table
