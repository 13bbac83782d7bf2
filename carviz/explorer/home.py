"""How a worker gets a piece of work done in the thread that its explorer was made in.

While torch.fx traces a network it patches `torch.nn.Module` for the whole process, so a worker
leaves tracing to the kernel's thread. That runs an event loop, which takes such a piece between two
cells; a cell, or a script without a loop, takes it while it waits for the job.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any, TypeVar

from carviz.explorer.job import Cancelled, Job

PAUSE = 0.02
"""Seconds between two looks at whether there is something to do."""

Result = TypeVar("Result")


class Home:
    """The thread that an explorer was made in, and what waits to be done there."""

    def __init__(self) -> None:
        self._thread = threading.get_ident()
        self._asked: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        try:
            self._loop: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            self._loop = None

    @property
    def attended(self) -> bool:
        """Whether what is asked for is done without anybody waiting for it."""
        return self._loop is not None and self._loop.is_running()

    def run(self, work: Callable[[], Result], check: Callable[[], None]) -> Result:
        """Have a piece of work done at home, for a worker; return what it returns, or raise it.

        `check` is called while it waits; what that raises withdraws the work.
        """
        future: Future[Result] = Future()
        self._asked.append((future, work))
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.serve)
        while not wait([future], PAUSE).done:
            try:
                check()
            except BaseException:
                future.cancel()
                raise
        return future.result()

    def wait(self, job: Job, timeout: float | None = None) -> bool:
        """Wait until a job is over, doing what it asks for if here is home; return whether it is.

        A script has no loop that would come by: there whoever waits does it.
        """
        if threading.get_ident() != self._thread and self.attended:
            return job.wait(timeout)
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            self.serve()
            left = PAUSE if end is None else min(PAUSE, end - time.monotonic())
            if job.wait(max(left, 0.0)):
                return True
            if left <= 0:
                return False

    def serve(self) -> None:
        """Do what was asked for."""
        while self._asked:
            try:
                future, work = self._asked.popleft()
            except IndexError:  # another thread was faster
                return
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(work())
            except (Exception, Cancelled) as error:
                future.set_exception(error)
            except BaseException as error:  # the cell was interrupted: both shall know
                future.set_exception(error)
                raise
