"""One thread that does whatever a session does in the background, and one lock for what it writes.

A *job* (measuring, pruning, opening…) is what somebody asked for: there is one at a time, and the
next one takes its place. Beside jobs the thread does *steps*: short pieces of work, such as a
picture that somebody looks at. They are done while there is no job, and between two batches of a
job, for as long as the batch took at most, so that a job keeps half of the time.

One thread reads the data, then: a user's dataset need not bear more.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
import traceback
import weakref
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

from carviz.evaluate import return_memory
from carviz.interrupts import uninterrupted
from carviz.session.home import LOOK, Cancelled, Home

PAUSE = 0.12
"""Seconds between two updates of what a browser shows: more of them make it lag behind."""
PATIENCE = 10.0
"""Seconds to wait for the last batch of what has ended: none runs while a network is traced."""
DEBT = 1.0
"""Seconds of steps that a job may save up, or that a long step may cost the steps after it."""

Step = Callable[[], None]
Result = TypeVar("Result")


class Job:
    """A piece of work that somebody asked for: `work(job)` and then, however it went, `ended(job)`.

    The job itself is the token of who may write: whoever holds another one has been superseded.

    Parameters
    ----------
    work
        Calls `check` or `step` again and again.
    ended
        Told in the worker's thread when the work is over; `error` and `stopped` say how.

    Attributes
    ----------
    error : BaseException or None
        What failed.
    story : str
        Its traceback, in words.
    stopped : bool
        Whether the work ended because it was told to.
    remark : str
        What the words for its end begin with.
    """

    def __init__(self, work: Callable[[Job], None], ended: Callable[[Job], None]) -> None:
        self._work = work
        self._ended = ended
        self._cancel = threading.Event()
        self._over = threading.Event()
        self.error: BaseException | None = None
        self.story = ""
        self.stopped = False
        self.remark = ""
        self.started = time.monotonic()
        self._give_way: Callable[[], None] = lambda: None

    def cancel(self) -> None:
        """Tell the work to stop at its next step."""
        self._cancel.set()

    @property
    def cancelled(self) -> bool:
        """Whether the work has been told to stop."""
        return self._cancel.is_set()

    def check(self) -> None:
        """Raise `Cancelled` if the work has been told to stop."""
        if self._cancel.is_set():
            raise Cancelled

    def step(self) -> None:
        """Do as `check`, between two batches, where other work may be done meanwhile."""
        self.check()
        self._give_way()
        self.check()

    @property
    def seconds(self) -> float:
        """Seconds since it was asked for."""
        return time.monotonic() - self.started

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until all is over; return whether it is."""
        return self._over.wait(timeout)

    def run(self, give_way: Callable[[], None] = lambda: None) -> None:
        """Do the work in this thread; `give_way` is called between two batches."""
        self._give_way = give_way
        try:
            self.check()
            self._work(self)
        except Cancelled:
            self.stopped = True
        except BaseException as error:
            self._keep(error)
        try:
            self._ended(self)
        except BaseException as error:
            if self.error is None:
                self._keep(error)
        finally:
            self._over.set()

    def _keep(self, error: BaseException) -> None:
        self.error = error
        self.story = words_of(error)


def words_of(error: BaseException) -> str:
    """Return the traceback in words, and let its frames go: they hold feature maps."""
    story = "".join(traceback.format_exception(error))
    traceback.clear_frames(error.__traceback__)
    return story


class Throttle:
    """Says when the next update is due: so many in a pause of so many seconds, and no more."""

    def __init__(self, pause: float = PAUSE, many: int = 1) -> None:
        self._pause = pause
        self._last = deque([-pause] * many, many)

    def due(self) -> bool:
        """Whether less than `many` were due within the last `pause` seconds."""
        now = time.monotonic()
        if now - self._last[0] < self._pause:
            return False
        self._last.append(now)
        return True


class Worker:
    """The thread, which lives as long as there is something to do.

    Parameters
    ----------
    next_step
        Returns the next step to be done, or None; told whether a job is under way. It is called
        with the lock held, and what it returns without.

    Attributes
    ----------
    lock
        Held by whoever reads or writes.
    home : Home
        The thread that the session was made in.
    """

    def __init__(self, next_step: Callable[[bool], Step | None]) -> None:
        self.lock = threading.RLock()
        self.home = Home(threading.get_ident)
        self._next_step = next_step
        self._thread: threading.Thread | None = None
        self._waiting: deque[Job] = deque()
        self._errands: deque[Step] = deque()
        self._job: Job | None = None
        self._idle = threading.Event()
        self._idle.set()
        self._closed = threading.Event()
        self._credit, self._since = 0.0, 0.0
        self.process = os.getpid()
        _ALL.add(self)

    def put(self, job: Job) -> None:
        """Have a job done as soon as the one before has ended, which is to be told so."""
        with self.lock:
            self._waiting.append(job)
            self._begin()

    def ask(self, errand: Step, after: float = 0.0) -> None:
        """Have a step done before all others; what fails in it is its own affair.

        It may be put off by so many seconds: nobody waits for it until then.
        """
        if after:
            timer = threading.Timer(after, self.ask, [errand])
            timer.daemon = True
            timer.start()
            return
        with self.lock:
            if not self._closed.is_set():
                self._errands.append(errand)
                self._begin()

    def do(self, work: Callable[[], Result]) -> Result:
        """Have something short done by the thread, and wait: return or raise what it does."""
        if self._closed.is_set() or self._is_here():
            return work()
        self.check_wait()
        future: Future[Result] = Future()

        def step() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(work())
            except BaseException as error:
                future.set_exception(error)

        self.ask(step)
        while not wait([future], LOOK).done:
            self.home.serve_here()  # else each would wait for the other
            if self._closed.is_set() and future.cancel():
                return work()
        return future.result()

    def wake(self) -> None:
        """Look for steps that are to be done now."""
        with self.lock:
            resting = self._thread is None and not self._closed.is_set()
            if resting and self._next_step(False) is not None:
                self._begin()

    def close(self) -> None:
        """Do no further step; jobs that wait end as the one does that is under way: when told."""
        with self.lock:
            self._closed.set()
            for job in (*self._waiting, *([] if self._job is None else [self._job])):
                job.cancel()

    def join(self, timeout: float | None = None) -> bool:
        """Do as `Home.wait` until there is nothing to do."""
        return self.home.wait(self._idle.wait, timeout)

    @property
    def can_wait(self) -> bool:
        """Whether the thread goes on while the caller waits for it."""
        return not (self._is_here() or self.lock._is_owned())  # type: ignore[attr-defined]

    def check_wait(self, timeout: float | None = None) -> None:
        """Refuse to wait, by a RuntimeError, where that would never end."""
        if timeout != 0 and not self.can_wait:
            raise RuntimeError(
                "Whoever waits for a session lets it go on; found its lock held, as by whoever is "
                "told of news (an observer of a trait). Wait outside, or take its snapshot()."
            )

    def _is_here(self) -> bool:
        return threading.current_thread() is self._thread

    @uninterrupted()
    def _begin(self) -> None:
        if self._thread is None:
            self._idle.clear()
            self._thread = threading.Thread(target=self._run, name="carviz-session", daemon=True)
            self._thread.start()

    # -- in the thread

    def _run(self) -> None:
        try:
            while (work := self._next()) is not None:
                work()
        except BaseException:  # a step tells what fails; whatever comes out of it is our fault
            with self.lock:
                self._rest()
                if self._waiting:
                    self._begin()
            raise

    def _next(self) -> Step | None:
        """Return the next job, or else the next step; None ends the thread."""
        with self.lock:
            self._job = job = self._waiting.popleft() if self._waiting else None
            if job is not None:
                return lambda: self._do(job)
            step = self._step(False)
            if step is None:
                self._rest()
            return step

    def _step(self, beside_job: bool) -> Step | None:
        if self._closed.is_set():
            return None
        return self._errands.popleft() if self._errands else self._next_step(beside_job)

    def _rest(self) -> None:
        self._thread = None
        self._idle.set()

    def _do(self, job: Job) -> None:
        self._credit, self._since = 0.0, time.monotonic()
        job.run(self._give_way)
        return_memory()

    def _give_way(self) -> None:
        """Do steps between two batches of a job, for as long as the job has worked in between."""
        if not self._is_here():
            return  # a helper of the job's
        now = time.monotonic()
        self._credit = min(self._credit + now - self._since, DEBT)
        while self._credit > 0:
            with self.lock:
                step = self._step(True)
            if step is None:
                break
            before = time.monotonic()
            step()
            self._credit = max(self._credit - (time.monotonic() - before), -DEBT)
        self._since = time.monotonic()


_ALL: weakref.WeakSet[Worker] = weakref.WeakSet()


@atexit.register
def _end_all() -> None:
    """End before the interpreter does: it would cut threads off in the midst of a computation."""
    for worker in [w for w in _ALL if w.process == os.getpid()]:  # a fork has no such thread
        worker.close()
        worker.join(PATIENCE)
