"""Pruning in a session: greedy CAR, the other criteria beside it, and the smaller network."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable
from pathlib import Path

from carviz.evaluate import Images, fingerprint_model, return_memory
from carviz.pruning import Pruning, check_held_out, iter_bands, prepare_pruning
from carviz.session.bank_paths import DRAWS, GREEDY, RANDOM, SEED, good_place
from carviz.session.exporting import export_network
from carviz.session.holding_out import split_images
from carviz.session.measuring import TABLES, tell_apart, ticker
from carviz.session.state import State
from carviz.session.status import (
    TimeLeft,
    comparing_words,
    how_comparing_ended,
    how_exporting_ended,
    how_pruning_ended,
    pruning_words,
)
from carviz.session.worker import Job, Throttle
from carviz.wording import CRITERIA

GREEDILY, FOLLOWED = 0.65, 0.7
"""The shares of a pruning after which its greedy path, and its held-out line, are there."""


def prune(state: State, job: Job, layer: str, total: int, share: float) -> None:
    """Prune so many filters of a bank greedily by CAR, and show the path as it grows.

    Then its order is followed on the images that are held out, if any, and random orders are drawn
    beside it.
    """
    left = TimeLeft()

    def words(done: float) -> str:
        return pruning_words(layer, _steps(state, layer), total, left(job.seconds, done))

    images, held_out = split_images(state.subject.images, share)
    if held_out is not None:  # the data may hold an image twice
        check_held_out(images, held_out, job.check)
    pruning = _prepare(state, job, layer, GREEDY, total, images)
    tick = ticker(state, job, words)
    _follow(state, job, layer, pruning, lambda done: tick(GREEDILY * done), share)
    with state.lock:
        state.only(job)
        state.refresh()
        if state.path is not None and state.count == len(state.path):
            state.count = good_place(state.path)
            state.refresh()
    if held_out is not None:
        _judge(state, job, layer, held_out)
    return_memory()
    _draw(state, job, layer, total, images, lambda done: FOLLOWED + (1 - FOLLOWED) * done, left)


def _steps(state: State, layer: str) -> int:
    """Return how many filters the running path has pruned."""
    running = state.paths_of(layer).running
    return 0 if running is None else len(running)


def _judge(state: State, job: Job, layer: str, held_out: Images) -> None:
    """Follow the order on images that had no part in it."""
    greedy = state.paths_of(layer).greedy
    pruning = prepare_pruning(
        state.network, held_out, layer, order=greedy, run=state.subject.run, tick=job.check
    )
    tick = ticker(state, job, lambda _share: f"{layer}: the order on held-out images")
    paths = pruning.paths(lambda done: tick(GREEDILY + (FOLLOWED - GREEDILY) * done))
    whole = deque(paths, maxlen=1).pop()
    with state.lock:
        state.only(job)
        state.paths_of(layer).held_out = whole
        state.refresh()


def _draw(
    state: State, job: Job, layer: str, count: int, images: Images,
    whole: Callable[[float], float], left: TimeLeft,
) -> None:  # fmt: skip
    """Draw random orders, unless they are known; each is kept as soon as it is done."""
    paths = state.paths_of(layer)
    if RANDOM not in paths.missing(count):
        return

    def words(share: float) -> str:
        done, rest = 0 if paths.band is None else len(paths.band), left(job.seconds, share)
        return f"{layer}: {done} of {DRAWS} random orders" + (f", {rest}" if rest else "")

    with state.lock:
        state.only(job)
        paths.band = None
    tick = ticker(state, job, words)
    pruning = _prepare(state, job, layer, RANDOM, count, images)
    for band in iter_bands(pruning, count, DRAWS, SEED, lambda done: tick(whole(done))):
        with state.lock:
            state.only(job)
            paths.band = band
            state.refresh(more=True)
        job.check()


def pruning_ended(state: State, job: Job, layer: str, total: int) -> None:
    """Keep the path, and go to the place on it that costs a point of accuracy at most."""
    with state.lock:
        if state.job is not job:
            return
        last = state.paths_of(layer).running
        state.paths_of(layer).keep()
        state.refresh()
        path, done = state.path, 0 if last is None else len(last)
        band, good = state.paths_of(layer).band, None
        if path is not None and done == total and done and job.error is None:
            good = good_place(path)
        drawn = 0 if band is None else len(band)
        held_out = state.paths_of(layer).held_out
        words = how_pruning_ended(job, done, good, drawn, held_out)
        state.end(job, done / max(total, 1), words)


def compare(state: State, job: Job, layer: str, count: int) -> None:
    """Prune by the criteria that are missing, the cheapest first."""
    _check_weights(state, "Criteria are compared on the network that was pruned greedily")
    missing, images = state.paths_of(layer).missing(count), _images(state, layer)

    # Random orders are as many as all that they stand beside.
    costs = [DRAWS if name == RANDOM else 1 for name in missing]
    left, place = TimeLeft(), 0

    def words(share: float) -> str:
        where, name = (place + 1, len(missing)), CRITERIA[missing[place]]
        rest = left(job.seconds, share)
        return comparing_words(layer, name, where, _steps(state, layer), count, rest)

    tick = ticker(state, job, words)
    for place, name in enumerate(missing):
        before, own = sum(costs[:place]) / sum(costs), costs[place] / sum(costs)
        whole = functools.partial(_share, before, own)
        tick(before)
        if name == RANDOM:
            _draw(state, job, layer, count, images, whole, left)
            continue
        part = functools.partial(_part, tick, whole)
        _follow(state, job, layer, _prepare(state, job, layer, name, count, images), part)
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
        paths = state.paths_of(layer)
        known, drawn = len(paths.paths) - 1, 0 if paths.band is None else len(paths.band)
        whole = not (job.stopped or job.error)
        state.end(job, 1.0 if whole else 0.0, how_comparing_ended(job, known, drawn))


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


def _images(state: State, layer: str) -> Images:
    """Return the images that chose the greedy path, for the others to be told on."""
    return split_images(state.subject.images, state.paths_of(layer).share)[0]


def _prepare(
    state: State, job: Job, layer: str, criterion: str, count: int, images: Images
) -> Pruning:
    # The network was traced when the session was opened: this traces nothing.
    return prepare_pruning(
        state.network, images, layer,
        count=count, criterion=criterion, run=state.subject.run, tick=job.check,
    )  # fmt: skip


def _follow(
    state: State, job: Job, layer: str, pruning: Pruning, tick: Callable[[float], None],
    share: float | None = None,
) -> None:  # fmt: skip
    """Take in the paths of one criterion as they grow; of greedy CAR, what `share` is held out."""
    due = Throttle(TABLES)
    for path in pruning.paths(tick):
        with state.lock:
            state.only(job)
            if share is None:
                state.paths_of(layer).running = path
            else:
                state.paths_of(layer).begin(path, share)
            if due.due():
                state.refresh(more=True)
        job.check()
        tell_apart(state, job, layer)


def _part(tick: Callable[[float], None], whole: Callable[[float], float], share: float) -> None:
    """Tell the progress of one part of several."""
    tick(whole(share))


def _share(before: float, own: float, share: float) -> float:
    """Return the share of the whole that is done with a part of it, where so much is before it."""
    return before + own * share
