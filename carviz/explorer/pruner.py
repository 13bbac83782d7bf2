"""Pruning in the explorer: greedy CAR, its rivals, and the smaller network as a file."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import traitlets as t

from carviz.checks import check_home
from carviz.explorer.exporting import Exported, default_name, export_network
from carviz.explorer.findings import Findings
from carviz.explorer.job import Job, Throttle
from carviz.explorer.pruned import GREEDY, Pruned, good_place
from carviz.explorer.subject import Subject
from carviz.explorer.words import (
    how_comparing_ended,
    how_exporting_ended,
    how_pruning_ended,
    pruning_words,
)
from carviz.explorer.working import Working
from carviz.pruning import Pruning, check_count, prepare_pruning
from carviz.results import PruningPath
from carviz.wording import CRITERIA


class Pruner(Working):
    """The part of an explorer that prunes the bank it shows.

    Attributes
    ----------
    path : PruningPath or None
        The path of greedy CAR in the bank that is shown, as far as it is known.
    count : int
        How many of its filters are taken as pruned: the slider's place.
    exported : Exported or None
        The last smaller network that was saved, and what became smaller.
    """

    path = t.Instance(PruningPath, allow_none=True)
    count = t.Int(0)
    exported = t.Instance(Exported, allow_none=True)

    layer: Any

    def __init__(self, subject: Subject) -> None:
        super().__init__()
        self._device = next(iter(subject.networks))
        self._take(subject, Findings())

    def _take(self, subject: Subject, findings: Findings) -> None:
        """Be about another subject, of which this much is known."""
        self._subject = subject
        self._findings = findings
        self._all = {bank.layer: bank for bank in subject.banks()}

    def _refresh(self) -> None:
        """Show all that is known now."""
        raise NotImplementedError

    def _paint_path(self) -> None:
        """Show the paths, at the slider's place."""
        raise NotImplementedError

    def _turn_to_pruning(self) -> None:
        """Show the view of pruning."""
        raise NotImplementedError

    def _judge(self, job: Job, layer: str) -> None:
        """Tell color from shape once more, now with images: some filters may be dead on them."""
        raise NotImplementedError

    def _draw(self, job: Job) -> None:
        """Draw the plain figure that stays without a kernel."""
        raise NotImplementedError

    # -- what is asked for

    def prune(self, count: int | None = None) -> None:
        """Prune the bank greedily by CAR in the background; a job that runs is ended.

        Parameters
        ----------
        count
            How many filters to prune; None for all.

        Raises
        ------
        ValueError
            If the bank cannot be pruned so: the message says the rule, what was found, and the way
            out. What fails later is told in the status, and raised by `wait`.
        """
        with self._lock:
            layer = self.layer
            total = check_count(count, self._all[layer].filters)
            self._start(
                lambda job: self._prune(job, layer, total),
                lambda job: self._pruning_ended(job, layer, total),
                f"{layer}: preparing to prune",
            )
            self._turn_to_pruning()

    def compare(self) -> None:
        """Prune by the other criteria as well, as far as `path` goes, the cheapest first.

        Raises
        ------
        ValueError
            Before the bank was pruned greedily.
        """
        with self._lock:
            layer = self.layer
            count = len(self._require_path("Criteria are compared with greedy CAR"))
            self._start(
                lambda job: self._run_rivals(job, layer, count),
                lambda job: self._comparing_ended(job, layer),
                f"{layer}: preparing to compare",
            )

    def export(self, path: str | os.PathLike[str] | None = None) -> None:
        """Build the network without the first `count` filters of `path`, in the background.

        Parameters
        ----------
        path
            The file to write; None for one in the notebook's folder, named after the network.

        Raises
        ------
        ValueError
            Before the bank was pruned greedily, or while `count` is 0.
        FileNotFoundError
            If the folder of `path` is not there.
        """
        with self._lock:
            found = self._require_path("A smaller network is one without filters")
            count, layer = self.count, self.layer
            if count == 0:
                raise ValueError(
                    "A smaller network is one without filters; found `count` 0, the whole network. "
                    "Move the slider, or set `count`."
                )
            name = Path(path or default_name(self._subject.model_name, layer, count))
            check_home(name, "The network")
            gone = found.pruned(count)[layer]
            self._start(
                lambda job: self._export(job, layer, gone, name),
                self._exporting_ended,
                f"Exporting: building {self._subject.model_name} without {count} filters",
            )

    # -- the jobs: everything here runs in their thread, and only ever sets traits

    def _prune(self, job: Job, layer: str, total: int) -> None:
        def words(share: float) -> str:
            running = self._of(layer).running
            done = 0 if running is None else len(running)
            return pruning_words(layer, done, total, share, job.seconds)

        pruning = self._prepare(job, layer, GREEDY, total)
        self._follow(job, layer, pruning, self._ticker(job, words))

    def _run_rivals(self, job: Job, layer: str, count: int) -> None:
        missing = self._of(layer).missing(count)

        def words(share: float) -> str:
            place = min(int(share * len(missing)), len(missing) - 1)
            return f"{layer}: comparing with {CRITERIA[missing[place]]}"

        tick = self._ticker(job, words)
        for place, name in enumerate(missing):
            tick(place / len(missing))
            part = functools.partial(_part, tick, place, len(missing))
            self._follow(job, layer, self._prepare(job, layer, name, count), part)
            with self._lock:
                self._only(job)
                self._of(layer).keep()

    def _follow(
        self, job: Job, layer: str, pruning: Pruning, tick: Callable[[float], None]
    ) -> None:
        """Take in the paths of one criterion as they grow."""
        due = Throttle(0.2)
        for path in pruning.paths(tick):
            with self._lock:
                self._only(job)
                self._of(layer).running = path
                if due.due():
                    self._refresh()
            job.check()
            self._judge(job, layer)

    def _export(self, job: Job, layer: str, filters: list[int], path: Path) -> None:
        network = self._subject.networks[self._device]
        tick = self._ticker(job, lambda share: self.status)
        done = export_network(network, layer, filters, self._subject.images, path, tick)
        with self._lock:
            self._only(job)
            self.exported = done

    def _pruning_ended(self, job: Job, layer: str, total: int) -> None:
        with self._lock:
            if self._job is not job:
                return
            last = self._of(layer).running
            self._of(layer).keep()
            self._refresh()
            path, done = self.path, 0 if last is None else len(last)
            good = None
            if path is not None and done and not (job.stopped or job.error):
                good = good_place(path)
                if self.count == len(path):
                    self.count = good
            self._end(job, done / max(total, 1), how_pruning_ended(job, done, good))
        self._draw(job)

    def _comparing_ended(self, job: Job, layer: str) -> None:
        with self._lock:
            if self._job is not job:
                return
            self._of(layer).keep()
            self._refresh()
            known = len(self._of(layer).paths) - 1
            whole = not (job.stopped or job.error)
            self._end(job, 1.0 if whole else 0.0, how_comparing_ended(job, known))
        self._draw(job)

    def _exporting_ended(self, job: Job) -> None:
        with self._lock:
            if self._job is not job:
                return
            whole = not (job.stopped or job.error)
            name = str(self.exported.path) if whole and self.exported is not None else ""
            self._end(job, 1.0 if whole else 0.0, how_exporting_ended(job, name))
            self._paint_path()

    # -- what is known

    def _prepare(self, job: Job, layer: str, criterion: str, count: int) -> Pruning:
        # The network was traced when the explorer was made: this traces nothing.
        return prepare_pruning(
            self._subject.networks[self._device], self._subject.images, layer,
            count=count, criterion=criterion, run=self._subject.run, tick=job.check,
        )  # fmt: skip

    def _of(self, layer: str) -> Pruned:
        return self._findings.pruned_of(layer)

    def _require_path(self, rule: str) -> PruningPath:
        if self.path is None or not len(self.path):
            raise ValueError(f"{rule}; {self.layer!r} is not pruned yet. Call prune() and wait().")
        return self.path

    def _supersede(self) -> None:
        super()._supersede()
        for pruned in self._findings.pruned.values():
            pruned.keep()

    def _show_path(self) -> None:
        """Take the shown bank's path, and let the place go on with its end where it stood there."""
        path, old = self._of(self.layer).greedy, self.path
        same = old is not None and path is not None and old.banks == path.banks
        at_end = old is None or self.count == len(old)
        steps = 0 if path is None else len(path)
        if path is None:
            place = 0
        elif not same:
            place = good_place(path) if not self.busy else steps
        else:
            place = steps if at_end else min(self.count, steps)
        with self.hold_trait_notifications():
            self.path, self.count = path, place

    @t.validate("count")
    def _check_count(self, proposal: Any) -> int:
        value, most = int(proposal["value"]), 0 if self.path is None else len(self.path)
        if not 0 <= value <= most:
            raise t.TraitError(
                f"count is how many filters of the path are pruned, 0 to {most}; found {value}."
            )
        return value

    def _moved(self, count: int) -> None:
        """Take a move of the slider, which may be late: the path may be another by now."""
        with self._lock:
            self.count = max(0, min(count, 0 if self.path is None else len(self.path)))


def _part(tick: Callable[[float], None], place: int, parts: int, share: float) -> None:
    """Tell the progress of one part of several."""
    tick((place + share) / parts)
