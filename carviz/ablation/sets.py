"""Run one chunk of images through a plan, for sets of filters that go together.

A channel that is zero on an image where it leaves the head changes nothing there. So without a set
an image has the answer that it has without the set's active channels alone: where none is active
it keeps what it had, where one is it has that filter's answer, and sets with the same active
channels have one answer. What is equal is run once.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from carviz.ablation.batches import NOTHING
from carviz.ablation.facts import Chunk, Facts, Tick
from carviz.ablation.heads import joined_head, together_in_head
from carviz.ablation.memory import ALIVE
from carviz.ablation.plan import GraphPlan, Plan, ReferencePlan, Values
from carviz.ablation.run import Work
from carviz.ablation.tails import Tail, check_finite
from carviz.evaluate import arithmetic, inference_mode

Filters = tuple[int, ...]
Removed = dict[str, list[int]]
"""Numbers of filters that go together, by bank."""
WORD = 64
"""Bits that are compared at once."""
ROOM = 2**28
"""Bytes that telling the losses of a block of images apart may take."""
PAIR = 64
"""Bytes that a set and an image take there, beside the bits of the filters."""


@dataclasses.dataclass(frozen=True)
class SetFacts(Facts):
    """What one chunk of m images says of R sets, which stand where `Facts` has filters.

    Parameters
    ----------
    ran
        (m,) how often the tail ran for an image without two channels or more.
    """

    ran: NDArray[np.int64]


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class SetWork(Work):
    """What is done with every chunk where sets of one bank's filters go.

    Parameters
    ----------
    sets
        Numbers of the filters of each set; `filters` are the sets' places.
    row
        Bytes that the tail takes for a row, by which `batch_size` was found.
    """

    sets: Sequence[Filters]
    row: int
    kind: ClassVar[type[Facts]] = SetFacts

    def shapes(self, chunk: Chunk) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the arrays that come of a chunk."""
        return {**super().shapes(chunk), "ran": (len(chunk.numbers),)}

    def _run(self, chunk: Chunk, batch_size: int, block: int, tick: Tick) -> Facts:
        one = len(self.sets) * (PAIR + max(map(max, self.sets)) // 8)
        return super()._run(chunk, batch_size, min(block, max(1, ROOM // one)), tick)

    def _block(
        self, chunk: Chunk, part: slice, images: Tensor, targets: Tensor, batch_size: int,
        tick: Tick,
    ) -> SetFacts:  # fmt: skip
        plan, count, numbers = self.plan, len(images), np.asarray(chunk.numbers[part])
        with inference_mode(), arithmetic("float32", images.device.type):
            step = together_in_head(plan, images.device, count)
            parts = (images[start : start + step] for start in range(0, count, step))
            values = joined_head(plan, parts, count)
            jobs = distinct(_active(plan, values, self.sets, count), self.sets)
            nobody = np.full((count, 1), NOTHING)
            whole = Tail(plan, values, targets, batch_size)
            before = whole.ask(np.arange(count), nobody, lambda _rows: tick(0))
            check_finite(before.finite, numbers)
            predicted, log_p = before.predicted, before.log_p.astype(np.float64)
            for rows, lost in jobs.groups():
                size = self._rows_together(values, lost.shape[1], batch_size)
                after = Tail(plan, values, targets, size).ask(rows, lost, tick)
                _check_finite(after.finite, numbers[rows], lost)
                predicted = np.r_[predicted, after.predicted]
                log_p = np.r_[log_p, after.log_p]
        # Where nothing is lost the answer is the image's own, which stands before the jobs'.
        place = np.where(jobs.of < 0, np.arange(count), jobs.of + count)
        drop = before.log_p.astype(np.float64) - log_p[place]
        return SetFacts(
            targets.cpu().numpy(), before.predicted, predicted[place], drop, jobs.ran(count)
        )

    def _rows_together(self, values: Values, lost: int, batch_size: int) -> int:
        """Return how many rows run together that lose so many channels each."""
        if not isinstance(self.plan, GraphPlan):
            return batch_size
        needed = ALIVE * self.plan.row_bytes(values, lost)
        return max(1, batch_size * self.row // max(self.row, needed))


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class RemovalWork(Work):
    """What is done with every chunk where filters of several banks go together.

    The reference runs the whole network for each set: no bank is where such a set could be cut.

    Parameters
    ----------
    removals
        Numbers of the filters of each set, by bank; `filters` are the sets' places.
    """

    removals: Sequence[Removed]
    kind: ClassVar[type[Facts]] = SetFacts

    def shapes(self, chunk: Chunk) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the arrays that come of a chunk."""
        return {**super().shapes(chunk), "ran": (len(chunk.numbers),)}

    def _block(
        self, chunk: Chunk, part: slice, images: Tensor, targets: Tensor, batch_size: int,
        tick: Tick,
    ) -> SetFacts:  # fmt: skip
        assert isinstance(self.plan, ReferencePlan)
        count, numbers = len(images), np.asarray(chunk.numbers[part])
        own, nobody = np.arange(count), np.full((count, 1), NOTHING)
        before = Tail(self.plan, (images,), targets, batch_size).ask(own, nobody, None)
        check_finite(before.finite, numbers)
        found = []
        for removed in self.removals:
            plan = dataclasses.replace(self.plan, gone=removed)
            after = Tail(plan, (images,), targets, batch_size).ask(own, nobody, tick)
            _check_finite(after.finite, numbers, np.full((count, 1), NOTHING))
            found.append(after)
        predictions = np.stack([after.predicted for after in found])
        drop = before.log_p.astype(np.float64) - np.stack([after.log_p for after in found])
        ran = np.full(count, len(found))
        return SetFacts(targets.cpu().numpy(), before.predicted, predictions, drop, ran)


class DistinctLosses(NamedTuple):
    """Different losses of images: what the tail runs for.

    Parameters
    ----------
    rows
        (job,) the image, ascending for each loss.
    loss
        (job,) which of the different losses, ascending.
    losses
        (loss, filter) whether a loss has the filter, those of few filters first.
    of
        (R, m) the job that tells what an image is without a set; -1 where nothing is lost.
    """

    rows: NDArray[np.int64]
    loss: NDArray[np.int64]
    losses: NDArray[np.bool_]
    of: NDArray[np.int64]

    def groups(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Yield jobs whose losses are about as many channels: (job,) rows, and (job, set) losses.

        All of them together are the jobs in their order.
        """
        sizes = self.losses.sum(1)
        # A loss is filled up to the largest of its group: at most to twice what it is.
        kinds = np.ceil(np.log2(np.maximum(sizes, 1)))[self.loss]
        for jobs in np.split(np.arange(len(kinds)), np.flatnonzero(np.diff(kinds)) + 1):
            if len(jobs):
                own, place = np.unique(self.loss[jobs], return_inverse=True)
                yield self.rows[jobs], _numbers(self.losses[own])[place]

    def ran(self, images: int) -> NDArray[np.int64]:
        """Return (m,) how many jobs of each image lose two channels or more."""
        several = self.losses.sum(1)[self.loss] > 1
        return np.bincount(self.rows[several], minlength=images).astype(np.int64)


def distinct(active: NDArray[np.bool_], sets: Sequence[Filters]) -> DistinctLosses:
    """Return the different losses of images: each set's channels that are active there.

    Parameters
    ----------
    active
        (m, filter) whether a channel may be other than zero on an image.
    sets
        R sets of filters.
    """
    count, filters = active.shape
    held = np.zeros((len(sets), filters), np.bool_)
    for row, members in enumerate(sets):
        held[row, list(members)] = True
    bits, known = _words(held), _words(active)
    found, images = [], []
    of = np.zeros((len(sets), count), np.int64)
    start = 0
    for image in range(count):
        own, place = np.unique(_keys(bits & known[image]), return_inverse=True)
        of[:, image] = start + place.reshape(-1)
        start += len(own)
        found.append(own)
        images.append(np.full(len(own), image))
    keys, loss = np.unique(np.concatenate(found), return_inverse=True)
    rows, loss = np.concatenate(images), loss.reshape(-1)
    losses = _bits(keys, filters)
    # Few channels first, and then all images of a loss beside one another, in their order.
    sizes = losses.sum(1)
    order = np.argsort(sizes, kind="stable")
    rank = np.argsort(order)
    losses, loss = losses[order], rank[loss]
    jobs = np.lexsort((rows, loss))
    jobs = jobs[losses[loss[jobs]].any(1)]
    number = np.full(len(rows), NOTHING)
    number[jobs] = np.arange(len(jobs))
    return DistinctLosses(rows[jobs], loss[jobs], losses, number[of])


def _active(plan: Plan, values: Values, sets: Sequence[Filters], images: int) -> NDArray[np.bool_]:
    """Return (image, filter) whether a channel may be other than zero."""
    # Where rows are tied to one another, all images run for each set.
    active = plan.active(values) if plan.rows_independent else None
    if active is None:
        return np.ones((images, 1 + max(map(max, sets))), np.bool_)
    known: NDArray[np.bool_] = active.cpu().numpy()
    return known


def _words(bits: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """Return rows of bits as words (row, word)."""
    more = -bits.shape[1] % WORD
    packed = np.packbits(np.pad(bits, ((0, 0), (0, more))), axis=1)
    return np.ascontiguousarray(packed).view(np.uint64)


def _keys(words: NDArray[np.uint64]) -> NDArray[np.void]:
    """Return each row of words as one value, which can be sorted and compared."""
    return np.ascontiguousarray(words).view(np.dtype((np.void, words.shape[1] * 8))).reshape(-1)


def _bits(keys: NDArray[np.void], count: int) -> NDArray[np.bool_]:
    """Return (row, bit) of what `_keys` gave."""
    packed = np.frombuffer(keys.tobytes(), np.uint8).reshape(len(keys), -1)
    return np.unpackbits(packed, axis=1, count=count).astype(np.bool_)


def _numbers(held: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return (row, set) the numbers of the filters that each row has, filled up with `NOTHING`."""
    sizes = held.sum(1)
    rows, filters = np.nonzero(held)
    numbers = np.full((len(held), int(sizes.max())), NOTHING)
    place = np.arange(len(rows)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    numbers[rows, place] = filters
    return numbers


def _check_finite(
    finite: NDArray[np.bool_], numbers: NDArray[np.int64], lost: NDArray[np.int64]
) -> None:
    """Raise ValueError where logits are not finite, naming image and filters."""
    if finite.all():
        return
    bad = int(np.argmin(finite))
    gone = [int(filter) for filter in lost[bad] if filter >= 0]
    raise ValueError(
        f"Logits must be finite; image {int(numbers[bad])} has NaN or infinity without "
        f"{f'filters {gone}' if gone else 'some filters of several banks'}. Look at the image, "
        "and at the weights' range (half precision overflows)."
    )
