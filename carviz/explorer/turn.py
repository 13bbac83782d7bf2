"""Whose turn it is to read data that only one thread at a time may read."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

BREATH = 0.002
"""Seconds in which another thread can take its turn."""


class Turn:
    """Held, by ``with``, while data is read; of data that many may read everybody has a turn.

    Parameters
    ----------
    lock
        Of the data; None where many threads may read it at a time.
    """

    def __init__(self, lock: threading.Lock | None) -> None:
        self._lock = lock

    @property
    def shared(self) -> bool:
        """Whether many threads may read at a time."""
        return self._lock is None

    def __enter__(self) -> None:
        if self._lock is not None:
            self._lock.acquire()

    def __exit__(self, *_error: object) -> None:
        self.leave()

    def take(self) -> bool:
        """Take the turn if nobody has it, without waiting; return whether it was taken."""
        return self._lock is None or self._lock.acquire(blocking=False)

    def leave(self) -> None:
        """Leave the turn to others."""
        if self._lock is not None:
            self._lock.release()

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """Leave a turn that is held to others meanwhile."""
        self.leave()
        try:
            yield
        finally:
            self.__enter__()

    def pass_on(self) -> None:
        """Let whoever waits for the turn have it once."""
        if not self.shared:
            with self.aside():
                time.sleep(BREATH)
