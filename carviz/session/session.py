"""A model on its data, explained filter by filter in the background: what a screen stands on."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from carviz.banks import Bank, Model, find_layer
from carviz.checks import check_filter, check_home, did_you_mean
from carviz.evaluate import Data
from carviz.pruning import check_count
from carviz.results import CarTable, PruningPath, SelectivityTable
from carviz.session.exporting import Exported, default_name
from carviz.session.findings import Findings
from carviz.session.loading import usual_limit
from carviz.session.measuring import measure, measuring_ended
from carviz.session.opening import open_other, opening_ended, renew
from carviz.session.pruning import (
    compare,
    comparing_ended,
    export,
    exporting_ended,
    prune,
    pruning_ended,
)
from carviz.session.seeing.kept import Sight
from carviz.session.seeing.seeing import Seeing
from carviz.session.snapshot import Snapshot
from carviz.session.state import Hear, State
from carviz.session.status import how_it_ended, how_opening_ended
from carviz.session.subject import Subject
from carviz.session.worker import PATIENCE, Job, Step, Worker

Result = TypeVar("Result")
View = Literal["filter", "bank", "pruning"]
Order = Literal["number", "car", "color"]


class Session:
    """A model on its data; `carviz.open_session` makes it.

    What takes long is done by one thread of its own, a piece at a time; whoever is impatient asks
    `snapshot`, and whoever is patient calls `wait`. Any thread may call any method.

    Attributes
    ----------
    layer : str
        The bank that is shown; setting it ends a run and shows the other bank.
    filter : int
        The chosen filter's number in its bank.
    count : int
        How many filters of `path` are taken as pruned.
    device : str
        Where it runs; setting it ends a run.

    Examples
    --------
    >>> from carviz import open_session
    >>> session = open_session("shapes", "shapes")
    >>> session.filter = 3
    >>> session.compute("filter")
    >>> session.wait()
    >>> session.table.filters.tolist(), session.snapshot().to_json()["chosen"]["filter"]
    ([3], 3)
    >>> session.close()
    """

    def __init__(
        self,
        subject: Subject,
        *,
        layer: str | None = None,
        tables: list[CarTable] | None = None,
        selectivity: list[SelectivityTable] | None = None,
    ) -> None:
        self._worker = Worker(self._next_step)
        self._lock = self._worker.lock
        self._state = state = State(subject, self._worker)
        self._seeing = Seeing(state)
        self._shelf: dict[tuple[str, str], Findings] = {}
        self._opening: Job | None = None
        self._afterwards: list[Callable[[], None]] = []
        for kind in selectivity or []:
            state.findings.kinds[kind.layer] = kind
            state.findings.judged.add(kind.layer)
        for table in tables or []:
            state.findings.tables_of(table.layer).add(table)
        if layer is not None:
            layer = find_layer(subject.network, subject.network, layer)
        first = layer or subject.first_layer({table.layer for table in tables or []})
        with self._lock:
            state.show_subject(first)

    def __repr__(self) -> str:
        state = self._state
        model, data = state.subject.model_name, state.subject.data_name
        return f"<Session of {model} on {data}, {state.layer!r}: {state.status}>"

    def _next_step(self, beside_job: bool) -> Step | None:
        return self._seeing.next_step(beside_job)

    # -- what is chosen

    @property
    def lock(self) -> AbstractContextManager[Any]:
        """Held, by ``with``, nothing changes; to ask and choose in one go."""
        return self._lock

    @property
    def filters(self) -> int:
        """How many filters the bank has."""
        return self._state.bank.filters

    @property
    def subject(self) -> Subject:
        """The model and the data, opened."""
        return self._state.subject

    @property
    def banks(self) -> list[Bank]:
        """The banks that can be chosen, in forward order."""
        with self._lock:
            return [self._state.banks[layer] for layer in self._state.offered]

    @property
    def layer(self) -> str:
        """The bank that is shown."""
        return self._state.layer

    @layer.setter
    def layer(self, layer: str) -> None:
        with self._lock:
            layer = self.check_layer(layer)
            if layer != self._state.layer:
                self._state.layer = layer
                self._state.show_bank()

    def check_layer(self, layer: Any) -> str:
        """Return the name of a bank that can be chosen; ValueError for any other."""
        network, offered = self._state.subject.network, self._state.offered
        found = find_layer(network, network, layer)
        if found not in offered:
            raise ValueError(
                f"{found!r} is a gate, whose zero is not “gone”, so it is shown only when asked "
                f"for from the start: layer={found!r}. Others: {offered}."
            )
        return found

    @property
    def filter(self) -> int:
        """The chosen filter's number in its bank."""
        return self._state.filter

    @filter.setter
    def filter(self, filter: int) -> None:
        with self._lock:
            filter = self.check_filter(filter)
            if filter != self._state.filter:
                self._state.filter = filter
                self._state.refresh()

    def check_filter(self, filter: Any) -> int:
        """Return a filter's number as an int; ValueError where the bank has none of it."""
        return check_filter(filter, self._state.bank.filters, self._state.layer)

    @property
    def count(self) -> int:
        """How many filters of `path` are taken as pruned."""
        return self._state.count

    @count.setter
    def count(self, count: int) -> None:
        with self._lock:
            count = self.check_count(count)
            if count != self._state.count:
                self._state.count = count
                self._state.tell("place")

    def check_count(self, count: Any) -> int:
        """Return a place on the path as an int; ValueError where the path has none of it."""
        value, most = int(count), 0 if self._state.path is None else len(self._state.path)
        if not 0 <= value <= most:
            raise ValueError(
                f"count is how many filters of the path are pruned, 0 to {most}; found {value}."
            )
        return value

    @property
    def view(self) -> str:
        """What is looked at: "filter", "bank" or "pruning"."""
        return self._state.view

    @property
    def device(self) -> str:
        """Where it runs."""
        return self._state.device

    @device.setter
    def device(self, device: str) -> None:
        devices = list(self._state.subject.networks)
        if device not in devices:
            raise ValueError(f"device is one of {devices}; found {device!r}.")
        with self._lock:
            state = self._state
            if state.busy:
                state.supersede()
                state.busy, state.status = False, f"Stopped, to go on with {device}."
            state.device = device
            state.tell("work")
            state.refresh()

    @property
    def devices(self) -> list[str]:
        """The devices that can be chosen."""
        return list(self._state.subject.networks)

    def look(
        self,
        *,
        view: View | None = None,
        order: Order | None = None,
        gallery: Sight | None = None,
        large: Sight | None = None,
        siblings: bool | None = None,
        opened: int | None = None,
    ) -> None:
        """Say what is looked at, so that its pictures are made; what is None stays as it is.

        Before the first call no picture is made but those of RGB weights.

        Parameters
        ----------
        view
            "filter", "bank" or "pruning".
        order
            How the filters are sorted: by "number", "car" or "color".
        gallery
            Which pictures are made of all filters: "weights", "patches" or "synthesised".
        large
            The same of the chosen filter.
        siblings
            Whether the chosen filter's nearest siblings are looked at.
        opened
            The number of the class whose changed images are looked at; -1 for none.
        """
        _check_word("view", view, View)
        _check_word("order", order, Order)
        _check_word("gallery", gallery, Sight)
        _check_word("large", large, Sight)
        with self._lock:
            state = self._state
            before = state.looks()
            state.looked = True
            state.view = view or state.view
            state.order_by = order or state.order_by
            state.gallery = gallery or state.gallery
            state.large = large or state.large
            state.siblings = state.siblings if siblings is None else siblings
            state.opened = state.opened if opened is None else opened
            if state.looks() != before:
                state.tell("view")
                self._worker.wake()

    # -- what is known

    @property
    def busy(self) -> bool:
        """Whether a job is running."""
        return self._state.busy

    @property
    def opening(self) -> bool:
        """Whether another model or other data is being opened."""
        return self.busy and self._opening is not None and self._opening is self._state.job

    @property
    def progress(self) -> float:
        """Share of the running or last job that is done, 0 to 1."""
        return self._state.progress

    @property
    def status(self) -> str:
        """What it is doing, in words."""
        return self._state.status

    @property
    def story(self) -> str:
        """The traceback of what failed last, in words; "" where nothing did."""
        return self._state.story

    @property
    def table(self) -> CarTable | None:
        """The table that is shown for the chosen filter; None before anything was measured."""
        return self._state.table

    @property
    def tables(self) -> list[CarTable]:
        """Every table of the bank that is known; several where they are of other images."""
        with self._lock:
            return self._state.tables()

    @property
    def selectivity(self) -> SelectivityTable | None:
        """Which filters of the bank select colour; None where that is not known."""
        return self._state.findings.kinds.get(self._state.layer)

    @property
    def path(self) -> PruningPath | None:
        """The path of greedy CAR in the bank, as far as it is known."""
        return self._state.path

    @property
    def paths(self) -> list[PruningPath]:
        """The paths of all criteria, that of greedy CAR first."""
        with self._lock:
            return list(self._state.paths_of(self._state.layer).paths)

    @property
    def exported(self) -> Exported | None:
        """The last smaller network that was saved of this bank, and what became smaller."""
        return self._state.exported

    def missing(self) -> list[str]:
        """Return the criteria that `compare` would run."""
        with self._lock:
            steps = 0 if self.path is None else len(self.path)
            return self._state.paths_of(self._state.layer).missing(steps) if steps else []

    def snapshot(self) -> Snapshot:
        """Return all that is known and chosen at this moment, frozen."""
        with self._lock:
            return self._state.snapshot()

    # -- what is asked for

    def compute(self, scope: Literal["bank", "filter"] = "bank") -> None:
        """Measure CAR in the background; a job that runs already is ended, its table kept.

        Parameters
        ----------
        scope
            "bank" for every filter of `layer`, "filter" for the chosen one: its result is merged
            with what is known of the bank on the same images.

        Raises
        ------
        ValueError
            If `scope` is neither. What fails later is told in `status`, and raised by `wait`.
        """
        if scope not in ("bank", "filter"):
            raise ValueError(f"scope is 'bank' or 'filter'; found {scope!r}.")
        with self._lock:
            state = self._state
            layer, filters = state.layer, [state.filter] if scope == "filter" else None
            self._start(
                lambda job: measure(state, job, layer, filters),
                lambda job: measuring_ended(state, job),
                f"{layer}: preparing",
                layer,
            )

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
            out. What fails later is told in `status`, and raised by `wait`.
        """
        with self._lock:
            state = self._state
            layer, total = state.layer, check_count(count, state.bank.filters)
            self._start(
                lambda job: prune(state, job, layer, total),
                lambda job: pruning_ended(state, job, layer, total),
                f"{layer}: preparing to prune",
                layer,
            )
            state.view = "pruning"
            state.tell("view")

    def compare(self) -> None:
        """Prune by the other criteria as well, as far as `path` goes, the cheapest first.

        Raises
        ------
        ValueError
            Before the bank was pruned greedily.
        """
        with self._lock:
            state, layer = self._state, self._state.layer
            count = len(self._require_path("Criteria are compared with greedy CAR"))
            self._start(
                lambda job: compare(state, job, layer, count),
                lambda job: comparing_ended(state, job, layer),
                f"{layer}: preparing to compare",
            )

    def export(self, path: str | os.PathLike[str] | None = None) -> None:
        """Build the network without the first `count` filters of `path`, in the background.

        Parameters
        ----------
        path
            The file to write; None for one in the working folder, named after the network.

        Raises
        ------
        ValueError
            Before the bank was pruned greedily, or while `count` is 0.
        FileNotFoundError
            If the folder of `path` is not there.
        """
        with self._lock:
            state = self._state
            found = self._require_path("A smaller network is one without filters")
            count, layer = state.count, state.layer
            if count == 0:
                raise ValueError(
                    "A smaller network is one without filters; found `count` 0, the whole network. "
                    "Move the slider, or set `count`."
                )
            name = Path(path or default_name(state.subject.model_name, layer, count))
            check_home(name, "The network")
            gone = found.pruned(count)[layer]
            self._start(
                lambda job: export(state, job, layer, gone, name),
                lambda job: exporting_ended(state, job),
                f"Exporting: building {state.subject.model_name} without {count} filters",
            )

    def load(
        self,
        model: Model | str | None = None,
        data: Data | str | Path | None = None,
        *,
        limit: int | None = None,
    ) -> None:
        """Go over to another model, to other data, or both, in the background.

        Weights are loaded and images read by the worker. The network is traced in the thread that
        the session was made in: in a notebook as soon as no cell runs, or by `wait`; in a script
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
            limit = self._state.subject.limit if data is None else usual_limit(data)
        self.open_other(model, data, limit)

    def open_other(self, model: Any, data: Any, limit: int | None) -> None:
        """Do as `load`, where a limit of None means all images."""
        with self._lock:
            state, shelf = self._state, self._shelf
            self._start(
                lambda job: open_other(state, job, shelf, model, data, limit),
                lambda job: opening_ended(state, job),
                "Looking for what was asked for",
            )
            self._opening = state.job
            state.tell("work")

    def refuse(self, error: Exception) -> None:
        """Tell in the status of something that could not even begin; `wait` raises it."""

        def work(_job: Job) -> None:
            raise error

        def ended(job: Job) -> None:
            with self._lock:
                if self._state.job is job:
                    self._state.end(job, 0.0, how_it_ended(job, None))

        self._start(work, ended, "")

    def cancel(self) -> None:
        """Stop the running job within a batch, and keep what there is.

        Opening ends at once, and what is shown stays.
        """
        with self._lock:
            state, job = self._state, self._state.job
            if job is None or not state.busy:
                return
            if self.opening:
                state.supersede()
                state.end(job, 0.0, how_opening_ended(job, state.subject))
                return
            job.cancel()
            state.status = "Cancelling: ends with this batch"
            state.tell("work")

    def wait(self, timeout: float | None = None) -> None:
        """Wait until the job is over, and raise what failed in it.

        Raises
        ------
        TimeoutError
            If it is not over after `timeout` seconds; it goes on.
        """
        job = self._state.job
        if job is None:
            return
        if not self._worker.home.wait(job, timeout):
            raise TimeoutError(f"The job is not over after {timeout} s; it goes on. {self.status}")
        if job.error is not None and self._state.job is job:
            raise job.error

    def settle(self, timeout: float | None = None) -> None:
        """Wait until the job is over and every picture that is looked at is made.

        Raises
        ------
        TimeoutError
            If that is not so after `timeout` seconds; the work goes on.
        """
        job = self._state.job
        whole = job is None or self._worker.home.wait(job, timeout)
        if not (whole and self._worker.join(timeout)):
            raise TimeoutError(f"Work is not over after {timeout} s; it goes on. {self.status}")

    def close(self, words: str = "Closed.") -> None:
        """End for good: the job within its batch, and all pictures, which are let go.

        What was measured and saved stays; nothing more can be asked for.
        """
        self.retire(words)
        if self._worker.join(PATIENCE):
            self._seeing.close()

    def retire(self, words: str) -> None:
        """Do as `close`, and do not wait for the last batch."""
        with self._lock:
            if self._state.closed:
                return
            self._state.closed = True
            self._state.supersede()
            self._state.busy, self._state.status = False, words
            self._worker.close()
            self._state.tell("work")
            # Somebody may hold a session that ended; nobody sees its pictures any more.
            for findings in (self._state.findings, *self._shelf.values()):
                findings.seen.clear()
            self._state.face_pictures, self._state.changed = {}, {}

    def aside(self, work: Step) -> None:
        """Have something short done in the background, which need not wait for a job to end."""
        self._worker.ask(work)

    def read(self, work: Callable[[], Result]) -> Result:
        """Have something short done that reads the data, and return what it returns.

        One thread reads the data. It is done between two batches of a job.
        """
        return self._worker.do(work)

    # -- who listens

    def listen(self, hear: Hear, afterwards: Callable[[], None] | None = None) -> None:
        """Have a function told of news, and another after each job.

        Parameters
        ----------
        hear
            Called with a `News` in whatever thread it comes from, the session's lock held: it asks
            `snapshot`, and waits for nothing.
        afterwards
            Called when a job has ended and told its result, in the worker's thread and without the
            lock, before `wait` returns.
        """
        with self._lock:
            self._state.hearers.append(hear)
            if afterwards is not None:
                self._afterwards.append(afterwards)

    # -- jobs

    def _start(
        self,
        work: Callable[[Job], None],
        ended: Callable[[Job], None],
        words: str,
        layer: str | None = None,
    ) -> None:
        """Put a job in the place of the one that runs; one on a bank sees to the weights first."""
        with self._lock:
            state = self._state
            if state.closed:
                raise ValueError(
                    f"A session works until it is closed; this one says {state.status!r}. "
                    "Make another: carviz.explore(…) or carviz.open_session(…)."
                )
            state.supersede()

            def whole(job: Job) -> None:
                if layer is not None:
                    renew(state, job, self._shelf, layer)
                work(job)

            def over(job: Job) -> None:
                ended(job)
                if state.job is job:
                    for tell in list(self._afterwards):
                        tell()

            state.job, state.story = Job(whole, over), ""
            state.busy, state.progress, state.status = True, 0.0, words
            self._worker.put(state.job)
            state.tell("work")

    def _require_path(self, rule: str) -> PruningPath:
        path = self._state.path
        if path is None or not len(path):
            raise ValueError(
                f"{rule}; {self._state.layer!r} is not pruned yet. Call prune() and wait()."
            )
        return path


def _check_word(name: str, word: Any, words: Any) -> None:
    if word is not None and word not in (known := list(get_args(words))):
        raise ValueError(f"{name} is one of {known}; found {word!r}. {did_you_mean(word, known)}")
