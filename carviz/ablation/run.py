"""Run one chunk of images through a plan, for all filters of a bank."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from carviz.ablation.batches import NOTHING, moved
from carviz.ablation.facts import Chunk, Facts, Tick
from carviz.ablation.heads import joined_head, together_in_head
from carviz.ablation.plan import Plan, layout_of, turn_of
from carviz.ablation.readings import CLASSES, AnswerReading, Pairs
from carviz.ablation.tails import Tail, pairs_that_run
from carviz.ablation.values import Partners, partner_order
from carviz.evaluate import arithmetic, inference_mode


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
    reading
        What is read of the answers.
    """

    plan: Plan
    filters: list[int]
    batch_size: int
    block: int
    device: torch.device
    dtype: torch.dtype
    reading: AnswerReading = CLASSES

    @property
    def kind(self) -> type[Facts]:
        """What comes of a chunk."""
        return self.reading.kind

    def shapes(self, chunk: Chunk) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the arrays that come of a chunk."""
        return self.reading.shapes(len(chunk.numbers), len(self.filters), self.plan.classes)

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
            numbers=chunk.numbers[part], batch_size=batch_size, tick=tick, reading=self.reading,
            objects=None if chunk.objects is None else chunk.objects[part],
            partners=self._partners(chunk, part),
        )  # fmt: skip

    def _partners(self, chunk: Chunk, part: slice) -> Partners | None:
        """Return the images whose channels stand in those of a part of a chunk, if any do."""
        if self.plan.value.kind != "resample":
            return None
        order = partner_order(chunk.numbers)[part]
        images = _there(chunk.images[torch.from_numpy(order)], self.device)
        images = images.to(dtype=self.dtype, memory_format=layout_of(self.plan))
        # Where rows are tied to one another, nothing is known of them.
        inside = len(order) == len(chunk.numbers) and self.plan.rows_independent
        return Partners(images, moved(order, self.device) if inside else None)


def run_chunk(
    plan: Plan,
    images: Tensor,
    targets: Tensor,
    filters: Sequence[int],
    *,
    numbers: Sequence[int],
    batch_size: int,
    tick: Tick | None = None,
    partners: Partners | None = None,
    reading: AnswerReading = CLASSES,
    objects: Sequence[Any] | None = None,
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
    partners
        The images whose channels stand in those of `images`, where the plan wants them.
    reading
        What is read of the answers.
    objects
        (image,) what is true of each image, where a label does not say it.

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
        values = plan.filled(joined_head(plan, parts, count), images, partners)
        places, rows = pairs_that_run(plan, values, sets, count)
        tail = Tail(plan, values, targets, batch_size)
        named, told = np.asarray(numbers), targets if objects is None else objects
        # A cancel need not wait for the filters.
        silent = None if tick is None else lambda _rows: tick(0)
        before = reading.ask(tail, Pairs(own, nobody, named), told, silent)
        after = reading.ask(tail, Pairs(rows, sets[places], named[rows]), told, tick)
    found: Facts = reading.facts(targets, before, after, places, rows, len(sets))
    return found


def _there(values: Tensor, device: torch.device) -> Tensor:
    """Return values on a device; from a CPU by way of pinned memory, so that none waits."""
    if device.type != "cuda" or values.device.type != "cpu":
        return values.to(device)
    return values.pin_memory().to(device, non_blocking=True)
