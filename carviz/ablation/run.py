"""Run one chunk of images through a plan, for all filters of a bank."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from carviz.ablation.plan import NOTHING, GraphPlan, Plan, Values, sets_of
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
    def joined(cls, parts: Sequence[Facts]) -> Facts:
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
    precision
        "float32", "tf32" or "bf16".
    """

    plan: Plan
    filters: list[int]
    batch_size: int
    block: int
    device: torch.device
    dtype: torch.dtype
    precision: str = "float32"

    def moved(self, chunk: Chunk) -> Chunk:
        """Return a chunk whose images are where they will run, for the works of several banks.

        Where they do not fit there beside what runs, they stay where they are.
        """
        if self.device.type == "cpu":
            return chunk  # each block is laid out anew as it runs
        try:
            return dataclasses.replace(
                chunk,
                images=chunk.images.to(self.device, self.dtype),
                targets=chunk.targets.to(self.device),
            )
        except torch.OutOfMemoryError:
            return chunk

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
            images = chunk.images[part].to(
                device=self.device, dtype=self.dtype, memory_format=layout_of(self.plan)
            )
            parts.append(
                run_chunk(
                    self.plan,
                    images,
                    chunk.targets[part].to(self.device),
                    self.filters,
                    numbers=chunk.numbers[part],
                    batch_size=batch_size,
                    precision=self.precision,
                    tick=tick,
                )
            )
        return Facts.joined(parts)


def run_chunk(
    plan: Plan,
    images: Tensor,
    targets: Tensor,
    filters: Sequence[int],
    *,
    numbers: Sequence[int],
    batch_size: int,
    precision: str = "float32",
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
    precision
        "float32", "tf32" or "bf16".

    Raises
    ------
    ValueError
        If logits are not finite; the first image is named.
    """
    with inference_mode(), arithmetic(precision, images.device.type):
        values = plan.head(images)
        baseline, log_p = _whole(plan, values, targets, numbers, batch_size, tick)
        predictions = baseline.repeat(len(filters), 1)
        drop = torch.zeros(len(filters), len(images), dtype=torch.float64, device=images.device)
        sets = sets_of(filters, images.device)
        for places, rows in batches(plan, values, sets, len(images), batch_size):
            logits = plan.tail(values, *rows_of(plan, rows, sets[places]))
            gone = sets[places, 0]
            predicted, now = read_logits(logits, targets[rows], rows, numbers, gone)
            predictions[places, rows] = predicted
            drop[places, rows] = (log_p[rows] - now).double()
            if tick is not None:
                tick(len(rows))
    return Facts(
        targets.cpu().numpy(),
        baseline.int().cpu().numpy(),
        predictions.int().cpu().numpy(),
        drop.cpu().numpy(),
    )


def _whole(
    plan: Plan, values: Values, targets: Tensor, numbers: Sequence[int],
    batch_size: int, tick: Tick | None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Return the predicted class and log p(true class) of each image with all filters."""
    nothing = torch.full((len(targets), 1), NOTHING, device=targets.device)
    parts = []
    for rows in _split(torch.arange(len(targets), device=targets.device), batch_size, plan):
        if tick is not None:
            tick(0)  # a cancel need not wait for the filters
        logits = plan.tail(values, *rows_of(plan, rows, nothing[: len(rows)]))
        parts.append(read_logits(logits, targets[rows], rows, numbers, None))
    baseline, log_p = (torch.cat(part) for part in zip(*parts, strict=True))
    return baseline, log_p


def batches(
    plan: Plan, values: Values, sets: Tensor, images: int, batch_size: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield (place of the set, row of the image) pairs that must run, batch by batch.

    An image on which the channels are zero wherever they are read keeps its prediction. Batches are
    filled across sets, so the tail always runs on full ones.

    Parameters
    ----------
    sets
        (place, set) the channels that go together; see `GraphPlan.tail`.
    images
        How many there are.
    """
    places, rows = torch.meshgrid(
        torch.arange(len(sets), device=sets.device),
        torch.arange(images, device=sets.device),
        indexing="ij",
    )
    places, rows = places.flatten(), rows.flatten()
    active = plan.active(values) if plan.rows_independent else None
    if active is not None:
        needed = (active[rows[:, None], sets[places]] & (sets[places] >= 0)).any(1)
        places, rows = places[needed], rows[needed]
    size = batch_size if plan.rows_independent else images
    if len(rows) == 0:  # splitting nothing gives one empty batch
        return
    yield from zip(torch.split(places, size), torch.split(rows, size), strict=True)


def _split(rows: Tensor, batch_size: int, plan: Plan) -> tuple[Tensor, ...]:
    return torch.split(rows, batch_size) if plan.rows_independent else (rows,)


def rows_of(plan: Plan, rows: Tensor, sets: Tensor) -> tuple[Tensor | None, Tensor]:
    """Return what a plan's tail is told of a batch: the rows, and what each of them loses."""
    # Where a row is no image a batch is all images in their order, and every row loses the same.
    return (rows, sets) if plan.rows_independent else (None, sets[:1])


def layout_of(plan: Plan) -> torch.memory_format:
    """Return how images lie in memory: a graph runs with channels last, a model as it is."""
    return torch.channels_last if isinstance(plan, GraphPlan) else torch.contiguous_format


def read_logits(
    logits: Tensor, targets: Tensor, rows: Tensor, numbers: Sequence[int], filters: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Return the predicted class and log p(true class) of each row."""
    finite = torch.isfinite(logits).all(1)
    if not finite.all():
        bad = int(torch.nonzero(~finite)[0])
        without = "" if filters is None else f" without filter {int(filters[bad])}"
        raise ValueError(
            f"Logits must be finite; image {numbers[int(rows[bad])]} has NaN or infinity"
            f"{without}. Look at the image, and at the weights' range (half precision overflows)."
        )
    log_p = torch.log_softmax(logits.float(), 1).gather(1, targets[:, None]).squeeze(1)
    return logits.argmax(1), log_p
