"""How the filters of one bank are ablated: a head that runs once, a tail that runs per filter.

Two plans answer the same three questions. `GraphPlan` cuts the traced network at the bank;
`HookPlan` serves networks that torch.fx cannot trace: its head is nothing and its tail is all.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from torch import Tensor, fx, nn

from carviz.ablation.shares import ConvolutionShare, LinearShare, find_readers, share_of, take
from carviz.ablation.steps import moves_into_head
from carviz.ablation.tidy import fold, tidy
from carviz.banks import FindReaders, Network, cut, zero_filters
from carviz.banks.readers import own_batch_norm
from carviz.evaluate import arithmetic

AGREEMENT = 1e-3
"""Largest difference of logits, as a share of their scale, between a model and its graph.

Rounding stays a hundred times below; a graph with a wrong constant in it is far above."""

Values = tuple[Any, ...]


@dataclasses.dataclass(eq=False)
class GraphPlan:
    """The traced network, cut at the bank."""

    cut_head: fx.GraphModule
    cut_tail: fx.GraphModule
    where: str
    shares: tuple[ConvolutionShare | LinearShare, ...]
    reads_bank: bool
    uses: int
    rows_independent: bool = True
    classes: int = 0
    how: str = "graph"

    def head(self, images: Tensor) -> Values:
        """Run everything up to the bank once: (bank, planes, whole, …, carried, …)."""
        bank, *others = self.cut_head(images)
        return (bank, *(share.planes(bank) for share in self.shares), *others)

    def tail(self, values: Values, rows: Tensor | None, filters: Tensor) -> Tensor:
        """Run what follows the bank, row by row without the row's filter."""
        bank, planes, wholes, carried = self._parts(values)
        without = self._without(planes, wholes, rows, filters)
        if rows is not None:
            carried = tuple(v[rows] for v in carried)
            bank = bank[rows] if self.reads_bank else bank
        return self.cut_tail(filters, bank, *without, *carried)  # type: ignore[no-any-return]

    def _without(
        self, planes: Values, wholes: Values, rows: Tensor | None, filters: Tensor
    ) -> list[Tensor]:
        """Subtract each row's channel from the outputs of the layers that sum over channels."""
        if not self.shares:
            return []
        rooms = [s.room(w, len(filters)) for s, w in zip(self.shares, wholes, strict=True)]
        numbers, counts = torch.unique_consecutive(filters, return_counts=True)
        start = 0
        for filter, count in zip(numbers.tolist(), counts.tolist(), strict=True):
            part = slice(start, start + count)
            start += count
            images = part if rows is None else _run(rows[part])
            for share, plane, whole, room in zip(self.shares, planes, wholes, rooms, strict=True):
                if filter < 0:
                    room[part] = whole[images]
                else:
                    out = room[part]
                    taken = take(whole, images, out)
                    share.subtract(taken, plane[:, filter][images], filter, out)
        return rooms

    def lose(self, values: Values, rows: Tensor, filter: int) -> None:
        """Bring what the head gave for some rows up to date where a filter has gone for good.

        The layers that read the bank run again: in a long chain of differences rounding would grow.
        """
        bank, _, wholes, _ = self._parts(values)
        rows = rows.to(bank.device)
        bank[rows, filter] = 0
        for share, whole in zip(self.shares, wholes, strict=True):
            whole[rows] = share.whole(bank[rows])

    def _parts(self, values: Values) -> tuple[Tensor, Values, Values, Values]:
        """Return the bank, its planes and wholes (one a share), and what is carried."""
        n = len(self.shares)
        return values[0], values[1 : n + 1], values[n + 1 : 2 * n + 1], values[2 * n + 1 :]

    def active(self, values: Values) -> Tensor | None:
        """Look at the one place where the bank is read; a bank used twice has two."""
        return (values[0] != 0).flatten(2).any(2) if self.uses == 1 else None


@dataclasses.dataclass(eq=False)
class HookPlan:
    """The whole network for every filter, with the channel zeroed by a forward hook."""

    model: nn.Module
    layer: str
    site: str
    rows_independent: bool = True
    classes: int = 0
    how: str = "hooks"

    @property
    def where(self) -> str:
        """The ablation in words."""
        own = ", the convolution's own BatchNorm" if self.site != self.layer else ""
        return f"zero at the output of {self.site!r}{own}"

    def head(self, images: Tensor) -> Values:
        """Nothing can be shared without a graph."""
        return (images,)

    def tail(self, values: Values, rows: Tensor | None, filters: Tensor) -> Tensor:
        """Run the whole network under the hook."""
        images = values[0] if rows is None else values[0][rows]
        site = self.model.get_submodule(self.site)
        hook = site.register_forward_hook(lambda _m, _args, out: zero_filters(out, filters))
        try:
            return self.model(images)  # type: ignore[no-any-return]
        finally:
            hook.remove()

    def active(self, values: Values) -> Tensor | None:
        """Not known without a graph: who reads the channel cannot be seen."""
        return None


@torch.inference_mode()
def make_plan(
    network: Network, layer: str, sample: Tensor, *, subtract: bool = True
) -> tuple[GraphPlan | HookPlan, str]:
    """Return a plan that was tried on a few images, and a remark ("" when there is none).

    Parameters
    ----------
    sample
        ``(image, channel, height, width)`` on the network's device, two images or more.
    subtract
        Whether the next layer's output without a channel may be had by subtracting its share,
        which wants float32.

    Raises
    ------
    ValueError
        If the network gives other logits on a second pass, or logits that depend on the batch,
        or no logits ``(image, class)``.
    """
    with arithmetic("float32", sample.device.type):
        return _try_plans(network, layer, sample, subtract)


def _try_plans(
    network: Network, layer: str, sample: Tensor, subtract: bool
) -> tuple[GraphPlan | HookPlan, str]:
    expected = _reference(network.model, sample)
    reason = network.untraceable
    if network.graph is not None:
        plan = _cut(network, layer, find_readers if subtract else None)
        try:
            if _agrees(plan, sample, expected):
                plan.classes = expected.shape[1]
                return plan, ""
            reason = "its graph gives other logits than the model itself"
        except Exception as error:  # a traced constant may not fit these images' size
            reason = f"its graph fails on these images ({type(error).__name__}: {error})"
    plan_b = HookPlan(network.model, layer, own_batch_norm(network.model, layer, sample[:1]))
    plan_b.classes = expected.shape[1]
    remark = (
        f"torch.fx could not be used on this network ({reason.splitlines()[0]}), so the whole "
        "network runs once per filter; the numbers are as exact, only slower."
    )
    return plan_b, remark


def _cut(network: Network, layer: str, find: FindReaders | None) -> GraphPlan:
    network = fold(network, layer)
    parts = cut(network, layer, moves_into_head, find)
    shares = tuple(share_of(network, reader) for reader in parts.readers)
    uses = len(network.calls(layer))
    tail = tidy(parts.tail)
    return GraphPlan(parts.head, tail, parts.where, shares, parts.reads_bank, uses)


def _run(rows: Tensor) -> Tensor | slice:
    """Return ascending rows as a slice where they are one run: nothing is copied then."""
    first, last = int(rows[0]), int(rows[-1])
    return slice(first, last + 1) if last - first + 1 == len(rows) else rows


def _reference(model: nn.Module, sample: Tensor) -> Tensor:
    """Return the model's own logits, after seeing that they are a function of the image."""
    try:
        logits = model(sample)
    except Exception as error:  # whatever a forward pass raises on images it is not made for
        raise ValueError(_misfit(model, sample, error)) from error
    if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != len(sample):
        found = (
            f"a tensor of shape {tuple(logits.shape)}"
            if isinstance(logits, Tensor)
            else f"{type(logits).__name__}"
        )
        raise ValueError(
            f"The model maps {len(sample)} images to logits ({len(sample)}, class); found {found}. "
            "Wrap it in a module that returns the logits alone."
        )
    if _close(model(sample[:1]), logits[:1]):
        return logits
    if not _close(model(sample), logits):
        raise ValueError(
            "The model must give the same logits for the same image; a second pass gave others. "
            "Switch off what is random in its forward pass (dropout called without "
            "training=self.training, for instance)."
        )
    raise ValueError(
        "An image's logits must not depend on the other images of its batch; alone, the "
        "first image has others. Look for statistics taken over the batch."
    )


def _misfit(model: nn.Module, sample: Tensor, error: Exception) -> str:
    first = next((m for m in model.modules() if isinstance(m, nn.Conv2d)), None)
    channels, size = sample.shape[1], tuple(sample.shape[2:])
    if first is not None and first.in_channels != channels:
        return (
            f"The network reads images of {first.in_channels} channels; the data has {channels}. "
            "Convert the images (RGB: 3, grey: 1) in the data's transform."
        )
    return (
        f"The network must run on the data's images, {channels} channels of {size} pixels; it "
        f"fails on them: {error}. Resize them as the network expects."
    )


def _agrees(plan: GraphPlan, sample: Tensor, expected: Tensor) -> bool:
    whole = torch.full((len(sample),), -1, device=sample.device)
    values = plan.head(sample)
    alone = plan.head(sample[:1])
    plan.rows_independent = all(
        isinstance(v, Tensor)
        and isinstance(a, Tensor)
        and v.shape[:1] == (len(sample),)
        and a.shape == (1, *v.shape[1:])
        for v, a in zip(values, alone, strict=True)
    )
    return _close(plan.tail(values, None, whole), expected)


def _close(logits: Tensor, expected: Tensor) -> bool:
    if logits.shape != expected.shape:
        return False
    scale = expected.abs().max().clamp(min=1e-12)
    # NaN logits are told by the run, which can name the image.
    return bool((torch.nan_to_num(logits - expected).abs().max() <= AGREEMENT * scale).item())
