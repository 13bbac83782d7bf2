"""Batches side by side on a CPU: each runs on one core, and no operation waits for another core.

torch shares out every single operation among its threads, and all of them wait, spinning, for the
last. Where cores are shared too (a hub, a workshop, a second notebook) the last is one that another
process has pushed aside, and so it goes thousands of times a second. Batches need nothing of one
another: here each worker runs whole batches, with one thread, and takes the next when it is done.
"""

from __future__ import annotations

import os
import queue
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any, TypeVar

import torch

from carviz.interrupts import uninterrupted

T = TypeVar("T")
Said = int | BaseException | None
"""How much a job was, what it raised, or None: no worker is at work."""

_own = threading.local()
"""The crew of each thread that has work done: to start one takes as long as a small batch."""


def side_by_side(
    jobs: Iterable[T],
    do: Callable[[T], int],
    *,
    workers: int,
    context: Callable[[], AbstractContextManager[Any]],
    tick: Callable[[int], None] | None = None,
) -> None:
    """Do all jobs, each in one of some workers of one thread.

    Parameters
    ----------
    jobs
        What is to be done; the workers take the next in turn.
    do
        Does a job, and says how much that was.
    workers
        How many jobs are done at a time; 1: in this thread, with as many threads as it has.
    context
        What a worker does its jobs in: torch's modes are a thread's own.
    tick
        Told of each job that is done, in this thread. What it raises ends the work, as what a job
        raises does; then the jobs that are being done end first.
    """
    if workers == 1:
        for job in jobs:
            done = do(job)
            if tick is not None:
                tick(done)
        return
    crew: _Crew | None = getattr(_own, "crew", None)
    if crew is None or not crew.serves(workers):
        crew = _own.crew = _Crew(workers)
    crew.do_all(_JobQueue(iter(jobs), do, context), tick)


class _JobQueue:
    """Jobs that the workers share.

    Attributes
    ----------
    said
        What each job was, or raised; None when nobody is at work any more. Ctrl-C may swallow a
        word on its way, so nothing else hangs on one.
    """

    def __init__(
        self, jobs: Iterator[Any], do: Callable[[Any], int],
        context: Callable[[], AbstractContextManager[Any]],
    ) -> None:  # fmt: skip
        self._jobs, self._do, self._context = jobs, do, context
        self._turn = threading.Condition(threading.Lock())
        self._busy, self._ended = 0, False
        self.said: queue.SimpleQueue[Said] = queue.SimpleQueue()

    def run(self) -> None:
        """Do jobs until there are no more, in a worker; nothing when the work has ended."""
        with self._turn:
            if self._ended:
                return
            self._busy += 1
        try:
            with self._context():
                while (job := self._next()) is not None:
                    self.said.put(self._do(job))
        except BaseException as error:
            self.said.put(error)
        with self._turn:
            self._busy -= 1
            if not self._busy:
                self.said.put(None)
                self._turn.notify_all()

    def _next(self) -> Any:
        with self._turn:
            return None if self._ended else next(self._jobs, None)

    def end(self) -> None:
        """Have no further job begun, and wait for those that are being done."""
        self._ended = True
        with self._turn:
            while self._busy:
                self._turn.wait()


class _Crew:
    """Threads of one torch thread each that wait for work, as long as the thread that has them."""

    def __init__(self, count: int) -> None:
        self._count, self._process = count, os.getpid()
        self._calls: queue.SimpleQueue[_JobQueue | None] = queue.SimpleQueue()
        before, ready = torch.get_num_threads(), threading.Barrier(count + 1)
        threads = [
            threading.Thread(
                target=_work, args=(self._calls, ready), daemon=True, name="carviz-worker"
            )
            for _ in range(count)
        ]
        weakref.finalize(self, _dismiss, self._calls, count)  # also if what follows is cut off
        # What a thread sets counts for itself, and for threads that are yet to come.
        with uninterrupted():
            try:
                for thread in threads:
                    thread.start()
                ready.wait()
            except RuntimeError:  # no more threads can be started
                ready.abort()
                raise
            finally:
                torch.set_num_threads(before)

    def serves(self, count: int) -> bool:
        """Whether so many workers wait here: a fork of the process has none of its threads."""
        return self._count == count and self._process == os.getpid()

    def do_all(self, work: _JobQueue, tick: Callable[[int], None] | None) -> None:
        """Have some work done by the workers, and raise what a job or `tick` raised."""
        try:
            for _ in range(self._count):
                self._calls.put(work)
            while (said := work.said.get()) is not None:
                if isinstance(said, BaseException):
                    raise said
                if tick is not None:
                    tick(said)
        finally:
            work.end()


def _work(calls: queue.SimpleQueue[_JobQueue | None], ready: threading.Barrier) -> None:
    torch.set_num_threads(1)
    # A thread of which torch has not asked yet takes, when it asks, what was set last anywhere.
    torch.get_num_threads()
    try:
        ready.wait()
    except threading.BrokenBarrierError:
        return
    while (work := calls.get()) is not None:
        work.run()
        del work  # nothing of it is held while waiting


def _dismiss(calls: queue.SimpleQueue[_JobQueue | None], count: int) -> None:
    for _ in range(count):
        calls.put(None)


def even_size(rows: int, size: int, workers: int) -> int:
    """Return a batch's size of `size` at most, so that all workers have as much to do."""
    rounds = max(1, -(-rows // (size * workers)))
    return max(1, -(-rows // (rounds * workers)))
