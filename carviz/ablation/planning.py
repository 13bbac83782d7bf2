"""Make the plan of a bank: of each kind, whether it may be used is for the audit to say."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from carviz.ablation.plan import GraphPlan, HookPlan, Plan, ReferencePlan, keeps_nothing
from carviz.ablation.shares import find_readers, share_of
from carviz.ablation.steps import moves_into_head
from carviz.ablation.tidy import Folded, fold, tidy
from carviz.ablation.values import ZERO, GraphFills, Value
from carviz.banks import (
    PLUS,
    Network,
    cut,
    describe_places,
    hooked_ends,
    hooked_places,
    part_between,
    part_up_to,
)
from carviz.evaluate import AS_IS, Pick, shadow
from carviz.reference import Reference


def layout_for(device: str, precision: str) -> torch.memory_format:
    """Return how the maps of a graph should lie in memory: the one place that says so.

    On a CPU channels last is faster throughout. On NVIDIA's GPUs it is what tensor cores read,
    while in true float32 3 × 3 convolutions are faster channel by channel (PyTorch's issues 44943
    and 50036; on an H100 a hook loop over AlexNet reached 36 TFLOP/s channel by channel, a cached
    head 27 with channels last, 2026-11-26).

    Parameters
    ----------
    device
        The kind of device: "cpu", "cuda", …
    precision
        "float32", "tf32" or "bf16".
    """
    if device == "cuda" and precision == "float32":
        return torch.contiguous_format
    return torch.channels_last


def plan_by_graph(
    network: Network, layer: str, sample: Tensor, *,
    subtract: bool = True, pick: Pick = AS_IS, folded: Folded | None = None,
    layout: torch.memory_format = torch.channels_last, value: Value = ZERO,
) -> GraphPlan:  # fmt: skip
    """Return the plan that cuts the traced network; whether its rows are images is looked at.

    Parameters
    ----------
    sample
        ``(image, channel, height, width)`` on the network's device, two images or more.
    subtract
        Whether the next layer's output without a channel may be had by subtracting its share,
        which wants float32.
    folded
        What plans of other banks of this network have folded; see `fold`.
    layout
        How images and maps lie in memory; see `layout_for`.
    value
        What stands in a channel's place.
    """
    assert network.graph is not None
    ends = network.unit_ends(layer) if value.is_zero else network.places(layer)
    places = {node: place for place, node in enumerate(network.graph.graph.nodes)}
    sample = sample.to(memory_format=layout)
    graph, nodes = fold(network.graph, set(network.calls(layer)), folded, layout)
    ends = [nodes[places[end]] for end in ends]
    parts = cut(graph, layer, ends, moves_into_head, find_readers if subtract else None)
    shares = tuple(share_of(graph, reader) for reader in parts.readers)
    plan = GraphPlan(
        parts.head, tidy(parts.tail), parts.where, shares, parts.reads_bank,
        parts.sites, parts.uses, pick, layout=layout, value=value,
    )  # fmt: skip
    plan.keeps_nothing = keeps_nothing(plan.cut_head) and keeps_nothing(plan.cut_tail)
    axes = _look_at_rows(plan, sample)
    if plan.shares and axes != 4:  # a call without a batch axis
        return plan_by_graph(
            network, layer, sample,
            subtract=False, pick=pick, folded=folded, layout=layout, value=value,
        )  # fmt: skip
    if not value.is_zero:
        plan.where = f"{value.words} at {describe_places(graph, layer, ends)}"
        moved = len(ends) == 1 and parts.left != (ends[0],)
        steps = part_between(graph, ends[0], parts.left[0]) if moved else None
        plan.fills = GraphFills(part_up_to(graph, ends, "Places"), steps)
    return plan


def _look_at_rows(plan: GraphPlan, sample: Tensor) -> int:
    """See whether a row of all that the head gives is an image; return how many axes a bank has."""
    many, one = plan.head(sample), plan.head(sample[:1])
    axes: int = many[0].ndim
    whole = plan.sites + 2 * len(plan.shares)
    numbers: list[tuple[int, int] | None] = []
    for place, (v, a) in enumerate(zip(many, one, strict=True)):
        number = None if place < whole else _follows(v, a, len(sample))
        rows = isinstance(v, Tensor) and v.shape[:1] == (len(sample),)
        if number is None and not (rows and a.shape == (1, *v.shape[1:])):
            plan.rows_independent = False
            return axes
        if place < plan.sites and v.ndim != 4:
            plan.rows_independent = False
            return axes
        if place >= whole:
            numbers.append(number)
    plan.numbers = tuple(numbers)
    return axes


def _follows(many: Any, one: Any, images: int) -> tuple[int, int] | None:
    """Return how a whole number follows from how many images there are: by how much, from what."""
    if type(many) is not int or type(one) is not int or images < 2:
        return None
    growth, rest = divmod(many - one, images - 1)
    return None if rest else (growth, one - growth)


def plan_by_hooks(
    network: Network, layer: str, sample: Tensor, *, pick: Pick = AS_IS, value: Value = ZERO
) -> HookPlan:
    """Return the plan that runs the whole network under forward hooks.

    Raises
    ------
    OutOfReachError
        If a unit ends where no forward hook reaches, or a value is set there.
    """
    model = shadow(network.model)
    ends = hooked_ends(model, layer, sample, network.norms)
    if not value.is_zero:
        ends = hooked_places(model, ends, sample, network.norms)
    return HookPlan(model, ends, pick, value=value)


def plan_by_reference(
    network: Network, layer: str, sample: Tensor, *, pick: Pick = AS_IS, value: Value = ZERO
) -> ReferencePlan:
    """Return the plan in which the reference does the work."""
    reference = Reference(network.model, pick)
    if not value.is_zero:
        behind = any(reference.behind(sample, layer))
        place = "the activation that alone reads" if behind else "the unit of"
        where = f"{value.words} at the output of {place} {layer!r}"
        return ReferencePlan(reference, layer, where, value=value)
    if PLUS in layer:
        return ReferencePlan(reference, layer, f"zero at the output of the sum {layer}")
    names = [end.module or layer for end in reference.ends(sample, layer)]
    kinds = {end.kind for end in reference.ends(sample, layer)}
    where = f"zero at the output of {' and '.join(repr(n) for n in dict.fromkeys(names))}"
    where += ", the convolution's own BatchNorm" if kinds - {"convolution"} else ""
    return ReferencePlan(reference, layer, where)


def plan_like(plan: Plan, network: Network, layer: str, sample: Tensor) -> Plan:
    """Return a plan of the same kind for the network as it is now; nothing is tried."""
    made: Plan
    if isinstance(plan, GraphPlan):
        made = plan_by_graph(
            network, layer, sample, pick=plan.pick, layout=plan.layout, value=plan.value
        )
        made.numbers = made.numbers if plan.rows_independent else ()
    elif isinstance(plan, HookPlan):
        made = plan_by_hooks(network, layer, sample, pick=plan.pick, value=plan.value)
    else:
        made = plan_by_reference(network, layer, sample, pick=plan.pick, value=plan.value)
    made.rows_independent, made.classes = plan.rows_independent, plan.classes
    return made
