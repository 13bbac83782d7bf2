"""What a measurement costs, in multiply-adds, and what it does not compute."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import torch
from torch import Tensor

from carviz.ablation.batches import Batch
from carviz.ablation.plan import Plan, Values
from carviz.ablation.values import QUANTILES, Partners
from carviz.banks import Network
from carviz.evaluate import inference_mode
from carviz.interrupts import whole


@dataclasses.dataclass(frozen=True)
class CarPlan:
    """How a bank will be measured: what is cached, recomputed and saved. Print it.

    Multiply-adds are those of convolutions and linear layers, for one image.

    Parameters
    ----------
    layer
        The bank.
    filters, images
        How many there are to measure.
    where
        The ablation in words.
    how
        "graph", "hooks" for a network that torch.fx cannot trace, or "reference".
    network
        The whole network once: what a loop of hooks pays for every filter.
    head
        What runs once, for all filters.
    tail
        What runs for a filter that is not zero, or whatever else, on the image.
    active
        Share of (filter, image) pairs on which the channel is not zero, or whatever else stands in
        its place, of a few images.
    cached
        Bytes that the head keeps of an image.
    finding
        What looks at the channels beforehand, for their means or quantiles, spread over `images`.
    chosen_on
        Other images, on which each constant is chosen: there each of the nine quantiles is
        measured.
    """

    layer: str
    filters: int
    images: int
    where: str
    how: str
    network: float
    head: float
    tail: float
    active: float
    cached: int
    finding: float = 0.0
    chosen_on: int = 0

    @property
    def loop_cost(self) -> float:
        """Multiply-adds of a loop that runs the network for every filter, with what it sets."""
        return self.finding + self.network * (self.filters + 1) * self._times

    @property
    def plan_cost(self) -> float:
        """Multiply-adds of this plan."""
        return self.finding + self._once * self._times

    @property
    def _once(self) -> float:
        """Multiply-adds of measuring all filters once on an image."""
        return self.head + self.tail * (1 + self.active * self.filters)

    @property
    def _times(self) -> float:
        """How often that is done for each image that is told of."""
        return 1 + len(QUANTILES) * self.chosen_on / self.images

    @property
    def _place(self) -> str:
        """What stands in the channel's place, in a word."""
        return "zero" if self.where.startswith("zero") else "what is set"

    @property
    def _beforehand(self) -> list[str]:
        """What finds the numbers that are set, in lines."""
        if self.chosen_on:
            choosing = in_short(self._once * (self._times - 1))
            return [
                f"  to choose       {choosing} an image: each filter {len(QUANTILES)} times "
                f"on {self.chosen_on:,} other images",
                f"  once            {in_short(self.finding)} an image: one pass over some of these "
                "for the quantiles",
            ]
        if self.finding:
            return [f"  once            {in_short(self.finding)} an image: one pass for the means"]
        return []

    def __str__(self) -> str:
        ratio = self.loop_cost / self.plan_cost if self.plan_cost else float("inf")
        return "\n".join(
            [
                f"CAR of {self.layer}: {self.filters} filters, {self.images:,} images",
                f"  ablation        {self.where}",
                f"  once an image   {in_short(self.head)} multiply-adds; "
                f"{self.cached / 1024:,.0f} KiB are kept",
                f"  once a filter   {in_short(self.tail)}, on the {self.active:.0%} of images "
                f"where its channel is not {self._place}",
                *self._beforehand,
                f"  in all          {in_short(self.plan_cost)} an image, where a loop over the "
                f"whole network ({in_short(self.network)}) does {in_short(self.loop_cost)}: "
                f"{ratio:.1f} times as much",
            ]
        )


@inference_mode()
def count_costs(
    network: Network,
    plan: Plan,
    sample: Tensor,
    *,
    layer: str,
    filters: list[int],
    images: int,
    looked_at: int = 0,
    chosen_on: int = 0,
) -> CarPlan:
    """Count a plan's multiply-adds on a few images ``(image, channel, height, width)``.

    Parameters
    ----------
    looked_at
        Images of which the channels are looked at beforehand, for what is set.
    chosen_on
        Images on which constants are chosen.
    """
    one = sample[:1]
    first = Batch.together(filters[:1], sample.device)
    whole = count_multiply_adds(lambda: network.model(one.contiguous()))
    values = _head(plan, sample)
    alone = _head(plan, one)
    active = plan.active(values) if plan.rows_independent else None
    share = 1.0 if active is None else float(active[:, filters].float().mean())
    return CarPlan(
        layer,
        len(filters),
        images,
        plan.where,
        plan.how,
        network=whole,
        head=count_multiply_adds(lambda: _head(plan, one)),
        tail=count_multiply_adds(lambda: plan.tail(alone, first)),
        active=share,
        cached=sum(v.nbytes for v in alone if isinstance(v, Tensor)),
        finding=count_multiply_adds(lambda: plan.place_maps(one)) * looked_at / images
        if looked_at
        else 0.0,
        chosen_on=chosen_on,
    )


def _head(plan: Plan, images: Tensor) -> Values:
    """Return what a head gives, with what stands in the channels' place."""
    others = None
    if plan.value.kind == "resample":
        # As a rule a chunk runs whole, and the partners' maps are among those of its images.
        rows = torch.arange(len(images), device=images.device).roll(1)
        others = Partners(images.roll(1, 0), rows if plan.rows_independent else None)
    return plan.filled(plan.head(images), images, others)


def count_multiply_adds(run: Callable[[], object]) -> float:
    """Return the multiply-adds of the convolutions and linear layers that a function runs."""
    # Loaded here, for it takes Triton along: 75 MiB that whoever only measures never needs.
    from torch.utils.flop_counter import FlopCounterMode

    with whole(lambda: FlopCounterMode(display=False)) as counter:
        run()
    return float(counter.get_total_flops()) / 2


def in_short(multiply_adds: float) -> str:
    """Write a large number with three digits."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if multiply_adds >= size:
            return f"{multiply_adds / size:,.3g} {unit}"
    return f"{multiply_adds:.0f}"
