"""Waiting for what another thread does."""

import time
from collections.abc import Callable

WAIT = 30
"""Seconds after which a test gives up."""


def eventually(true: Callable[[], object]) -> None:
    """Wait until something is true."""
    end = time.monotonic() + WAIT
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)
