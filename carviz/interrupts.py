"""Floor −1: Ctrl-C leaves nothing behind, for it waits while what others rely on is changed.

SIGINT is heard by the main thread alone, between any two steps: also while torch.fx takes its
patches back. So a handler of ours stands in for the user's, whatever that is, from before a change
until it is undone. It lets the first SIGINT through where its exception finds its way out past all
that must be undone, holds back every other, and hands on what it held back when all is undone.

A handler that Python did not set, or none, raises nothing between two steps, and is left alone.
"""

from __future__ import annotations

import signal
import threading
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager, ContextDecorator, nullcontext
from types import FrameType, TracebackType
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Hold:
    """Keeps SIGINT waiting from `take` to `release`, but where it is open: there one goes through.

    Nothing happens in other threads than the main one, which do not hear SIGINT.
    """

    def __init__(self) -> None:
        self.closed = True

    def take(self) -> None:
        """Begin; nothing may be changed before."""
        _SIGINT.take(self)

    def open(self) -> None:
        """Let the next SIGINT through, or the one that waits: what it raises comes from here."""
        self.closed = False
        _SIGINT.hand_on(self)

    def close(self) -> None:
        """Let none through."""
        self.closed = True

    def release(self) -> None:
        """End, when all is undone; what a SIGINT that waited raises comes from here."""
        _SIGINT.release(self)


class Whole(ContextDecorator, Generic[T]):
    """Enters and leaves another context wholly, or not at all.

    Parameters
    ----------
    make
        Makes what is entered and left while SIGINT waits.
    opened
        Whether SIGINT goes through meanwhile.
    """

    def __init__(self, make: Callable[[], AbstractContextManager[T]], *, opened: bool) -> None:
        self._make, self._opened = make, opened
        self._entered = False
        self.hold = Hold()

    def _recreate_cm(self) -> Whole[T]:
        return Whole(self._make, opened=self._opened)  # a decorator's, at each call

    def __enter__(self) -> T:
        """Enter the context; an interrupt that comes meanwhile leaves it again."""
        self.hold.take()
        try:
            self._context = self._make()
            value = self._context.__enter__()
            self._entered = True
            if self._opened:
                self.hold.open()
            return value
        except BaseException as error:
            self._leave(type(error), error, error.__traceback__)
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        """Leave the context; nothing is let through from the first step on (`_is_leaving`)."""
        return self._leave(kind, error, traceback)

    def _leave(self, *error: Any) -> bool | None:
        self.hold.close()
        try:
            if not self._entered:
                return None
            self._entered = False
            return self._context.__exit__(*error)
        finally:
            self.hold.release()


def whole(make: Callable[[], AbstractContextManager[T]]) -> Whole[T]:
    """Enter and leave what `make` makes with SIGINT held back, and let it through inside.

    The first SIGINT inside goes on at once; what comes while its exception leaves the context
    waits until it is left. Also a decorator.
    """
    return Whole(make, opened=True)


def uninterrupted(make: Callable[[], AbstractContextManager[Any]] = nullcontext) -> Whole[Any]:
    """Hold SIGINT back inside, and while what `make` makes is entered and left; a decorator too."""
    return Whole(make, opened=False)


class _Sigint:
    """What all holds have in common: the one handler.

    Its own steps may be interrupted as well: whatever is half done says so in `_changing`.
    """

    def __init__(self) -> None:
        self._theirs: Callable[[int, FrameType | None], Any] = signal.default_int_handler
        self._holds: list[weakref.ref[Hold]] = []  # of one that was cut off nothing shall stay
        self._changing = self._heard = self._passed = False

    def take(self, hold: Hold) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        now = signal.getsignal(signal.SIGINT)
        if not callable(now):
            return
        self._changing = True
        if not (living := self._living()):
            self._heard = self._passed = False
        if now != self._hear:
            self._theirs = now
            signal.signal(signal.SIGINT, self._hear)
        self._holds = [weakref.ref(other) for other in [*living, hold]]
        self._changing = False

    def hand_on(self, hold: Hold) -> None:
        if self._heard and hold in self._living():
            self._heard = False
            signal.raise_signal(signal.SIGINT)  # waits again, where another hold is closed

    def release(self, hold: Hold) -> None:
        living = self._living()
        if hold not in living:
            return
        self._changing = True
        self._holds = [weakref.ref(other) for other in living if other is not hold]
        # Somebody else's handler may have come meanwhile; that stays.
        if not self._holds and signal.getsignal(signal.SIGINT) == self._hear:
            signal.signal(signal.SIGINT, self._theirs)
        self._changing = False
        if self._heard:
            self._heard = False
            signal.raise_signal(signal.SIGINT)

    def _living(self) -> list[Hold]:
        return [hold for held in self._holds if (hold := held()) is not None]

    def _hear(self, number: int, frame: FrameType | None) -> None:
        living = self._living()
        shut = any(hold.closed for hold in living) or _is_leaving(frame, living)
        if self._changing or shut or (self._passed and living):
            self._heard = True
            return
        self._passed = True
        self._theirs(number, frame)
        self._passed = False  # their handler raised nothing: the next may pass as well


_SIGINT = _Sigint()


def _is_leaving(frame: FrameType | None, living: list[Hold]) -> bool:
    """Whether a hold's context is being left: a step of `__exit__` comes before it can close."""
    while frame is not None:
        if frame.f_code is Whole.__exit__.__code__ and frame.f_locals["self"].hold in living:
            return True
        frame = frame.f_back
    return False
