"""Which rows of a tail run together. All of it is known on the CPU before the first row runs.

A row is a pair: an image, and the channels that it loses. Pairs are listed on the CPU and moved to
the device once a block of images; a batch is a view of what was moved. So a GPU is never waited for
to learn what comes next.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

NOTHING = -1
"""The filter's number that stands for none."""

GATHERING = 32
"""Rows whose product with a piece's weights takes as long as fetching these weights, about."""
PIECES = (8, 16, 32, 64, 128)
"""Rows of a piece, those that are tried."""


@dataclasses.dataclass(frozen=True, eq=False)
class PaddedRows:
    """Rows of a batch in pieces of one length, each of which loses one set of channels.

    Where weights are many, they are fetched once a piece rather than once a row. Pieces that would
    be shorter are filled up.

    Parameters
    ----------
    rows
        (piece, place) rows of the batch.
    sets
        (piece, set) the channels that all rows of a piece lose, negative for none.
    back
        (row,) where each row of the batch is among all places of all pieces.
    """

    rows: Tensor
    sets: Tensor
    back: Tensor


@dataclasses.dataclass(frozen=True, eq=False)
class Batch:
    """Rows that run together.

    Parameters
    ----------
    sets
        (row, set) the channels that each row loses, each once, negative for none; or (1, set),
        which every row loses. On the CPU.
    channels
        The same where the network is.
    rows
        (row,) the image of each row, where the network is; None for all images in their order.
    count
        How many rows are asked for: those behind them only fill the batch up. None for all.
    """

    sets: NDArray[np.int64]
    channels: Tensor
    rows: Tensor | None = None
    count: int | None = None
    _pieces: dict[int, PaddedRows] = dataclasses.field(default_factory=dict, init=False, repr=False)

    @classmethod
    def of(
        cls, rows: NDArray[np.int64] | Tensor, sets: NDArray[np.int64] | Tensor,
        device: torch.device | str = "cpu",
    ) -> Batch:  # fmt: skip
        """Return the batch of some images (row,) and what each loses (row, set)."""
        rows, sets = np.asarray(rows, np.int64), np.asarray(sets, np.int64)
        return cls(sets, moved(sets, device), moved(rows, device))

    @classmethod
    def together(cls, channels: Sequence[int], device: torch.device | str = "cpu") -> Batch:
        """Return the batch of all images in their order, each of which loses the same channels."""
        sets = np.asarray([list(channels) or [NOTHING]], np.int64)
        return cls(sets, moved(sets, device))

    @property
    def loses_nothing(self) -> bool:
        """Whether no row loses anything."""
        return bool((self.sets < 0).all())

    @property
    def may_lose_nothing(self) -> bool:
        """Whether some place of a set stands for no channel."""
        return bool((self.sets < 0).any())

    def pieces(self, images: int) -> PaddedRows:
        """Return the rows in pieces; `images` is how many rows there are where `rows` is None."""
        count = images if self.rows is None else len(self.rows)
        if count not in self._pieces:  # each layer that reads the bank asks for them
            self._pieces[count] = self._cut(count)
        return self._pieces[count]

    def _cut(self, count: int) -> PaddedRows:
        sets = np.broadcast_to(self.sets, (count, self.sets.shape[1]))
        starts = np.flatnonzero(np.r_[True, (sets[1:] != sets[:-1]).any(1)])
        lengths = np.diff(np.r_[starts, count])
        sizes = sorted({min(size, int(lengths.max())) for size in PIECES})
        size = min(sizes, key=lambda size: int((-(-lengths // size)).sum()) * (size + GATHERING))
        # Each run of rows that lose the same is cut; the last piece of it repeats its last row.
        cuts = -(-lengths // size)
        first = np.repeat(starts, cuts) + size * _within(cuts)
        last = np.repeat(starts + lengths - 1, cuts)
        rows = np.minimum(first[:, None] + np.arange(size), last[:, None])
        run = np.repeat(np.arange(len(starts)), lengths)
        place = np.arange(count) - starts[run]
        back = (np.r_[0, np.cumsum(cuts)[:-1]][run] + place // size) * size + place % size
        device = self.channels.device
        return PaddedRows(moved(rows, device), moved(sets[first], device), moved(back, device))


def _within(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return 0, 1, … for each count, one after the other."""
    return np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)


def needed(
    active: Tensor | None, sets: NDArray[np.int64], images: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the pairs that must run: (pair,) places of sets, ascending, and (pair,) images.

    An image on which the channels are zero wherever they are read keeps its prediction. This reads
    from the device, once.

    Parameters
    ----------
    active
        (image, filter) whether a channel is not zero; None where that is not known.
    sets
        (place, set) the channels that go together, negative for none.
    images
        How many there are.
    """
    if active is None:
        wanted: NDArray[np.bool_] = np.ones((len(sets), images), np.bool_)
    else:
        known = active.cpu().numpy().T  # (filter, image)
        wanted = np.any(known[sets] & (sets >= 0)[:, :, None], axis=1)
    places, rows = np.nonzero(wanted)
    return places, rows


def cut_into_batches(
    rows: NDArray[np.int64], sets: NDArray[np.int64], size: int,
    device: torch.device, *, fill: bool | None = None,
) -> Iterator[Batch]:  # fmt: skip
    """Yield pairs in batches of `size`, each with as many rows as it holds.

    Parameters
    ----------
    rows, sets
        (pair,) the image, and (pair, set) what it loses.
    fill
        Whether the last batch is filled up with rows that nobody asked for, to the next power of
        two or to `size`: a GPU's library looks for the best algorithm for every shape that it has
        not met. None for where that is of use, on a GPU.
    """
    fill = device.type == "cuda" if fill is None else fill
    count = len(rows)
    whole, rest = divmod(count, size)
    full = min(size, 1 << (rest - 1).bit_length()) if fill and rest else rest
    more = full - rest
    if more:
        rows = np.r_[rows, np.repeat(rows[-1:], more)]
        sets = np.r_[sets, np.repeat(sets[-1:], more, axis=0)]
    on_device = moved(rows, device), moved(sets, device)
    for start in range(0, whole * size + rest, size):
        part = slice(start, start + size)
        asked = min(size, count - start)
        yield Batch(sets[part], on_device[1][part], on_device[0][part], asked)


def take(values: Tensor, rows: Tensor) -> Tensor:
    """Return some rows of a tensor, laid out in memory as it is."""
    if values.is_contiguous():
        return values.index_select(0, rows)
    if values.ndim == 4 and values.is_contiguous(memory_format=torch.channels_last):
        return values.permute(0, 2, 3, 1).index_select(0, rows).permute(0, 3, 1, 2)
    return values[rows]


def moved(numbers: NDArray[np.int64], device: torch.device | str) -> Tensor:
    """Return whole numbers on a device; a GPU is not waited for."""
    there = torch.from_numpy(np.ascontiguousarray(numbers))
    if torch.device(device).type != "cuda":
        return there.to(device)
    return there.pin_memory().to(device, non_blocking=True)
