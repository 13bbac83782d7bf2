"""Run one chunk of images through a plan, for all filters of a bank."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import ClassVar, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from carviz.ablation.batches import NOTHING, Batch, cut_into_batches, needed
from carviz.ablation.heads import joined_head, together_in_head
from carviz.ablation.plan import GraphPlan, Plan, Values, layout_of, turn_of
from carviz.ablation.workers import even_size, side_by_side
from carviz.evaluate import arithmetic, inference_mode

Tick = Callable[[int], None]
"""Told after every batch how many (filter, image) pairs were done; what it raises ends the run."""


@dataclasses.dataclass(frozen=True)
class Facts:
    """What one chunk of m images says: axes filter (F) and image (m).

    Parameters
    ----------
    targets
        (m,) true class.
    baseline
        (m,) predicted class.
    predictions
        (F, m) predicted class without the filter.
    drop
        (F, m) fall of log p(true class), in nats.
    """

    targets: NDArray[np.int64]
    baseline: NDArray[np.int32]
    predictions: NDArray[np.int32]
    drop: NDArray[np.float64]

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Return the facts of several blocks of images as one."""
        names = [field.name for field in dataclasses.fields(cls)]
        return cls(*(np.concatenate([getattr(p, n) for p in parts], axis=-1) for n in names))


@dataclasses.dataclass(frozen=True, eq=False)
class Chunk:
    """Images that are measured together and merged as one.

    Parameters
    ----------
    place
        The chunk's place in the order of chunks.
    numbers
        (m,) the images' numbers in the data.
    images, targets
        ``(image, channel, height, width)`` and ``(image,)``, on the CPU, or where they will run.
    bank
        Which of the banks that are measured together it is run for: its place among them.
    """

    place: int
    numbers: list[int]
    images: Tensor
    targets: Tensor
    bank: int = 0


@dataclasses.dataclass(frozen=True, eq=False)
class Work:
    """What is done with every chunk; it travels to other processes.

    Parameters
    ----------
    plan
        How to ablate.
    filters
        Numbers of the filters.
    batch_size
        Rows of the tail that run together.
    block
        Images whose maps are held at once.
    device, dtype
        Where images go, and their type.
    """

    kind: ClassVar[type[Facts]] = Facts
    """What comes of a chunk."""

    plan: Plan
    filters: list[int]
    batch_size: int
    block: int
    device: torch.device
    dtype: torch.dtype

    def shapes(self, chunk: Chunk) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the arrays that come of a chunk."""
        m, filters = len(chunk.numbers), len(self.filters)
        return {
            "targets": (m,), "baseline": (m,), "predictions": (filters, m), "drop": (filters, m),
        }  # fmt: skip

    @property
    def leaves_out_log_p(self) -> bool:
        """Whether the falls of log p are NaN."""
        return False

    def moved(self, chunk: Chunk) -> Chunk:
        """Return a chunk whose images are where they will run, for the works of several banks.

        Where they do not fit there beside what runs, they stay where they are.
        """
        if self.device.type == "cpu":
            return chunk  # each block is laid out anew as it runs
        try:
            images = _there(chunk.images, self.device).to(self.dtype)
        except torch.OutOfMemoryError:
            return chunk
        return dataclasses.replace(chunk, images=images, targets=_there(chunk.targets, self.device))

    def run(self, chunk: Chunk, tick: Tick | None = None) -> Facts:
        """Return the facts of a chunk; where memory runs out, in smaller and smaller batches."""
        done, batch_size, block = 0, self.batch_size, self.block

        def count(pairs: int) -> None:
            nonlocal done
            done += pairs
            if tick is not None:
                tick(pairs)

        while True:
            try:
                with turn_of(self.plan, self.device):
                    return self._run(chunk, batch_size, block, count)
            except torch.OutOfMemoryError:
                if batch_size == 1 and block == 1:
                    raise
            count(-done)
            batch_size, block = max(1, batch_size // 2), max(1, min(block, len(chunk.numbers)) // 2)
            if self.device.type == "cuda":
                torch.cuda.empty_cache()

    def _run(self, chunk: Chunk, batch_size: int, block: int, tick: Tick) -> Facts:
        parts = []
        for start in range(0, len(chunk.numbers), block):
            part = slice(start, start + block)
            images = _there(chunk.images[part], self.device)
            images = images.to(dtype=self.dtype, memory_format=layout_of(self.plan))
            targets = _there(chunk.targets[part], self.device)
            parts.append(self._block(chunk, part, images, targets, batch_size, tick))
        return type(parts[0]).joined(parts)

    def _block(
        self, chunk: Chunk, part: slice, images: Tensor, targets: Tensor, batch_size: int,
        tick: Tick,
    ) -> Facts:  # fmt: skip
        """Return the facts of a part of a chunk, whose images are where they run."""
        return run_chunk(
            self.plan, images, targets, self.filters,
            numbers=chunk.numbers[part], batch_size=batch_size, tick=tick,
        )  # fmt: skip


def run_chunk(
    plan: Plan,
    images: Tensor,
    targets: Tensor,
    filters: Sequence[int],
    *,
    numbers: Sequence[int],
    batch_size: int,
    tick: Tick | None = None,
) -> Facts:
    """Return the facts of one chunk.

    Parameters
    ----------
    images, targets
        ``(image, channel, height, width)`` and ``(image,)`` on the network's device.
    numbers
        The images' numbers in the data, for error messages.
    batch_size
        Rows of the tail that run together.

    Raises
    ------
    ValueError
        If logits are not finite; the first image is named.
    """
    count, own = len(images), np.arange(len(images))
    sets = np.asarray(filters, np.int64).reshape(-1, 1)
    nobody = np.full((count, 1), NOTHING)
    with inference_mode(), arithmetic("float32", images.device.type):
        step = together_in_head(plan, images.device, count)
        parts = (images[start : start + step] for start in range(0, count, step))
        values = joined_head(plan, parts, count)
        places, rows = pairs_that_run(plan, values, sets, count)
        tail = Tail(plan, values, targets, batch_size)
        # A cancel need not wait for the filters.
        before = tail.ask(own, nobody, None if tick is None else lambda _rows: tick(0))
        after = tail.ask(rows, sets[places], tick)
        named = np.asarray(numbers)
        check_finite(before.finite, named)
        check_finite(after.finite, named[rows], sets[places, 0])
    predictions = np.repeat(before.predicted[None], len(sets), axis=0)
    predictions[places, rows] = after.predicted
    drop = np.zeros(predictions.shape)
    drop[places, rows] = before.log_p[rows] - after.log_p
    return Facts(targets.cpu().numpy(), before.predicted, predictions, drop)


def pairs_that_run(
    plan: Plan, values: Values, sets: NDArray[np.int64], images: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the pairs that must run by what the head gave; see `needed`."""
    # Where rows are tied to one another, all images run for each set.
    active = plan.active(values) if plan.rows_independent else None
    return needed(active, sets, images)


def batches(
    plan: Plan, rows: NDArray[np.int64], sets: NDArray[np.int64], images: int, size: int,
    device: torch.device,
) -> Iterator[Batch]:  # fmt: skip
    """Yield pairs in batches as a plan can run them.

    Parameters
    ----------
    rows, sets
        (pair,) the image, and (pair, set) what it loses.
    images
        How many images there are.
    size
        Rows that run together.
    """
    if plan.rows_independent:
        yield from cut_into_batches(rows, sets, size, device)
        return
    # Where a row is no image a batch is all images in their order, and every row loses the same.
    for start in range(0, len(rows), images):
        yield Batch.together(sets[start].tolist(), device)


class PairPredictions(NamedTuple):
    """What pairs were found to be: (pair,) each.

    Parameters
    ----------
    predicted
        Class.
    log_p
        log p(true class), in nats.
    finite
        Whether all logits are.
    """

    predicted: NDArray[np.int32]
    log_p: NDArray[np.float32]
    finite: NDArray[np.bool_]


Read = Callable[[slice, Tensor | slice, Tensor], None]
"""Takes the answers of some pairs: which of all pairs they are, their images, and their logits."""


class Tail:
    """The tail on what the head gave for some images.

    Parameters
    ----------
    values
        What the head gave.
    targets
        (image,) true class, where the network is.
    batch_size
        Rows that run together, of all workers.
    """

    def __init__(self, plan: Plan, values: Values, targets: Tensor, batch_size: int) -> None:
        self._plan, self._values, self._targets = plan, values, targets
        self._device = targets.device
        self._workers = workers_of(plan, targets.device)
        self._size = max(1, batch_size // self._workers)

    def ask(
        self, rows: NDArray[np.int64], sets: NDArray[np.int64], tick: Tick | None
    ) -> PairPredictions:
        """Run all pairs in float32; nothing is read from the device until the last has run.

        Parameters
        ----------
        rows, sets
            (pair,) the image, and (pair, set) what it loses.
        """
        count, device = len(rows), self._device
        predicted = torch.empty(count, dtype=torch.int32, device=device)
        log_p = torch.empty(count, dtype=torch.float32, device=device)
        finite = torch.empty(count, dtype=torch.bool, device=device)

        def read(part: slice, images: Tensor | slice, logits: Tensor) -> None:
            predicted[part], log_p[part], finite[part] = read_logits(logits, self._targets[images])

        self.run(rows, sets, read, tick)
        return PairPredictions(predicted.cpu().numpy(), log_p.cpu().numpy(), finite.cpu().numpy())

    def run(
        self, rows: NDArray[np.int64], sets: NDArray[np.int64], read: Read, tick: Tick | None,
        precision: str = "float32",
    ) -> None:  # fmt: skip
        """Run all pairs, and hand on what comes of them, maybe in several threads at a time.

        Parameters
        ----------
        rows, sets
            (pair,) the image, and (pair, set) what it loses.
        precision
            "float32", "tf32" or "bf16".
        """

        def run(job: tuple[slice, Batch]) -> int:
            part, batch = job
            length = int(part.stop - part.start)
            images = slice(None) if batch.rows is None else batch.rows[:length]
            read(part, images, self._plan.tail(self._values, batch)[:length])
            return length

        @contextmanager
        def modes() -> Iterator[None]:
            with inference_mode(), arithmetic(precision, self._device.type):
                yield

        asked = self._batches(rows, sets)
        with modes():
            side_by_side(asked, run, workers=self._workers, context=modes, tick=tick)

    def _batches(
        self, rows: NDArray[np.int64], sets: NDArray[np.int64]
    ) -> Iterator[tuple[slice, Batch]]:
        """Yield batches, and where their pairs are among all."""
        size, images, start = self._size, len(self._targets), 0
        if self._workers > 1:
            size = even_size(len(rows), size, self._workers)
        for batch in batches(self._plan, rows, sets, images, size, self._device):
            count = images if batch.count is None else batch.count
            yield slice(start, start := start + count), batch


def workers_of(plan: Plan, device: torch.device) -> int:
    """Return how many batches of a plan run side by side: on a CPU one a thread of torch's."""
    alone = device.type != "cpu" or not isinstance(plan, GraphPlan) or not plan.keeps_nothing
    return 1 if alone else torch.get_num_threads()


def read_logits(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return each row's predicted class, log p(true class), and whether its logits are finite."""
    log_p = torch.log_softmax(logits.float(), 1).gather(1, targets[:, None]).squeeze(1)
    return logits.argmax(1), log_p, torch.isfinite(logits).all(1)


def check_finite(
    finite: NDArray[np.bool_], numbers: NDArray[np.int64],
    filters: NDArray[np.int64] | None = None,
) -> None:  # fmt: skip
    """Raise ValueError where logits are not finite; the first pair is named.

    Parameters
    ----------
    finite
        (pair,) whether all logits are.
    numbers
        (pair,) the images' numbers in the data.
    filters
        (pair,) what was removed, where anything was.
    """
    if finite.all():
        return
    bad = int(np.argmin(finite))
    without = "" if filters is None else f" without filter {int(filters[bad])}"
    raise ValueError(
        f"Logits must be finite; image {int(numbers[bad])} has NaN or infinity"
        f"{without}. Look at the image, and at the weights' range (half precision overflows)."
    )


def _there(values: Tensor, device: torch.device) -> Tensor:
    """Return values on a device; from a CPU by way of pinned memory, so that none waits."""
    if device.type != "cuda" or values.device.type != "cpu":
        return values.to(device)
    return values.pin_memory().to(device, non_blocking=True)
