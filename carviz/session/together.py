"""Measuring what the filters cost that are picked, removed together and each of them alone."""

from __future__ import annotations

import dataclasses

from carviz.ablation import Run
from carviz.car import prepare_banks
from carviz.checks import check_filters
from carviz.joint import measure_sets
from carviz.results import JointTable
from carviz.session.measuring import ticker
from carviz.session.state import State
from carviz.session.status import TimeLeft, how_set_ended, set_words, under_way
from carviz.session.worker import Job

Filters = tuple[int, ...]


def measure_set(state: State, job: Job, layer: str, filters: Filters) -> None:
    """Measure a set, in ascending order, and keep it."""
    check_filters(filters, state.banks[layer].filters, layer)  # its weights may be others by now
    left, what = TimeLeft(), set_words(filters, layer)
    tick = ticker(state, job, lambda share: under_way(what, share, left(job.seconds, share)))
    banks = prepare_banks(
        state.network, state.subject.images, [layer],
        run=_in_float32(state.subject.run), tick=lambda _share: job.check(),
    )  # fmt: skip
    members = tuple((layer, filter) for filter in filters)
    table = JointTable(**measure_sets(banks, [members], layer, tick, what))
    with state.lock:
        state.only(job)
        state.findings.sets_of(layer)[filters] = table
        state.refresh()


def set_ended(state: State, job: Job, layer: str, filters: Filters) -> None:
    """Say how it went."""
    with state.lock:
        if state.job is not job:
            return
        found = state.findings.sets_of(layer).get(filters) if job.error is None else None
        state.end(job, float(found is not None), how_set_ended(job, found, filters))


def _in_float32(run: Run | None) -> Run | None:
    """Return how to run: what filters do beyond their sum is too small for less."""
    return None if run is None else dataclasses.replace(run, precision="float32")
