"""Measuring in a session: CAR of a bank or of one filter, and which filters select colour."""

from __future__ import annotations

from collections.abc import Callable

from carviz.car import iter_tables, prepare_car
from carviz.selectivity import measure_selectivity
from carviz.session.state import State
from carviz.session.status import TimeLeft, how_it_ended, under_way
from carviz.session.worker import Job, Throttle

TABLES = 0.2
"""Seconds between two tables that are shown while a job fills them."""


def measure(state: State, job: Job, layer: str, filters: list[int] | None) -> None:
    """Measure a bank, or some filters of it, and show the table as it fills."""
    what = layer if filters is None else f"Filter {filters[0]} of {layer}"
    left = TimeLeft()

    def words(share: float) -> str:
        return under_way(what, share, left(job.seconds, share))

    tick = ticker(state, job, words)
    measurement = prepare_car(
        state.network, state.subject.images, layer,
        filters=filters, run=state.subject.run, tick=job.check,
    )  # fmt: skip
    due = Throttle(TABLES)
    for table in iter_tables(measurement, tick):
        with state.lock:
            state.only(job)
            state.running = table
            if due.due():
                if not job.cancelled:
                    state.status = words(state.progress)
                state.refresh(more=True)
        job.check()
        tell_apart(state, job, layer)


def measuring_ended(state: State, job: Job) -> None:
    """Keep what was measured, and say how it went."""
    with state.lock:
        if state.job is not job:
            return
        last = state.keep_running()
        # What was under way when it was stopped is not kept, so it does not count as done.
        done = 0.0 if last is None else len(last.images) / last.total
        if last is not None and last.complete:
            state.choose_highest()
        state.end(job, done, how_it_ended(job, last))


def tell_apart(state: State, job: Job, layer: str) -> None:
    """Tell colour from shape once more, now with images: some filters may be dead on them."""
    findings = state.findings
    if layer in findings.judged or not state.banks[layer].reads_rgb:
        return
    found = measure_selectivity(
        state.network, layer,
        data=state.subject.images, normalize=state.subject.normalize(), progress=False,
    )  # fmt: skip
    with state.lock:
        state.only(job)
        findings.kinds[layer] = found
        findings.judged.add(layer)
        state.refresh()


def ticker(state: State, job: Job, words: Callable[[float], str]) -> Callable[[float], None]:
    """Return what a job's work tells its progress to; it ends a job that was cancelled."""
    throttle = Throttle()

    def tick(share: float) -> None:
        job.step()
        if throttle.due():
            with state.lock:
                state.only(job)
                state.say(min(share, 1.0), words(share), more=True)

    return tick
