"""What is asked for in a session: one job at a time, begun, cancelled, waited for."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from carviz.checks import check_home
from carviz.interrupts import uninterrupted
from carviz.pruning import check_count
from carviz.results import PruningPath
from carviz.session.exporting import default_name
from carviz.session.holding_out import check_share
from carviz.session.loading import PLAINLY, How, usual_limit
from carviz.session.measuring import measure, measuring_ended
from carviz.session.one_image import ImageState
from carviz.session.opening import Shelf, open_other, opening_ended, renew
from carviz.session.pruning import (
    compare,
    comparing_ended,
    export,
    exporting_ended,
    prune,
    pruning_ended,
)
from carviz.session.state import State
from carviz.session.status import how_it_ended, how_opening_ended, set_words
from carviz.session.together import measure_set, set_ended
from carviz.session.worker import Job


class Jobs:
    """Of one session; whoever calls holds its lock, but for `wait`.

    Attributes
    ----------
    shelf
        What was found of other models and data, by their fingerprints.
    afterwards
        Called when a job has ended, in the worker's thread, without the lock.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self.shelf: Shelf = {}
        self.afterwards: list[Callable[[], None]] = []

    def compute(self, scope: str) -> None:
        """See `Session.compute`."""
        if scope not in ("bank", "filter", "together"):
            raise ValueError(f"scope is 'bank', 'filter' or 'together'; found {scope!r}.")
        if scope == "together":
            self._compute_together()
            return
        state = self._state
        layer, filters = state.layer, [state.filter] if scope == "filter" else None
        state.filter_asked |= scope == "filter"
        self._start(
            lambda job: measure(state, job, layer, filters),
            lambda job: measuring_ended(state, job),
            f"{layer}: preparing",
            layer,
        )

    def _compute_together(self) -> None:
        state = self._state
        layer, filters = state.layer, state.picks.ascending
        if not filters:
            raise ValueError(
                "Filters are removed together that were picked; none is. Pick some in the gallery, "
                "or in Python: picked = [3, 5]."
            )
        self._start(
            lambda job: measure_set(state, job, layer, filters),
            lambda job: set_ended(state, job, layer, filters),
            f"{set_words(filters, layer)}: preparing",
            layer,
        )
        state.looks = state.looks.changed(view="several")
        state.tell("view")

    def prune(self, count: int | None, held_out: float | None) -> None:
        """See `Session.prune`."""
        state, share = self._state, check_share(held_out)
        layer, total = state.layer, check_count(count, state.bank.filters)
        self._start(
            lambda job: prune(state, job, layer, total, share),
            lambda job: pruning_ended(state, job, layer, total),
            f"{layer}: preparing to prune",
            layer,
        )
        state.looks = state.looks.changed(view="pruning")
        state.tell("view")

    def compare(self) -> None:
        """See `Session.compare`."""
        state, layer = self._state, self._state.layer
        count = len(self._require_path("Criteria are compared with greedy CAR"))
        self._start(
            lambda job: compare(state, job, layer, count),
            lambda job: comparing_ended(state, job, layer),
            f"{layer}: preparing to compare",
        )

    def export(self, path: str | os.PathLike[str] | None) -> None:
        """See `Session.export`."""
        state = self._state
        found = self._require_path("A smaller network is one without filters")
        count, layer, model = state.count, state.layer, state.subject.model_name
        if count == 0:
            raise ValueError(
                "A smaller network is one without filters; found `count` 0, the whole network. "
                "Move the slider, or set `count`."
            )
        name = Path(path or default_name(model, layer, count))
        check_home(name, "The network")
        gone = found.pruned(count)[layer]
        self._start(
            lambda job: export(state, job, layer, gone, name),
            lambda job: exporting_ended(state, job),
            f"Exporting: building {model} without {count} filters",
        )

    def load(self, model: Any, data: Any, limit: int | None) -> None:
        """See `Session.load`."""
        if model is None and data is None and limit is None:
            raise ValueError(
                "load takes another model, or other data, or both; found neither. "
                "Give one: load('alexnet'), load(data='folder/of/images')."
            )
        if limit is None:
            limit = self._state.subject.limit if data is None else usual_limit(data)
        self.open_other(model, data, limit)

    def open_other(self, model: Any, data: Any, limit: int | None, how: How = PLAINLY) -> None:
        """See `Session.open_other`."""
        state = self._state
        self._start(
            lambda job: open_other(state, job, self.shelf, model, data, limit, how),
            lambda job: opening_ended(state, job),
            "Looking for what was asked for",
        )
        state.opening_job, state.refused = state.job, ""
        state.tell("work")

    def refuse(self, error: Exception, opening: bool) -> None:
        """See `Session.refuse`."""
        state = self._state
        if opening and state.busy:  # a slip of the pen ends no job
            state.refused = str(error)
            state.tell("work")
            return

        def work(_job: Job) -> None:
            raise error

        def ended(job: Job) -> None:
            with state.lock:
                if state.job is job:
                    state.end(job, 0.0, how_it_ended(job, None))

        self._start(work, ended, "")
        if opening:
            state.opening_job = state.job

    def cancel(self) -> None:
        """See `Session.cancel`."""
        state, job = self._state, self._state.job
        if job is None or not state.busy:
            return
        if state.opening:
            state.supersede()
            state.end(job, 0.0, how_opening_ended(job, state.subject))
            return
        job.cancel()
        state.status = "Cancelling: ends with this batch"
        state.tell("work")

    def end(self, words: str) -> None:
        """See `Session.close`."""
        state = self._state
        if state.closed:
            return
        state.closed = True
        state.supersede()
        state.busy, state.status = False, words
        state.worker.close()
        state.tell("work")
        # Somebody may hold a session that ended; nobody sees its pictures any more.
        state.image = ImageState()
        for findings in (state.findings, *self.shelf.values()):
            findings.seen.clear()

    def wait(self, timeout: float | None) -> bool:
        """Wait until the job is over, and raise what failed in it; return whether it is over."""
        state, job = self._state, self._state.job
        if job is None:
            return True
        if not job.wait(0):
            state.worker.check_wait(timeout)
        if not state.worker.home.wait(job.wait, timeout):
            return False
        if job.error is not None and state.job is job:
            raise job.error
        return True

    def _start(
        self,
        work: Callable[[Job], None],
        ended: Callable[[Job], None],
        words: str,
        layer: str | None = None,
    ) -> None:
        """Put a job in the place of the one that runs; one on a bank sees to the weights first."""
        state = self._state
        if state.closed:
            raise ValueError(
                f"A session works until it is closed; this one says {state.status!r}. "
                "Make another: carviz.explore(…) or carviz.open_session(…)."
            )

        def whole(job: Job) -> None:
            if layer is not None:
                renew(state, job, self.shelf, layer)
            work(job)

        def over(job: Job) -> None:
            ended(job)
            if state.job is job:
                for tell in list(self.afterwards):
                    tell()

        with uninterrupted():  # one that is there and was not put would never end
            state.supersede()
            state.job, state.story = Job(whole, over), ""
            state.busy, state.progress, state.status = True, 0.0, words
            state.worker.put(state.job)
        state.tell("work")

    def _require_path(self, rule: str) -> PruningPath:
        path = self._state.path
        if path is None or not len(path):
            raise ValueError(
                f"{rule}; {self._state.layer!r} is not pruned yet. Call prune() and wait()."
            )
        return path
