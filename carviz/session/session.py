"""A model on its data, explained filter by filter in the background: what a screen stands on."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Literal, TypeVar

from carviz.banks import Model, find_layer
from carviz.evaluate import Data, Progress, telling
from carviz.results import CarTable, SelectivityTable
from carviz.session import choosing
from carviz.session.every_filter import snapshots_of_all
from carviz.session.jobs import Jobs
from carviz.session.loading import PLAINLY, How
from carviz.session.looks import Order, View
from carviz.session.own_image import read_picture
from carviz.session.seeing.kept import Sight
from carviz.session.seeing.seeing import Seeing
from carviz.session.seeing.whole import make_whole
from carviz.session.snapshot import Snapshot
from carviz.session.state import Hear, State
from carviz.session.subject import Subject
from carviz.session.values import Values
from carviz.session.worker import PATIENCE, Step, Worker

Result = TypeVar("Result")


class Session(Values):
    """A model on its data; `carviz.open_session` makes it.

    What takes long is done by one thread of its own, a piece at a time, while `snapshot` tells how
    far it is; `wait` waits for it. Any thread may call any method.

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
        self._worker = Worker(lambda beside_job: self._seeing.next_step(beside_job))
        self._lock = self._worker.lock
        self._state = state = State(subject, self._worker)
        self._seeing = Seeing(state)
        self._jobs = Jobs(state)
        state.findings.add(tables or [], selectivity or [])
        if layer is not None:
            layer = find_layer(subject.network, subject.network, layer)
        with self._lock:
            state.show_subject(layer or subject.first_layer(set(state.findings.tables)))

    def __repr__(self) -> str:
        subject = self._state.subject
        about = f"{subject.model_name} on {subject.data_name}, {self.layer!r}"
        return f"<Session of {about}: {self.status}>"

    @property
    def lock(self) -> AbstractContextManager[Any]:
        """Held, by ``with``, nothing changes; to ask and choose in one go."""
        return self._lock

    @property
    def layer(self) -> str:
        """The bank that is shown."""
        return self._state.layer

    @layer.setter
    def layer(self, layer: str) -> None:
        with self._lock:
            choosing.choose_layer(self._state, layer)

    @property
    def filter(self) -> int:
        """The chosen filter's number in its bank."""
        return self._state.filter

    @filter.setter
    def filter(self, filter: int) -> None:
        with self._lock:
            choosing.choose_filter(self._state, filter)

    @property
    def count(self) -> int:
        """How many filters of `path` are taken as pruned."""
        return self._state.count

    @count.setter
    def count(self, count: int) -> None:
        with self._lock:
            choosing.choose_place(self._state, count)

    @property
    def device(self) -> str:
        """Where it runs."""
        return self._state.device

    @device.setter
    def device(self, device: str) -> None:
        with self._lock:
            choosing.choose_device(self._state, device)

    def check(self, name: Literal["layer", "filter", "count", "picked"], value: Any) -> Any:
        """Return a value as it would be taken by an attribute of that name, or raise ValueError."""
        with self._lock:
            return choosing.CHECKS[name](self._state, value)

    def look(
        self,
        *,
        view: View | None = None,
        order: Order | None = None,
        gallery: Sight | None = None,
        large: Sight | None = None,
        siblings: bool | None = None,
        opened: int | None = None,
        image: int | None = None,
    ) -> None:
        """Say what is looked at, so that its pictures are made; what is None stays as it is.

        Before the first call no picture is made but those of RGB weights.

        Parameters
        ----------
        view
            "filter", "several", "image", "bank" or "pruning".
        order
            How the filters are sorted: by "number", "car" or "color".
        gallery, large
            Which pictures of all filters, and of the chosen one: "weights", "patches" or
            "synthesised".
        siblings
            Whether the chosen filter's nearest siblings are looked at.
        opened
            The number of the class whose changed images are looked at; -1 for none.
        image
            The number of the image that is looked at; -1 for none, -2 for the reader's own.
        """
        with self._lock:
            looks = self._state.looks.changed(
                view=view, order=order, gallery=gallery, large=large, siblings=siblings,
                opened=opened, image=image,
            )  # fmt: skip
            choosing.choose_looks(self._state, looks, gallery is not None)

    def show_image(self, picture: Any, name: str = "") -> None:
        """Look at a picture of one's own: the network's answers, the filter's map, what it needs.

        Parameters
        ----------
        picture
            A file, its bytes, a PIL image, or an array (height, width, 3) of uint8 or of floats in
            [0, 1]. It becomes what the network reads as the data's images do.
        name
            What to call it; "" for the file's name.

        Raises
        ------
        FileNotFoundError, TypeError, ValueError
            If it is no picture, or one of more than 40 million pixels. That the network cannot
            read it is told on the screen.
        """
        own = read_picture(picture, name)
        with self._lock:
            choosing.choose_own_image(self._state, own)

    def refuse_image(self, error: Exception) -> None:
        """Tell on the screen why a picture of one's own is not taken."""
        with self._lock:
            choosing.refuse_image(self._state, str(error))

    def snapshot(self) -> Snapshot:
        """Return all that is known and chosen at this moment, frozen."""
        with self._lock:
            return self._state.snapshot()

    def snapshots(self) -> dict[str, list[Snapshot]]:
        """Return a snapshot for each filter of each bank of which anything is known, by bank.

        It is as if that filter were chosen; what is chosen stays as it is.
        """
        with self._lock:
            return snapshots_of_all(self._state)

    def see_all(
        self, sights: Sequence[Sight], *, siblings: bool = False, progress: Progress = False
    ) -> None:
        """Make some sorts of pictures of all filters of the bank that is shown, and wait for them.

        RGB weights are there anyhow. `siblings` is whether to find how alike the filters are.
        """
        with telling(progress, f"Pictures of {self.layer}") as tell:
            for share in make_whole(self._state, sights, siblings, self._worker.do):
                tell(share)

    def compute(self, scope: Literal["bank", "filter", "together"] = "bank") -> None:
        """Measure CAR in the background; a job that runs already is ended, its table kept.

        Parameters
        ----------
        scope
            "bank" for every filter of `layer`, "filter" for the chosen one: its result is merged
            with what is known of the bank on the same images. "together" for those that are
            `picked`: removed all at once, and each alone.

        Raises
        ------
        ValueError
            If `scope` is none of these, or none is picked. What fails later is told in `status`,
            and raised by `wait`.
        """
        with self._lock:
            self._jobs.compute(scope)

    def prune(self, count: int | None = None, *, held_out: float | None = None) -> None:
        """Prune greedily by CAR in the background, beside ten random orders; a job that runs ends.

        Parameters
        ----------
        count
            How many filters to prune; None for all.
        held_out
            The share of images that has no part in the order, which is followed on them as well.

        Raises
        ------
        ValueError
            If the bank cannot be pruned so. What fails later `wait` raises, and `status` tells.
        """
        with self._lock:
            self._jobs.prune(count, held_out)

    def compare(self) -> None:
        """Prune by the other criteria as well, as far as `path` goes, the cheapest first.

        Raises
        ------
        ValueError
            Before the bank was pruned greedily.
        """
        with self._lock:
            self._jobs.compare()

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
            self._jobs.export(path)

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
        with self._lock:
            self._jobs.load(model, data, limit)

    def open_other(self, model: Any, data: Any, limit: int | None, how: How = PLAINLY) -> None:
        """Do as `load`, where None as a limit means all."""
        with self._lock:
            self._jobs.open_other(model, data, limit, how)

    def refuse(self, error: Exception, opening: bool = False) -> None:
        """Tell in the status of what could not even begin; `wait` raises it.

        Of `opening`, a job that runs goes on: then only the snapshot's `refused` tells.
        """
        with self._lock:
            self._jobs.refuse(error, opening)

    def cancel(self) -> None:
        """Stop the running job within a batch, opening at once, and keep what there is."""
        with self._lock:
            self._jobs.cancel()

    def wait(self, timeout: float | None = None) -> None:
        """Wait until the job is over, and raise what failed in it.

        Raises
        ------
        TimeoutError
            If it is not over after `timeout` seconds; it goes on.
        RuntimeError
            With `lock` held, as by whoever is told of news: the wait would never end.
        """
        if not self._jobs.wait(timeout):
            raise TimeoutError(f"The job is not over after {timeout} s; it goes on. {self.status}")

    def settle(self, timeout: float | None = None) -> None:
        """Wait until the job is over and every picture that is looked at is made.

        Raises
        ------
        TimeoutError, RuntimeError
            As `wait` does.
        """
        self._worker.check_wait(timeout)
        if not self._worker.join(timeout):
            raise TimeoutError(f"Work is not over after {timeout} s; it goes on. {self.status}")

    def close(self, words: str = "Closed.", wait: bool = True) -> None:
        """End for good: the job within its batch, and all pictures, which are let go.

        What was measured and saved stays. `words` is the last status and `wait` whether to wait for
        the last batch; whoever is told of news never does.
        """
        with self._lock:
            self._jobs.end(words)
        if wait and self._worker.can_wait and self._worker.join(PATIENCE):
            self._seeing.close()

    def aside(self, work: Step, after: float = 0.0) -> None:
        """Have something short done in the background, which need not wait for a job to end.

        It begins after so many seconds, for which nobody waits: not `settle`, and not `close`.
        """
        self._worker.ask(work, after)

    def read(self, work: Callable[[], Result]) -> Result:
        """Have something short done by the thread that reads the data; return what it returns."""
        return self._worker.do(work)

    def listen(self, hear: Hear, afterwards: Callable[[], None] | None = None) -> None:
        """Have a function told of news, and another after each job.

        Parameters
        ----------
        hear
            Called with a `News` in any thread, the lock held: it asks `snapshot` and never waits.
        afterwards
            Called when a job has ended and told its result, in the worker's thread and without the
            lock, before `wait` returns.
        """
        with self._lock:
            self._state.hearers.append(hear)
            if afterwards is not None:
                self._jobs.afterwards.append(afterwards)
