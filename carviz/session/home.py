"""How a worker gets a piece of work done in the thread that its session was made in."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any, TypeVar

from carviz.interrupts import uninterrupted

LOOK = 0.02
"""Seconds between two looks at whether there is something to do."""

Result = TypeVar("Result")


class Cancelled(BaseException):
    """The job was told to stop. No `Exception`, so that reading data cannot swallow it."""


class Home:
    """The thread that a session was made in, and what waits to be done there.

    While torch.fx traces a network it patches `torch.nn.Module` for the whole process, so a worker
    leaves tracing to the kernel's thread. That runs an event loop, which takes such a piece between
    two cells; a cell, or a script without a loop, takes it while it waits for the job.

    Parameters
    ----------
    ident
        Tells which thread asks.
    """

    def __init__(self, ident: Callable[[], int]) -> None:
        self._ident = ident
        self._thread = ident()
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
        while not wait([future], LOOK).done:
            try:
                check()
            except BaseException:
                future.cancel()
                raise
        return future.result()

    def wait(self, over: Callable[[float | None], bool], timeout: float | None = None) -> bool:
        """Wait until something is over, doing what is asked for meanwhile; return whether it is.

        `over` waits so many seconds at most. A script has no loop that would come by: there whoever
        waits does what is asked for.
        """
        if self._ident() != self._thread and self.attended:
            return over(timeout)
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            self.serve()
            left = LOOK if end is None else min(LOOK, end - time.monotonic())
            if over(max(left, 0.0)):
                return True
            if left <= 0:
                return False

    def serve_here(self) -> None:
        """Do what was asked for if this is home."""
        if self._ident() == self._thread:
            self.serve()

    def serve(self) -> None:
        """Do what was asked for."""
        while self._asked:
            taken: Future[Any] | None = None
            try:
                with uninterrupted():  # else what was taken, and not begun, would be lost
                    try:
                        future, work = self._asked.popleft()
                    except IndexError:  # another thread was faster
                        return
                    taken = future if future.set_running_or_notify_cancel() else None
                if taken is not None:
                    taken.set_result(work())
            except BaseException as error:
                if taken is not None and not taken.done():
                    taken.set_exception(error)
                if not isinstance(error, (Exception, Cancelled)):
                    raise  # the cell was interrupted: both shall know
