"""How the filters of one bank are ablated: a head that runs once, a tail that runs per filter.

Three plans answer the same questions. `GraphPlan` cuts the traced network at the bank; `HookPlan`
serves networks that torch.fx cannot trace: its head is nothing and its tail is all;
`ReferencePlan` lets the reference of the audit do the work, one filter a pass, where neither is
right. Which one may be used is for `carviz.ablation.auditing` to say; nothing is tried here.
"""

from __future__ import annotations

import dataclasses
import threading
from collections import defaultdict
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, fx, nn

from carviz.ablation.batches import Batch, take
from carviz.ablation.shares import ConvolutionShare, LinearShare
from carviz.ablation.values import ZERO, GraphFills, Partners, Value
from carviz.ablation.whole_plans import (
    Constants,
    HookPlan,
    ReferencePlan,
    RowsError,
    Values,
)
from carviz.evaluate import AS_IS, Pick, in_float32, quiet_call

__all__ = [
    "GraphPlan",
    "HookPlan",
    "Plan",
    "ReferencePlan",
    "RowsError",
    "Values",
    "keeps_nothing",
    "layout_of",
    "turn_of",
]


@dataclasses.dataclass(eq=False)
class GraphPlan:
    """The traced network, cut at the bank.

    Parameters
    ----------
    cut_head, cut_tail
        Its two parts; see `carviz.banks.Cut`.
    where
        The ablation in words.
    shares
        How the layers that read the bank lose one channel's share.
    reads_bank
        Whether the tail reads the bank itself as well.
    sites, uses
        How many units leave the head, and how many there are.
    pick
        Finds the logits.
    rows_independent
        Whether a row of everything that the head gives is an image, so that rows of different
        images and filters may run together. Else a batch is all images, and loses one filter.
    numbers
        For each value that is carried and is a number: by how much it grows with each image, and
        what it is for none. None for tensors. Only where rows are independent.
    layout
        How images and maps lie in memory; see `layout_for`.
    keeps_nothing
        Whether several threads may run it at once: no step of it keeps anything.
    value
        What stands in a channel's place.
    fills
        How it comes there, where that is not zero.
    """

    cut_head: fx.GraphModule
    cut_tail: fx.GraphModule
    where: str
    shares: tuple[ConvolutionShare | LinearShare, ...]
    reads_bank: bool
    sites: int
    uses: int
    pick: Pick = AS_IS
    rows_independent: bool = True
    numbers: tuple[tuple[int, int] | None, ...] = ()
    classes: int = 0
    how: str = "graph"
    layout: torch.memory_format = torch.channels_last
    keeps_nothing: bool = False
    value: Value = ZERO
    fills: GraphFills | None = None

    def head(self, images: Tensor) -> Values:
        """Run everything up to the bank once: (bank, …, planes, …, whole, …, carried, …).

        Where something else than zero stands in a channel's place, `filled` gives the planes.
        """
        given = quiet_call(self.cut_head, images)
        banks, others = given[: self.sites], given[self.sites :]
        planes = () if self.fills else tuple(share.planes(banks[0]) for share in self.shares)
        values = (*banks, *planes, *others)
        if not any(self.numbers):
            return values
        # Numbers that follow from the batch's size are worked out anew for each batch of rows.
        whole = len(values) - len(self.numbers)
        kept = [v for v, n in zip(values[whole:], self.numbers, strict=True) if n is None]
        return (*values[:whole], *kept)

    def filled(self, values: Values, images: Tensor, partners: Partners | None) -> Values:
        """Return what the head gave of images, with what stands in the channels' place.

        That is (bank, …, fill, …, planes, …, whole, …, carried, …), a fill for each unit. A layer
        that reads the bank loses the share of what is taken away: the bank less its fill.
        """
        if self.fills is None:
            return values
        banks, others = values[: self.sites], values[self.sites :]
        fills = self.fills.of(banks, self.uses, images, partners)
        planes = tuple(share.planes(banks[0] - fills[0]) for share in self.shares)
        return (*banks, *fills, *planes, *others)

    def place_maps(self, images: Tensor) -> list[Tensor]:
        """Return the maps in which values are set, one a unit."""
        assert self.fills is not None
        return list(quiet_call(self.fills.places, images))

    @property
    def constants(self) -> Constants:
        """What channels are set to."""
        return self.fills.constants if self.fills else None

    def set_constants(self, constants: Constants) -> None:
        """Say what channels are set to."""
        if self.fills is not None:
            self.fills.constants = constants

    def tail(self, values: Values, batch: Batch, value: Any = 0) -> Tensor:
        """Run what follows the bank, row by row without the row's channels.

        Nothing is read from the device, and how many operations there are does not depend on what
        the rows lose, so that a GPU is never waited for.

        Parameters
        ----------
        values
            What the head gave.
        batch
            The rows, and what each of them loses.
        value
            What stands in their place, as in `carviz.banks.zero_channels`, where the plan itself
            does not say it. Other values than zero want a plan without shares, whose steps behind
            the bank have not moved.
        """
        banks, planes, wholes, carried = self._parts(values)
        rows = batch.rows
        if self.fills is not None and self.reads_bank:
            fills = values[self.sites : self.sites + self.uses]
            value = fills
            if rows is not None and self.value.kind == "resample":
                value = tuple(take(fill, rows) for fill in fills)
        count = len(values[0]) if rows is None else len(rows)
        with in_float32(values[0].device.type):  # a small difference of large sums
            without = [
                share.without(plane, whole, batch)
                for share, plane, whole in zip(self.shares, planes, wholes, strict=True)
            ]
        if rows is not None:
            carried = tuple(take(v, rows) for v in carried)
            if self.reads_bank:
                banks = tuple(take(b, rows) for b in banks)
        if any(self.numbers):
            kept = iter(carried)
            carried = tuple(next(kept) if n is None else n[0] * count + n[1] for n in self.numbers)
        with self.pick.reading() as read:
            return read(
                quiet_call(self.cut_tail, batch.channels, value, *banks, *without, *carried)
            )

    def modules(self) -> tuple[nn.Module, ...]:
        """Return what holds its weights."""
        fills = self.fills
        more = [] if fills is None else [p for p in (fills.places, fills.steps) if p is not None]
        return self.cut_head, self.cut_tail, *(share.module for share in self.shares), *more

    def row_bytes(self, values: Values, lost: int = 1) -> int:
        """Return the bytes of the largest tensor that a row's losses take, beside the maps."""
        _, planes, wholes, _ = self._parts(values)
        shares = zip(self.shares, planes, wholes, strict=True)
        return max((s.row_bytes(plane, whole, lost) for s, plane, whole in shares), default=0)

    def lose(self, values: Values, rows: Tensor, filter: int) -> None:
        """Bring what the head gave for some rows up to date where a filter has gone for good.

        The layers that read the bank run again: in a long chain of differences rounding would grow.
        """
        banks, _, wholes, _ = self._parts(values)
        rows = rows.to(banks[0].device)
        for bank in banks:
            bank[rows, filter] = 0
        for share, whole in zip(self.shares, wholes, strict=True):
            whole[rows] = share.whole(banks[0][rows])

    def _parts(self, values: Values) -> tuple[Values, Values, Values, Values]:
        """Return the banks, their planes and wholes (one a share), and what is carried."""
        s, n = self.sites, len(self.shares)
        first = s + (self.uses if self.fills else 0)
        ends = first, first + n, first + 2 * n
        return values[:s], values[ends[0] : ends[1]], values[ends[1] : ends[2]], (
            values[ends[2] :]
        )  # fmt: skip

    def active(self, values: Values) -> Tensor | None:
        """Return (image, filter) whether a channel is not what would stand in its place.

        Of a unit that reads another's output nothing is known beforehand.
        """
        if self.sites < self.uses:
            return None
        banks = values[: self.sites]
        fills = values[self.sites : 2 * self.sites] if self.fills else [0] * len(banks)
        found = [(b != fill).flatten(2).any(2) for b, fill in zip(banks, fills, strict=True)]
        return torch.stack(found).any(0)


Plan = GraphPlan | HookPlan | ReferencePlan


def keeps_nothing(part: fx.GraphModule) -> bool:
    """Return whether several threads may run a graph at once: no step of it keeps anything."""
    return all(map(_keeps_nothing, part.modules())) and all(
        node.op != "call_function" or _is_torch_s(node.target) for node in part.graph.nodes
    )


_TURNS: defaultdict[tuple[str, int], threading.RLock] = defaultdict(threading.RLock)
"""One a device: plans on another one are copies with layers of their own."""


def turn_of(plan: Plan, device: torch.device) -> AbstractContextManager[Any]:
    """Return what waits for a plan's turn, where several threads must not run it at once.

    The threads of an executor run one and the same model: hooks are on it for whoever runs it, and
    what a layer keeps another thread reads. Plans of several banks may share such layers.
    """
    if isinstance(plan, GraphPlan) and plan.keeps_nothing:
        return nullcontext()
    return _TURNS[device.type, device.index or 0]


KNOWN = ("torch", "_operator", "operator", "math", "builtins", "carviz")
"""Where functions and layers come from that keep nothing from one call for the next."""


def _keeps_nothing(module: nn.Module) -> bool:
    """Whether a layer is torch's own, and nobody watches or changes it on its way."""
    hooked = module._forward_hooks or module._forward_pre_hooks
    return _is_torch_s(type(module)) and not hooked and not hasattr(module, "parametrizations")


def _is_torch_s(thing: Any) -> bool:
    place = getattr(thing, "__module__", None)  # None of what is written in C
    return place is None or str(place).split(".")[0] in KNOWN


def layout_of(plan: Plan) -> torch.memory_format:
    """Return how images lie in memory for a plan: a graph has a layout, a model runs as it is."""
    return plan.layout if isinstance(plan, GraphPlan) else torch.contiguous_format
