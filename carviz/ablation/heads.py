"""Run a head on many images a few at a time: what they take on the way is then little."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from carviz.ablation.plan import GraphPlan, Plan, Values

FEW = 32
"""Images that go through a head together on a CPU, which is as fast with few as with many."""


def together_in_head(plan: Plan, device: torch.device, most: int) -> int:
    """Return how many images go through a plan's head together, `most` at most."""
    # A GPU wants many. Where rows are tied to one another, all of a batch go together.
    few = device.type == "cpu" and isinstance(plan, GraphPlan) and plan.rows_independent
    return min(most, FEW) if few else most


def joined_head(plan: Plan, parts: Iterable[Tensor], count: int) -> Values:
    """Return what the head gives for `count` images ``(image, channel, height, width)`` in parts.

    In several parts only where rows are independent: each value's rows are then images.
    """
    together: list[Tensor] = []
    start = 0
    for images in parts:
        values = plan.head(images)
        if len(images) == count:
            return values
        for i, value in enumerate(values):
            if start == 0:
                together.append(_room_for(value, count))
            together[i][start : start + len(images)] = value
        start += len(images)
    return tuple(together)


def _room_for(value: Tensor, rows: int) -> Tensor:
    """Return room for `rows` rows like those of `value`, in its layout in memory."""
    strides = value.stride()
    axes = sorted(range(value.ndim), key=lambda axis: -strides[axis])
    shape = [rows if axis == 0 else value.shape[axis] for axis in axes]
    return value.new_empty(shape).permute([axes.index(axis) for axis in range(value.ndim)])
