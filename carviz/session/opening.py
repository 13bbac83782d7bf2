"""Another model and other data in a session: loaded by the worker, traced at home, then shown."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

from carviz.evaluate import Progress, fingerprint_model, placement
from carviz.session.findings import Findings
from carviz.session.loading import (
    PLAINLY,
    Begin,
    How,
    Loaded,
    by_name,
    check_fit,
    find_data,
    find_model,
    look_at,
    prepared_alike,
)
from carviz.session.state import State
from carviz.session.status import how_opening_ended
from carviz.session.subject import Subject, make_subject, open_networks
from carviz.session.worker import Job, Throttle

Shelf = dict[tuple[str, str], Findings]
"""What was found, by the fingerprints of the model and of the data."""


def open_other(
    state: State, job: Job, shelf: Shelf, model: Any, data: Any, limit: int | None, how: How
) -> None:
    """Load another model, other data, or both, and show them in the place of what is shown."""
    former = state.subject
    loaded = load_other(former, model, data, limit, functools.partial(_begin, state, job), how)
    check_fit(loaded)
    when = ", as soon as no cell runs" if state.worker.home.attended else ": wait() does it"
    _tell(state, job, f"Opening {loaded.model_name}{when}", 1.0)
    state.worker.home.run(lambda: _enter(state, job, shelf, former, loaded), job.check)


def opening_ended(state: State, job: Job) -> None:
    """Say that what was shown stays, and why."""
    with state.lock:
        if state.job is job:  # else it was opened, or cancelled
            state.end(job, 0.0, how_opening_ended(job, state.subject))


def load_other(
    former: Subject, model: Any, data: Any, limit: int | None, begin: Begin, how: How = PLAINLY
) -> Loaded:
    """Load another model, other data, or both; of the former subject stays what is None.

    Images that were loaded by name are loaded again for a model that wants them otherwise.
    """
    network, model_name = former.model, former.model_name
    if model is not None:
        network, model_name = find_model(model, begin, how)
    else:
        how = dataclasses.replace(how, weights=former.how.weights)
    origin = former.origin if data is None else data
    again = by_name(origin) and str(origin) == str(former.origin) and limit == former.limit
    again = again and how.fitting == former.how.fitting
    alike = model is not None and prepared_alike(network, former.model)
    if (data is None and not by_name(origin)) or (again and alike):
        return look_at(network, model_name, former.images, origin, limit, begin, how)
    found = find_data(network, origin, limit, begin, how)
    return look_at(network, model_name, found, origin, limit, begin, how)


def _begin(state: State, job: Job, words: str) -> Progress:
    """Say what comes next; return what is told how far that is."""
    _tell(state, job, words, 0.0)
    due = Throttle()

    def tick(share: float) -> None:
        job.check()
        if due.due():
            _tell(state, job, f"{words}: {share:.0%}", min(share, 1.0), more=True)

    return tick


def _tell(state: State, job: Job, words: str, share: float, more: bool = False) -> None:
    job.check()
    with state.lock:
        state.only(job)
        state.say(share, words, more)


def _enter(state: State, job: Job, shelf: Shelf, former: Subject, loaded: Loaded) -> None:
    """Trace what was loaded, and show it: the one part that is done at home."""
    networks = former.networks
    if loaded.model is not former.model or loaded.model_digest != former.model_digest:
        networks = open_networks(loaded.model, networks)
    subject = make_subject(networks, loaded, former.run)
    known = shelf.get(subject.digests)
    left = None if known is None else known.left
    layer = subject.first_layer(set()) if left is None else left[0]
    findings = _find_on(state, shelf, former, subject, layer)
    with state.lock:
        state.only(job)
        state.supersede()
        state.findings.left = state.layer, state.filter, state.count
        state.take(subject, findings)
        state.show_subject(layer)
        if left is not None:
            state.come_back(*left[1:])


def _find_on(state: State, shelf: Shelf, former: Subject, subject: Subject, layer: str) -> Findings:
    """Return what is known of a subject, and put aside what is known of the former one.

    What could fail of the bank that comes first is tried before the former subject goes.
    """
    written_to = _written_to(former)
    with state.lock:
        if written_to:
            state.findings.doubt(former.model_digest)
        shelf[former.digests] = state.findings
        findings = shelf.setdefault(subject.digests, Findings())
    bank = next(bank for bank in subject.banks() if bank.layer == layer)
    subject.pictures(bank)
    findings.read_weights(subject, bank)
    return findings


def renew(state: State, job: Job, shelf: Shelf, layer: str) -> None:
    """Open the network anew if its weights are others than they were, before a job runs it.

    What was measured of the former weights is put aside: it comes back if they do.
    """
    former = state.subject
    if not _written_to(former):
        return
    if fingerprint_model(former.model) != former.model_digest:
        job.remark = "The network has changed: measured anew. "
    _tell(state, job, "The network has changed: opening it anew", 0.0)
    loaded = look_at(
        former.model, former.model_name, former.images, former.origin, former.limit, _nothing,
        former.how,
    )  # fmt: skip
    check_fit(loaded)

    def enter() -> None:
        subject = make_subject(open_networks(loaded.model, former.networks), loaded, former.run)
        if layer not in {bank.layer for bank in subject.banks()}:
            raise ValueError(
                f"{former.model_name} has changed, and has no bank {layer!r} any more. "
                "Open it anew."
            )
        findings = _find_on(state, shelf, former, subject, layer)
        with state.lock:
            state.only(job)
            state.take(subject, findings)
            state.renew()

    state.worker.home.run(enter, job.check)


def _written_to(subject: Subject) -> bool:
    """Whether the weights were written to since they were opened, be it with the same numbers."""
    watch, here = subject.network.watch, placement(subject.network.model)[0]
    if watch is not None and watch.changed():
        return True
    # A copy on another device is out of reach of whoever trains the given model.
    apart = placement(subject.model)[0] != here
    return apart and fingerprint_model(subject.model) != subject.model_digest


def _nothing(_words: str) -> Progress:
    return False
