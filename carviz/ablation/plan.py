"""How the filters of one bank are ablated: a head that runs once, a tail that runs per filter.

Three plans answer the same questions. `GraphPlan` cuts the traced network at the bank; `HookPlan`
serves networks that torch.fx cannot trace: its head is nothing and its tail is all;
`ReferencePlan` lets the reference of the audit do the work, one filter a pass, where neither is
right. Which one may be used is for `carviz.ablation.auditing` to say; nothing is tried here.
"""

from __future__ import annotations

import dataclasses
import functools
import threading
from collections import defaultdict
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import Any

import torch
from torch import Tensor, fx, nn

from carviz.ablation.batches import Batch, take
from carviz.ablation.shares import ConvolutionShare, LinearShare
from carviz.banks import HookedEnds, zero_channels
from carviz.evaluate import AS_IS, Pick, in_float32, quiet_call
from carviz.reference import Reference

Values = tuple[Any, ...]
"""What a head gives: first the bank's maps, one a unit (or the images, where there is no head)."""


class RowsError(ValueError):
    """A bank's maps have other rows than the batch has images: a batch loses one filter only."""


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

    def head(self, images: Tensor) -> Values:
        """Run everything up to the bank once: (bank, …, planes, …, whole, …, carried, …)."""
        given = quiet_call(self.cut_head, images)
        banks, others = given[: self.sites], given[self.sites :]
        values = (*banks, *(share.planes(banks[0]) for share in self.shares), *others)
        if not any(self.numbers):
            return values
        # Numbers that follow from the batch's size are worked out anew for each batch of rows.
        whole = len(values) - len(self.numbers)
        kept = [v for v, n in zip(values[whole:], self.numbers, strict=True) if n is None]
        return (*values[:whole], *kept)

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
            What stands in their place, as in `carviz.banks.zero_channels`. Other values than zero
            want a plan without shares, whose steps behind the bank have not moved.
        """
        banks, planes, wholes, carried = self._parts(values)
        rows = batch.rows
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
        return self.cut_head, self.cut_tail, *(share.module for share in self.shares)

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
        ends = s, s + n, s + 2 * n
        return values[: ends[0]], values[ends[0] : ends[1]], values[ends[1] : ends[2]], (
            values[ends[2] :]
        )  # fmt: skip

    def active(self, values: Values) -> Tensor | None:
        """Return (image, filter) whether a channel is not zero where it leaves the head.

        Of a unit that reads another's output nothing is known beforehand.
        """
        if self.sites < self.uses:
            return None
        found = [(bank != 0).flatten(2).any(2) for bank in values[: self.sites]]
        return torch.stack(found).any(0)


@dataclasses.dataclass(eq=False)
class HookPlan:
    """The whole network for every filter, with the channel zeroed by forward hooks.

    Parameters
    ----------
    model
        A copy that nobody else runs.
    ends
        Where the units of the bank end.
    gone
        Ends and filters of banks that have lost some for good.
    """

    model: nn.Module
    ends: HookedEnds
    pick: Pick = AS_IS
    rows_independent: bool = True
    classes: int = 0
    how: str = "hooks"
    gone: dict[str, tuple[HookedEnds, list[int]]] = dataclasses.field(default_factory=dict)

    @property
    def where(self) -> str:
        """The ablation in words."""
        return describe_modules(self.ends)

    def head(self, images: Tensor) -> Values:
        """Nothing can be shared without a graph."""
        return (images,)

    def tail(self, values: Values, batch: Batch, value: Any = 0) -> Tensor:
        """Run the whole network under the hooks."""
        images, channels = _images(values, batch), batch.channels

        def without(maps: Tensor) -> Tensor:
            if len(channels) > 1 and (maps.ndim != 4 or len(maps) != len(images)):
                raise RowsError(
                    f"maps of shape {tuple(maps.shape)} have other rows than {len(images)} images"
                )
            return zero_channels(maps, channels, value)

        with ExitStack() as hooks:
            for ends, filters in self.gone.values():
                lost = functools.partial(
                    zero_channels, channels=torch.tensor([filters], device=images.device)
                )
                hooks.enter_context(ends.replacing(self.model, lost))
            hooks.enter_context(self.ends.replacing(self.model, without))
            # A clone, for networks that normalise their input in place.
            with self.pick.reading() as read:
                return read(self.model(images.clone()))

    def active(self, values: Values) -> Tensor | None:
        """Not known without a graph: who reads the channel cannot be seen."""
        return None

    def modules(self) -> tuple[nn.Module, ...]:
        """Return what holds its weights."""
        return (self.model,)


@dataclasses.dataclass(eq=False)
class ReferencePlan:
    """The reference of the audit measures by itself, one filter a pass: slow, and right.

    Parameters
    ----------
    reference
        A reference of its own.
    layer
        The bank.
    gone
        Filters of any banks that are gone for good.
    """

    reference: Reference
    layer: str
    where: str
    classes: int = 0
    rows_independent: bool = False
    how: str = "reference"
    gone: dict[str, list[int]] = dataclasses.field(default_factory=dict)

    @property
    def pick(self) -> Pick:
        """Finds the logits."""
        return self.reference.pick

    def head(self, images: Tensor) -> Values:
        """Nothing is shared."""
        return (images,)

    def tail(self, values: Values, batch: Batch, value: Any = 0) -> Tensor:
        """Run the whole network without one set of channels."""
        images = _images(values, batch)
        filters = [int(c) for c in batch.sets[0] if c >= 0]
        gone = {**self.gone, self.layer: [*self.gone.get(self.layer, []), *filters]}
        return self.reference.without(images, gone)

    def active(self, values: Values) -> Tensor | None:
        """Not known."""
        return None

    def modules(self) -> tuple[nn.Module, ...]:
        """Return what holds its weights."""
        return (self.reference.model,)


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


def describe_modules(ends: HookedEnds) -> str:
    """Return in words where a bank's channels become zero."""
    own = ", the convolution's own BatchNorm" if set(ends.modules) - {ends.layer} else ""
    return f"zero at the output of {' and '.join(map(repr, ends.modules))}{own}"


def _images(values: Values, batch: Batch) -> Tensor:
    """Return a batch's images where the head is nothing."""
    images: Tensor = values[0]
    return images if batch.rows is None else take(images, batch.rows)


def layout_of(plan: Plan) -> torch.memory_format:
    """Return how images lie in memory for a plan: a graph has a layout, a model runs as it is."""
    return plan.layout if isinstance(plan, GraphPlan) else torch.contiguous_format
