"""Batches side by side on a CPU: each runs on one core, and no operation waits for another core.

torch shares out every single operation among its threads, and all of them wait, spinning, for the
last. Where cores are shared too (a hub, a workshop, a second notebook) the last is one that another
process has pushed aside, and so it goes thousands of times a second. Batches need nothing of one
another: here each worker runs whole batches, with one thread, and takes the next when it is done.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any, TypeVar

import torch

from carviz.interrupts import uninterrupted

T = TypeVar("T")


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
    crew = _Crew(iter(jobs), do, context)
    try:
        crew.start(workers)
        for done in crew.done():
            if tick is not None:
                tick(done)
    finally:
        crew.stop()


class _Crew:
    """Threads of one torch thread each, and what they say."""

    def __init__(
        self, jobs: Iterator[Any], do: Callable[[Any], int],
        context: Callable[[], AbstractContextManager[Any]],
    ) -> None:  # fmt: skip
        self._jobs, self._do, self._context = jobs, do, context
        self._turn = threading.Lock()
        self._ended = False
        self._said: queue.SimpleQueue[int | BaseException | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []

    def start(self, count: int) -> None:
        """Start the workers. How many threads this one and others to come have stays as it is."""
        before, ready = torch.get_num_threads(), threading.Barrier(count + 1)
        self._threads = [
            threading.Thread(target=self._work, args=(ready,), daemon=True, name="carviz-worker")
            for _ in range(count)
        ]
        # What a thread sets counts for itself, and for threads that are yet to come.
        with uninterrupted():
            try:
                for thread in self._threads:
                    thread.start()
                ready.wait()
            except RuntimeError:  # no more threads can be started
                ready.abort()
                raise
            finally:
                torch.set_num_threads(before)

    def done(self) -> Iterator[int]:
        """Yield what each job was, as jobs are done; raise what one raised."""
        left = len(self._threads)
        while left:
            said = self._said.get()
            if isinstance(said, BaseException):
                raise said
            if said is None:
                left -= 1
            else:
                yield said

    def stop(self) -> None:
        """Let no job be begun, and wait for those that have been."""
        self._ended = True
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    def _work(self, ready: threading.Barrier) -> None:
        torch.set_num_threads(1)
        # A thread of which torch has not asked yet takes, when it asks, what was set last anywhere.
        torch.get_num_threads()
        try:
            ready.wait()
            with self._context():
                while not self._ended:
                    with self._turn:
                        job = next(self._jobs, None)
                    if job is None:
                        break
                    self._said.put(self._do(job))
            self._said.put(None)
        except BaseException as error:
            self._said.put(error)


def even_size(rows: int, size: int, workers: int) -> int:
    """Return a batch's size of `size` at most, so that all workers have as much to do."""
    rounds = max(1, -(-rows // (size * workers)))
    return max(1, -(-rows // (rounds * workers)))
