"""In which precision a network runs, whatever the user's switches, and in however many threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

_LOCK = threading.Lock()
_INSIDE: list[str] = []
"""What is asked for by all who compute now: torch's switches are the whole process's."""
_BEFORE: list[_Switches] = []
"""How the user had set them, while anybody computes."""


@contextmanager
def arithmetic(precision: str, device: str) -> Iterator[None]:
    """Compute as asked for inside: float32 means float32, whatever the user's switches.

    Left alone, a GPU rounds more coarsely: cuDNN's TF32 is on by default. Deep networks then give
    an image other logits in another batch, by more than any check could let pass. TF32 of matrix
    products is off, unless somebody turned it on.

    Where several threads compute, TF32 is on only while all of them ask for it; the last to leave
    puts the user's switches back.

    Parameters
    ----------
    precision
        "float32", "tf32" or "bf16".
    device
        The kind of device that computes: "cpu", "cuda", …
    """
    _enter(precision)
    try:
        with torch.autocast(device, dtype=torch.bfloat16, enabled=precision == "bf16"):
            yield
    finally:
        _leave(precision)


def _enter(precision: str) -> None:
    with _LOCK:
        if not _INSIDE:
            _BEFORE.append(_Switches())
        _INSIDE.append(precision)
        _switch()


def _leave(precision: str) -> None:
    with _LOCK:
        _INSIDE.remove(precision)
        if _INSIDE:
            _switch()
        else:
            _BEFORE.pop().put_back()


def _switch() -> None:
    _BEFORE[0].set(all(precision == "tf32" for precision in _INSIDE))


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
