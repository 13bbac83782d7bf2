"""A deadline for code of others that may not come back, and a way to call it off."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

EVERY = 0.05
"""Seconds between two looks at whether the work is still wanted."""


class DeadlineError(Exception):
    """The work took longer than it may."""


class _StopError(BaseException):
    """Passes every `except Exception` of the code that is stopped; `cause` is what is raised."""

    def __init__(self, cause: BaseException) -> None:
        self.cause = cause


@contextmanager
def deadline(end: float, still_wanted: Callable[[], Any], package: str) -> Iterator[None]:
    """Stop what runs inside at a time, or once `still_wanted` raises, and raise that.

    It works in every thread, for pure Python code: Python tells of each call of a function, and a
    call of one of `package` looks at the clock. Ctrl-C comes through as ever.

    Parameters
    ----------
    end
        When, on `time.monotonic`'s clock.
    still_wanted
        Called now and then; what it raises ends the work.
    package
        Part of the path of the files whose functions may be left at any call.

    Raises
    ------
    DeadlineError
        If it is not done by then.
    """
    before, due = sys.getprofile(), 0.0

    def look(frame: Any, event: str, _argument: Any) -> None:
        nonlocal due
        if event != "call" or (now := time.monotonic()) < due:
            return
        if package not in frame.f_code.co_filename:
            return  # what is raised in a finaliser, say, would be lost
        due = now + EVERY
        try:
            if now > end:
                raise DeadlineError
            still_wanted()
        except BaseException as error:
            raise _StopError(error) from None

    sys.setprofile(look)
    try:
        yield
    except _StopError as stop:
        raise stop.cause from None
    finally:
        sys.setprofile(before)
