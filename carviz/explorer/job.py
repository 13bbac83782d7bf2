"""One piece of work in a thread of its own, that can be told to stop and never raises into air."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable

PAUSE = 0.12
"""Seconds between two updates of what a browser shows: more of them make it lag behind."""


class Cancelled(BaseException):
    """The job was told to stop. No `Exception`, so that reading data cannot swallow it."""


class Job:
    """A daemon thread that runs `work(job)` and then, whatever happened, `ended(job)`.

    The job itself is the token of who may write: whoever holds another one has been superseded.

    Parameters
    ----------
    work
        Calls `check` at every step.
    ended
        Told in the thread when the work is over; `error` and `stopped` say how.

    Attributes
    ----------
    error : BaseException or None
        What failed.
    story : str
        Its traceback, in words.
    stopped : bool
        Whether the work ended because it was told to.
    """

    def __init__(self, work: Callable[[Job], None], ended: Callable[[Job], None]) -> None:
        self._work = work
        self._ended = ended
        self._cancel = threading.Event()
        self._over = threading.Event()
        self.error: BaseException | None = None
        self.story = ""
        self.stopped = False
        self._thread = threading.Thread(target=self._run, name="carviz-explorer", daemon=True)
        self.started = time.monotonic()

    def start(self) -> None:
        """Start the thread."""
        self.started = time.monotonic()
        self._thread.start()

    def cancel(self) -> None:
        """Tell the work to stop at its next step."""
        self._cancel.set()

    def check(self) -> None:
        """Raise `Cancelled` if the work has been told to stop."""
        if self._cancel.is_set():
            raise Cancelled

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until all is over; return whether it is."""
        return self._over.wait(timeout)

    def _run(self) -> None:
        try:
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
        self.story = "".join(traceback.format_exception(error))
        # The frames hold feature maps; the error alone is kept.
        traceback.clear_frames(error.__traceback__)


class Throttle:
    """Says when the next update is due."""

    def __init__(self, pause: float = PAUSE) -> None:
        self._pause = pause
        self._last = -pause

    def due(self) -> bool:
        """Whether `pause` seconds have passed since the last time that this was True."""
        now = time.monotonic()
        if now - self._last < self._pause:
            return False
        self._last = now
        return True
