"""Another model and other data in an explorer: loaded by a worker, traced at home, then shown."""

from __future__ import annotations

import functools
from typing import Any

from carviz.evaluate import Progress
from carviz.explorer.findings import Findings
from carviz.explorer.job import Job, Throttle
from carviz.explorer.loading import (
    Begin,
    Loaded,
    by_name,
    check_fit,
    find_data,
    find_model,
    look_at,
    prepared_alike,
    usual_limit,
)
from carviz.explorer.measurer import Measurer
from carviz.explorer.subject import Subject, make_subject, open_networks
from carviz.explorer.words import how_opening_ended
from carviz.results import CarTable, SelectivityTable


class Opener(Measurer):
    """The part of an explorer that goes over to another model or to other data."""

    def __init__(
        self, subject: Subject, tables: list[CarTable], selectivity: list[SelectivityTable]
    ) -> None:
        super().__init__(subject, tables, selectivity)
        self._opening: Job | None = None
        self._shelf: dict[tuple[str, str], Findings] = {}

    def _show_subject(self, layer: str) -> None:
        """Show the subject as if freshly opened, at one of its banks."""
        raise NotImplementedError

    # -- what is asked for

    def load(self, model: Any = None, data: Any = None, *, limit: int | None = None) -> None:
        """Go over to another model, to other data, or both, in the background.

        Weights are loaded and images read by a worker. The network is traced in the thread that
        the explorer was made in: in a notebook as soon as no cell runs, or by `wait`; in a script
        by `wait`. Until then the former model and data stay, and for good if anything fails or
        `cancel` is called. What was measured of them is shown again when they come back.

        Parameters
        ----------
        model
            As in `carviz.explore`; None for the present one.
        data
            As in `carviz.explore`; None for the present one: given by name or folder, it is
            prepared anew for a model that wants its images otherwise.
        limit
            Images a class at most, of data given by name or folder. None takes all (of the
            bundled images 50 a class), or as many as before where `data` is None.

        Raises
        ------
        ValueError
            If nothing is asked for. What fails later is told in the status, and raised by `wait`.
        """
        if model is None and data is None and limit is None:
            raise ValueError(
                "load takes another model, or other data, or both; found neither. "
                "Give one: load('alexnet'), load(data='folder/of/images')."
            )
        if limit is None:
            limit = self._subject.limit if data is None else usual_limit(data)
        self._start_loading(model, data, limit)

    def _start_loading(self, model: Any, data: Any, limit: int | None) -> None:
        with self._lock:
            former = self._subject
            self._start(
                lambda job: self._load(job, former, model, data, limit),
                self._opening_ended,
                "",
            )
            self._opening = self._job
            self.status = "Looking for what was asked for"

    @property
    def opening(self) -> bool:
        """Whether another model or other data is being opened."""
        return self.busy and self._opening is not None and self._opening is self._job

    def cancel(self) -> None:
        """Stop the running job within a batch, and keep what there is.

        Opening ends at once, and what is shown stays.
        """
        with self._lock:
            if not self.opening:
                super().cancel()
                return
            stopped = self._job
            self._supersede()
            if stopped is not None:
                self._end(stopped, 0.0, how_opening_ended(stopped, self._subject))

    # -- the job: in its thread, but for `_enter`

    def _load(self, job: Job, former: Subject, model: Any, data: Any, limit: int | None) -> None:
        begin = functools.partial(self._begin, job)
        loaded = load_other(former, model, data, limit, begin)
        check_fit(loaded)
        how = ", as soon as no cell runs" if self._home.attended else ": wait() does it"
        self._tell(job, f"Opening {loaded.model_name}{how}", 1.0)
        self._home.run(lambda: self._enter(job, former, loaded), job.check)

    def _begin(self, job: Job, words: str) -> Progress:
        """Say what comes next; return what is told how far that is."""
        self._tell(job, words, 0.0)
        due = Throttle()

        def tick(share: float) -> None:
            job.check()
            if due.due():
                self._tell(job, f"{words}: {share:.0%}", min(share, 1.0))

        return tick

    def _tell(self, job: Job, words: str, share: float) -> None:
        job.check()
        with self._lock:
            self._only(job)
            self.progress, self.status = share, words

    def _enter(self, job: Job, former: Subject, loaded: Loaded) -> None:
        """Trace what was loaded, and show it: the one part that is done at home."""
        networks = former.networks
        if loaded.model is not former.network.model:
            networks = open_networks(loaded.model, networks)
        subject = make_subject(networks, loaded, former.run)
        layer = subject.first_layer(set())
        with self._lock:
            self._shelf[former.digests] = self._findings
            findings = self._shelf.setdefault(subject.digests, Findings())
        # What could fail of the bank that comes first is tried before the former subject goes.
        bank = next(bank for bank in subject.banks() if bank.layer == layer)
        subject.pictures(bank)
        findings.look(subject, bank)
        with self._lock:
            self._only(job)
            self._supersede()
            self._take(subject, findings)
            self._show_subject(layer)

    def _opening_ended(self, job: Job) -> None:
        with self._lock:
            if self._job is job:  # else it was opened, or cancelled
                self._end(job, 0.0, how_opening_ended(job, self._subject))


def load_other(former: Subject, model: Any, data: Any, limit: int | None, begin: Begin) -> Loaded:
    """Load another model, other data, or both; of the former subject stays what is None.

    Images that were loaded by name are loaded again for a model that wants them otherwise.
    """
    network, model_name = former.network.model, former.model_name
    if model is not None:
        network, model_name = find_model(model, begin)
    origin = former.origin if data is None else data
    again = by_name(origin) and str(origin) == str(former.origin) and limit == former.limit
    alike = model is not None and prepared_alike(network, former.network.model)
    if (data is None and not by_name(origin)) or (again and alike):
        return look_at(network, model_name, former.images, origin, limit, begin)
    found = find_data(network, origin, limit, begin)
    return look_at(network, model_name, found, origin, limit, begin)
