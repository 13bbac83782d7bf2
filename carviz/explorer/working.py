"""One piece of work at a time, in the background: what it does, how far it is, and how it ends."""

from __future__ import annotations

import threading
from collections.abc import Callable

import ipywidgets as w
import traitlets as t

from carviz.explorer.home import Home
from carviz.explorer.job import Cancelled, Job, Throttle


class Working(w.VBox):  # type: ignore[misc]
    """A widget with a worker: whoever holds `_lock` writes, and of the jobs only `_job` may.

    Attributes
    ----------
    busy : bool
        Whether a job is running.
    progress : float
        Share of the running or last job that is done, 0 to 1.
    status : str
        What it is doing, in words.
    """

    busy = t.Bool(False)
    progress = t.Float(0.0)
    status = t.Unicode()

    def __init__(self) -> None:
        super().__init__()
        # Held by whoever writes: the job that holds `_job`, or a callback.
        self._lock = threading.RLock()
        self._home = Home()
        self._job: Job | None = None
        self._story = ""
        self._closed = False

    def cancel(self) -> None:
        """Stop the running job within a batch, and keep what there is."""
        with self._lock:
            if self._job is not None and self.busy:
                self._job.cancel()
                self.status = "Cancelling: ends with this batch"

    def wait(self, timeout: float | None = None) -> None:
        """Wait until the job is over, and raise what failed in it.

        Raises
        ------
        TimeoutError
            If it is not over after `timeout` seconds; it goes on.
        """
        job = self._job
        if job is None:
            return
        if not self._home.wait(job, timeout):
            raise TimeoutError(f"The job is not over after {timeout} s; it goes on. {self.status}")
        if job.error is not None and self._job is job:
            raise job.error

    def _start(self, work: Callable[[Job], None], ended: Callable[[Job], None], words: str) -> None:
        """Put a job in the place of the one that runs."""
        with self._lock:
            if self._closed:
                raise ValueError(
                    f"An explorer works until it is closed; this one says {self.status!r}. "
                    "Make another: carviz.explore(…)."
                )
            self._supersede()

            def whole(job: Job) -> None:
                self._before_work()
                work(job)

            job = Job(whole, ended)
            self._job, self._story = job, ""
            with self.hold_trait_notifications():
                self.busy, self.progress, self.status = True, 0.0, words
            job.start()

    def _before_work(self) -> None:
        """Do what every job begins with, in its thread."""

    def _supersede(self) -> None:
        """Take the pen from a running job."""
        if self._job is not None:
            self._job.cancel()
            self._job = None

    def _only(self, job: Job) -> None:
        """Raise `Cancelled` in a job that another has taken the place of."""
        if self._job is not job:
            raise Cancelled

    def _ticker(self, job: Job, words: Callable[[float], str]) -> Callable[[float], None]:
        """Return what a job's work tells its progress to; it ends a job that was cancelled."""
        throttle = Throttle()

        def tick(share: float) -> None:
            job.check()
            if throttle.due():
                with self._lock:
                    self._only(job)
                    self.progress = min(share, 1.0)
                    self.status = words(share)

        return tick

    def _end(self, job: Job, progress: float, words: str) -> None:
        """Say how a job ended; of whoever holds the lock, the last word."""
        self._story, self.progress = job.story, progress
        self.status = words
        self.busy = False
