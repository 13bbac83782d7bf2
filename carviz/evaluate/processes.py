"""Reading images in processes of our own, piece by piece, as this process would read them."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Callable, Generator, Sequence
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

PIECE = 32
"""Images that a process reads at a time."""
START = "fork" if sys.platform == "linux" else None
"""How the processes start: forked ones are there at once, and need no guard in a script."""

Piece = Sequence[int]
Read = Callable[[Piece], tuple[Any, Any]]


def may_start() -> bool:
    """Tell whether this process may start others; one of a pool may be forbidden to."""
    return not multiprocessing.current_process().daemon


def read_pieces(read: Read, pieces: list[Piece], workers: int) -> Generator[tuple[Any, Any]]:
    """Yield what `read` gives of each piece, in order; `workers` processes call it.

    Raises
    ------
    TypeError, ValueError
        What `read` raises, in the same words.
    """
    loader = DataLoader(
        _Pieces(read),
        sampler=pieces,
        batch_size=None,
        collate_fn=_as_given,
        num_workers=workers,
        multiprocessing_context=START,
        generator=torch.Generator(),  # torch's own state stays as it is
    )
    stream = iter(loader)
    try:
        for _ in pieces:
            yield _or_raise(next(stream))
    finally:
        # The processes end here. Left to the garbage collector they linger for five seconds,
        # since it takes away the queue first over which they are told to.
        del stream


class _Pieces(Dataset[Any]):
    """Gives an error back instead of raising it, so that its words stay as they are."""

    def __init__(self, read: Read) -> None:
        self._read = read

    def __getitem__(self, numbers: Piece) -> tuple[Any, Any] | Exception:
        try:
            return self._read(numbers)
        except TypeError as error:
            return TypeError(str(error))
        except Exception as error:
            return ValueError(str(error))


def _as_given(piece: Any) -> Any:
    return piece


def _or_raise(piece: Any) -> tuple[Any, Any]:
    if isinstance(piece, Exception):
        try:
            raise piece
        finally:
            del piece  # an error that its own frame holds is left to the garbage collector
    images, labels = piece
    return images, labels
