"""In which precision a network runs, whatever the user's switches, and in however many threads."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch

from carviz.evaluate.tf32 import imitation
from carviz.interrupts import Whole, whole

_LOCK = threading.RLock()
_INSIDE: weakref.WeakSet[_Asked] = weakref.WeakSet()
"""Who computes now: torch's switches are the whole process's. Who was cut off is not among them."""
_HERE = threading.local()
"""The precision that was asked for last, in this thread."""
_BEFORE: list[_Switches] = []
"""How the user had set them, while anybody computes."""


def arithmetic(precision: str, device: str) -> Whole[None]:
    """Compute as asked for inside: float32 means float32, whatever the user's switches.

    Left alone, a GPU rounds more coarsely: cuDNN's TF32 is on by default. Deep networks then give
    an image other logits in another batch, by more than any check could let pass. TF32 of matrix
    products is off, unless somebody turned it on.

    Where several threads compute, TF32 is on only while all of them ask for it; the last to leave
    puts the user's switches back. Ctrl-C ends what is computed inside, and waits until the switches
    are back; should they not be, the next to come puts them back first.

    Parameters
    ----------
    precision
        "float32", "tf32" or "bf16".
    device
        The kind of device that computes: "cpu", "cuda", …
    """
    return whole(lambda: _computing(_Asked(precision), device))


def in_float32(device: str) -> AbstractContextManager[None]:
    """Compute in float32 inside, for a step of what is computed in low precision; else nothing."""
    exact = getattr(_HERE, "precision", "float32") == "float32"
    return nullcontext() if exact else arithmetic("float32", device)


class _Asked:
    """What one of those who compute asks for."""

    def __init__(self, precision: str) -> None:
        self.precision = precision


@contextmanager
def _computing(asked: _Asked, device: str) -> Iterator[None]:
    before = getattr(_HERE, "precision", "float32")
    try:
        _enter(asked)
        _HERE.precision = asked.precision
        bf16 = asked.precision == "bf16"
        with (
            torch.autocast(device, dtype=torch.bfloat16, enabled=bf16),
            imitation(asked.precision, device),
        ):
            yield
    finally:
        _HERE.precision = before
        _leave(asked)


def _enter(asked: _Asked) -> None:
    with _LOCK:
        if not _INSIDE:
            _put_back()
            _BEFORE.append(_Switches())
        _INSIDE.add(asked)
        _switch()


def _leave(asked: _Asked) -> None:
    with _LOCK:
        _INSIDE.discard(asked)
        if _INSIDE:
            _switch()
        else:
            _put_back()


def _put_back() -> None:
    for switches in _BEFORE:  # not before they are back are they forgotten
        switches.put_back()
    _BEFORE.clear()


def _switch() -> None:
    _BEFORE[0].set(all(asked.precision == "tf32" for asked in _INSIDE))


class _Switches:
    """All of torch's switches, as they are when this is made.

    torch has two sets, and refuses to read the older one while the newer one, which can say more,
    says otherwise. Both are set, so that neither is in the way of whoever reads the other; but what
    cannot be read is left alone.
    """

    def __init__(self) -> None:
        self._products = _readable(torch.get_float32_matmul_precision)
        self._convolutions = _readable(lambda: torch.backends.cudnn.allow_tf32)
        # What an operator has from a switch above it shall follow that switch later, too.
        self._own = [
            "none" if operator.fp32_precision == above.fp32_precision else operator.fp32_precision
            for operator, above in _operators()
        ]

    def set(self, tf32: bool) -> None:
        self._set_older("high" if tf32 else "highest", tf32)
        for operator, _ in _operators():
            operator.fp32_precision = "tf32" if tf32 else "ieee"

    def put_back(self) -> None:
        self._set_older(self._products, self._convolutions)
        for (operator, _), own in zip(_operators(), self._own, strict=True):
            operator.fp32_precision = own

    def _set_older(self, products: Any, convolutions: Any) -> None:
        if self._products is not None:
            torch.set_float32_matmul_precision(products)
        if self._convolutions is not None:
            torch.backends.cudnn.allow_tf32 = convolutions


def _readable(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except RuntimeError:
        return None


def _operators() -> list[tuple[Any, Any]]:
    """Return where torch keeps the newer switches: of an operator, and that above it."""
    backends: Any = torch.backends
    return [
        (backends.cudnn.conv, backends.cudnn),
        (backends.cudnn.rnn, backends.cudnn),
        (backends.cuda.matmul, backends),
        (backends.mkldnn.conv, backends.mkldnn),
        (backends.mkldnn.matmul, backends.mkldnn),
    ]
