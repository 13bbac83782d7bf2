"""What the heads of the banks give for the images, as much of it as memory holds."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from carviz.ablation import GraphPlan, Needs, Plan, joined_head, layout_of, together_in_head
from carviz.evaluate import Images

Values = tuple[Any, ...]
Tick = Callable[[], None]
"""Called after every batch; what it raises ends the search."""

HEAD = 128
"""Images that go through a head together."""


class Part(NamedTuple):
    """Images that are together in memory.

    Parameters
    ----------
    values
        What the head gives for them.
    places
        Which of the images that were asked for these are.
    rows
        Their rows in `values`.
    size
        How many rows `values` has.
    """

    values: Values
    places: NDArray[np.int64]
    rows: NDArray[np.int64]
    size: int


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How the memory budget is shared out.

    Parameters
    ----------
    rows
        Rows of a tail that run together.
    head
        Images that go through a head together.
    kept
        Images whose maps are held, for all banks.
    raw
        Whether the images themselves are held, or read again whenever they are needed.
    """

    rows: int
    head: int
    kept: int
    raw: bool

    @classmethod
    def within(
        cls, budget: int, needs: Sequence[Needs], kept: int, image: int, count: int, rows: int
    ) -> Sizes:
        """Share a budget out: half of it to the tail at most, a quarter at most to a head.

        Parameters
        ----------
        kept, image
            Bytes that one image's maps, and one image itself take.
        count
            How many images there are.
        rows
            Rows of a tail that are wanted.
        """
        tail, head = max(n.tail for n in needs), max(n.head for n in needs)
        rows = max(1, min(rows, budget // 2 // max(1, tail)))
        heads = max(1, min(HEAD, budget // 4 // max(1, head)))
        left = budget - rows * tail - heads * head
        raw = count * image <= left // 2
        left -= count * image if raw else 0
        return cls(rows, heads, max(heads, left // max(1, kept)), raw)


class Maps:
    """What the heads give for the images, by bank; computed anew after `forget`.

    Where memory holds the maps of all images they are kept as one block. Else they are cut into
    blocks along the order in which images are looked at, and those used last are kept.

    Parameters
    ----------
    images
        The data.
    plans
        How each bank is ablated.
    sizes
        How the memory budget is shared out.
    device, dtype
        Where images go, and their type.
    """

    def __init__(
        self, images: Images, plans: Sequence[Plan], sizes: Sizes,
        device: torch.device, dtype: torch.dtype,
    ) -> None:  # fmt: skip
        self.images, self._plans, self._sizes = images, plans, sizes
        self._device, self._dtype = device, dtype
        self._raw: Tensor | None = None
        self._kept: OrderedDict[tuple[int, int], Values] = OrderedDict()
        count = len(images)
        together = all(plan.rows_independent for plan in plans)
        self.whole = together and sizes.kept >= count
        """Whether the maps of all images are in memory."""
        self.block = count if self.whole else min(sizes.head, count)
        if not together:  # a batch of the tail is then a whole block
            self.block = min(self.block, sizes.rows)
        self._room = max(len(plans), sizes.kept * len(plans) // self.block)
        self.active: list[NDArray[np.bool_] | None] = [None] * len(plans)
        """For each bank (image, filter), whether the channel is not zero; None: not known."""
        self._blocks: list[NDArray[np.int64]] = []
        self._block_of = self._row_of = np.zeros(count, np.int64)
        self.begin(np.arange(count))

    def begin(self, order: NDArray[np.int64]) -> None:
        """Forget all maps: the network has changed. Images will be looked at in this order."""
        self._kept.clear()
        numbers = np.arange(len(order)) if self.whole else order
        places = np.argsort(numbers)
        self._block_of, self._row_of = places // self.block, places % self.block
        self._blocks = [
            numbers[i : i + self.block] for i in range(0, len(numbers), self.block)
        ]  # fmt: skip

    def begin_like(self, other: Maps) -> None:
        """Begin with what another one holds of the same network, of which nothing has gone."""
        self._raw = other._raw
        if not self.whole or self._sizes.kept < 2 * self.block:
            return
        for key, values in other._kept.items():
            self._kept[key] = tuple(v.clone() if isinstance(v, Tensor) else v for v in values)

    def watch(self, tick: Tick) -> None:
        """Find on which images each channel is not zero."""
        for bank, plan in enumerate(self._plans):
            if not isinstance(plan, GraphPlan) or not plan.rows_independent:
                continue
            found: NDArray[np.bool_] | None = None
            # Backwards, so that the blocks that are looked at first are still there after it.
            for place in reversed(range(len(self._blocks))):
                values = self._values(bank, place, tick)
                active = plan.active(values)
                if active is None:
                    break
                if found is None:
                    found = np.zeros((len(self.images), active.shape[1]), np.bool_)
                found[self._blocks[place]] = active.cpu().numpy()
            self.active[bank] = found

    def lose(self, filter: int, tick: Tick) -> bool:
        """Bring the maps up to date where nothing but one filter of the only bank has changed.

        Up to the bank all stays as it was: its channel becomes zero, and the layers that read it
        run again. Returns False where that cannot be done, and all must be computed anew.
        """
        plan, values, known = self._plans[0], self._kept.get((0, 0)), self.active[0]
        if not isinstance(plan, GraphPlan) or values is None or known is None:
            return False
        if not self.whole or len(self._plans) > 1 or plan.uses != 1:
            return False
        images = np.flatnonzero(known[:, filter])
        known[:, filter] = False
        for start in range(0, len(images), self._sizes.head):
            tick()
            plan.lose(values, torch.as_tensor(images[start : start + self._sizes.head]), filter)
        return True

    def parts(self, bank: int, images: NDArray[np.int64], tick: Tick) -> Iterator[Part]:
        """Yield what a bank's head gives for images, block by block."""
        blocks = self._block_of[images]
        for place in np.unique(blocks).tolist():
            chosen = np.flatnonzero(blocks == place)
            rows = self._row_of[images[chosen]]
            values = self._values(bank, place, tick)
            yield Part(values, chosen, rows, len(self._blocks[place]))

    def targets(self, tick: Tick) -> NDArray[np.int64]:
        """Read all images once and return their labels; the images are kept where they fit."""
        count, labels = len(self.images), []
        for chunk, images, targets in self.images.in_batches(HEAD):
            tick()
            labels.append(targets.numpy())
            if self._sizes.raw:
                if self._raw is None:
                    self._raw = images.new_empty((count, *images.shape[1:]))
                self._raw[chunk.start : chunk.stop] = images
        return np.concatenate(labels)

    def read(
        self, numbers: NDArray[np.int64], layout: torch.memory_format = torch.contiguous_format
    ) -> Tensor:
        """Return images ``(image, channel, height, width)`` where the network is."""
        if self._raw is None:
            images = self.images.read(numbers.tolist())[0]
        else:
            images = self._raw[torch.as_tensor(numbers)]
        return images.to(self._device, self._dtype, memory_format=layout)

    def _values(self, bank: int, place: int, tick: Tick) -> Values:
        key = bank, place
        if key not in self._kept:
            while len(self._kept) >= self._room:
                self._kept.popitem(last=False)
            self._kept[key] = self._head(bank, self._blocks[place], tick)
        self._kept.move_to_end(key)
        return self._kept[key]

    def _head(self, bank: int, numbers: NDArray[np.int64], tick: Tick) -> Values:
        plan = self._plans[bank]
        step, layout = together_in_head(plan, self._device, self._sizes.head), layout_of(plan)

        def parts() -> Iterator[Tensor]:
            for start in range(0, len(numbers), step):
                tick()
                yield self.read(numbers[start : start + step], layout)

        return joined_head(plan, parts(), len(numbers))
