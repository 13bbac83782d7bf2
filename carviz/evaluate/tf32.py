"""TF32 on a CPU, for tests and studies: the inputs of every product, rounded as a GPU rounds them.

A GPU's TF32 keeps float32's exponent and 10 bits of its mantissa in what goes into a product, and
sums the products in float32. A CPU gains nothing by that, so there it is done only where somebody
wants to see what a GPU would find.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

DROPPED = 13
"""Bits of float32's 23 that TF32 drops."""
FACTORS = {
    "convolution": (0, 1), "_convolution": (0, 1), "linear": (0, 1),
    "mm": (0, 1), "bmm": (0, 1), "mv": (0, 1), "dot": (0, 1), "vdot": (0, 1),
    "addmm": (1, 2), "addbmm": (1, 2), "baddbmm": (1, 2), "addmv": (1, 2), "addr": (1, 2),
}  # fmt: skip
"""Which arguments of an operation are multiplied; matmul, conv2d, einsum come down to these."""

_imitated = 0
_HERE = threading.local()


def round_to_tf32(numbers: Tensor) -> Tensor:
    """Return float32 numbers to 10 bits of mantissa, to the nearest, halves to the even one.

    Examples
    --------
    >>> round_to_tf32(torch.tensor([1.0, 1 + 2**-11, 1 + 3 * 2**-11])).sub(1).mul(2**10).tolist()
    [0.0, 0.0, 2.0]
    """
    bits = numbers.view(torch.int32)
    even = (bits >> DROPPED) & 1
    rounded = (bits + (2 ** (DROPPED - 1) - 1) + even) & -(2**DROPPED)
    return torch.where(numbers.isfinite(), rounded.view(torch.float32), numbers)


@contextmanager
def imitated_tf32() -> Iterator[None]:
    """Let `carviz.evaluate.arithmetic` mean TF32 on a CPU as well, inside; in all threads.

    Not in other processes: workers measure in float32 what they are sent.
    """
    global _imitated
    _imitated += 1
    try:
        yield
    finally:
        _imitated -= 1


def is_coarser(precision: str, device: str) -> bool:
    """Whether products are coarser than float32's: "tf32" is nothing on a CPU, but where imitated.

    Parameters
    ----------
    precision
        "float32", "tf32" or "bf16".
    device
        The kind of device that computes.
    """
    return precision == "bf16" or (precision == "tf32" and (device == "cuda" or _imitated > 0))


def imitation(precision: str, device: str) -> AbstractContextManager[Any]:
    """Round inside as the precision says, where TF32 is imitated; nothing at all elsewhere."""
    if device != "cpu" or not _imitated:
        return nullcontext()
    return _rounding(precision == "tf32")


@contextmanager
def _rounding(on: bool) -> Iterator[None]:
    before = getattr(_HERE, "on", False)
    _HERE.on = on
    try:
        with _Rounding() if on else nullcontext():  # type: ignore[no-untyped-call]
            yield
    finally:
        _HERE.on = before


class _Rounding(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Rounds the factors of every product; who asks for float32 further inside has it off."""

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        name = func.overloadpacket.__name__.removesuffix("_")  # type: ignore[attr-defined]
        factors = FACTORS.get(name, ()) if getattr(_HERE, "on", False) else ()
        if not factors:
            with self:  # in inference mode conv2d and matmul come whole: look at what they do
                result = func.decompose(*args, **(kwargs or {}))  # type: ignore[attr-defined]
            if result is not NotImplemented:
                return result
        given = [
            round_to_tf32(x)
            if place in factors and isinstance(x, Tensor) and x.dtype == torch.float32
            else x
            for place, x in enumerate(args)
        ]
        return func(*given, **(kwargs or {}))
