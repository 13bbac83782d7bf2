"""Pruning in a session: greedy CAR, the other criteria beside it, and the smaller network."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

from carviz.evaluate import fingerprint_model, return_memory
from carviz.pruning import Pruning, prepare_pruning
from carviz.session.bank_paths import GREEDY, good_place
from carviz.session.exporting import export_network
from carviz.session.measuring import TABLES, tell_apart, ticker
from carviz.session.state import State
from carviz.session.status import (
    how_comparing_ended,
    how_exporting_ended,
    how_pruning_ended,
    pruning_words,
)
from carviz.session.worker import Job, Throttle
from carviz.wording import CRITERIA


def prune(state: State, job: Job, layer: str, total: int) -> None:
    """Prune so many filters of a bank greedily by CAR, and show the path as it grows."""

    def words(share: float) -> str:
        running = state.paths_of(layer).running
        done = 0 if running is None else len(running)
        return pruning_words(layer, done, total, share, job.seconds)

    pruning = _prepare(state, job, layer, GREEDY, total)
    _follow(state, job, layer, pruning, ticker(state, job, words))


def pruning_ended(state: State, job: Job, layer: str, total: int) -> None:
    """Keep the path, and go to the place on it that costs a point of accuracy at most."""
    with state.lock:
        if state.job is not job:
            return
        last = state.paths_of(layer).running
        state.paths_of(layer).keep()
        state.refresh()
        path, done = state.path, 0 if last is None else len(last)
        good = None
        if path is not None and done and not (job.stopped or job.error):
            good = good_place(path)
            if state.count == len(path):
                state.count = good
        state.end(job, done / max(total, 1), how_pruning_ended(job, done, good))


def compare(state: State, job: Job, layer: str, count: int) -> None:
    """Prune by the criteria that are missing, the cheapest first."""
    _check_weights(state, "Criteria are compared on the network that was pruned greedily")
    missing = state.paths_of(layer).missing(count)

    def words(share: float) -> str:
        place = min(int(share * len(missing)), len(missing) - 1)
        return f"{layer}: comparing with {CRITERIA[missing[place]]}"

    tick = ticker(state, job, words)
    for place, name in enumerate(missing):
        tick(place / len(missing))
        part = functools.partial(_part, tick, place, len(missing))
        _follow(state, job, layer, _prepare(state, job, layer, name, count), part)
        return_memory()  # before the next one takes as much
        with state.lock:
            state.only(job)
            state.paths_of(layer).keep()


def comparing_ended(state: State, job: Job, layer: str) -> None:
    """Keep the paths, and say how it went."""
    with state.lock:
        if state.job is not job:
            return
        state.paths_of(layer).keep()
        known = len(state.paths_of(layer).paths) - 1
        whole = not (job.stopped or job.error)
        state.end(job, 1.0 if whole else 0.0, how_comparing_ended(job, known))


def export(state: State, job: Job, layer: str, filters: list[int], path: Path) -> None:
    """Build the network without some filters of a bank, and save it."""
    _check_weights(state, "A smaller network is the one that was pruned, without filters")
    tick = ticker(state, job, lambda _share: state.status)
    done = export_network(state.network, layer, filters, state.subject.images, path, tick)
    with state.lock:
        state.only(job)
        state.exported = done


def exporting_ended(state: State, job: Job) -> None:
    """Say how it went."""
    with state.lock:
        if state.job is not job:
            return
        whole = not (job.stopped or job.error)
        name = str(state.exported.path) if whole and state.exported is not None else ""
        state.end(job, 1.0 if whole else 0.0, how_exporting_ended(job, name))


def _check_weights(state: State, rule: str) -> None:
    if fingerprint_model(state.subject.model) != state.subject.model_digest:
        raise ValueError(f"{rule}; its weights have changed since. Call prune() once more.")


def _prepare(state: State, job: Job, layer: str, criterion: str, count: int) -> Pruning:
    # The network was traced when the session was opened: this traces nothing.
    return prepare_pruning(
        state.network, state.subject.images, layer,
        count=count, criterion=criterion, run=state.subject.run, tick=job.check,
    )  # fmt: skip


def _follow(
    state: State, job: Job, layer: str, pruning: Pruning, tick: Callable[[float], None]
) -> None:
    """Take in the paths of one criterion as they grow."""
    due = Throttle(TABLES)
    for path in pruning.paths(tick):
        with state.lock:
            state.only(job)
            state.paths_of(layer).running = path
            if due.due():
                state.refresh()
        job.check()
        tell_apart(state, job, layer)


def _part(tick: Callable[[float], None], place: int, parts: int, share: float) -> None:
    """Tell the progress of one part of several."""
    tick((place + share) / parts)
