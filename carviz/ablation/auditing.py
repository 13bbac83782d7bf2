"""Choose the plan that a bank is measured by: the fastest that does what the reference does.

What is compared is what a removal *changes*: the logits without a filter less those with it. One
filter of a wide bank moves the logits by less than any tolerance that whole logits could be held
to, so an engine that removed nothing would pass. The plan must move them as the reference does, to
`AGREEMENT` of the largest move, and to the rounding that the reference shows when the same images
run alone and together. Where float32 cannot tell, because a network amplifies rounding, the same is
asked in float64.

A plan is tried as it will run: on another number of images than one, filters mixed in a batch, in
batches of different sizes.
"""

from __future__ import annotations

import copy
import dataclasses
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from carviz.ablation.batches import NOTHING, Batch
from carviz.ablation.plan import GraphPlan, HookPlan, Plan, RowsError, Values, layout_of
from carviz.ablation.planning import (
    layout_for,
    plan_by_graph,
    plan_by_hooks,
    plan_by_reference,
    plan_like,
)
from carviz.ablation.remarks import remark_on
from carviz.ablation.tails import batches, pairs_that_run
from carviz.ablation.tidy import Folded
from carviz.ablation.truth import (
    Find,
    Tick,
    Truth,
    alike,
    distance,
    find_truth,
    scale_of,
    widened,
)
from carviz.ablation.values import ZERO, Partners, Value
from carviz.banks import Network, OutOfReachError
from carviz.evaluate import (
    AS_IS,
    OutputKind,
    arithmetic,
    find_logits,
    inference_mode,
    sets_attributes,
    shadow,
)
from carviz.reference import Reference

SAMPLE = 3
"""Images that it is judged on."""


@dataclasses.dataclass(frozen=True)
class Audit:
    """What the reference said of a plan.

    Parameters
    ----------
    words
        What was found, for the passport.
    remark
        What a reader should know of how the bank is measured; "" for nothing.
    filters
        Those that the plan was judged by.
    images, passes, seconds
        What it cost.
    rounding
        How far the reference's logits of one image are apart, alone and in a batch.
    reference
        The reference, for what is asked of it when numbers are finished.
    """

    words: str
    remark: str
    filters: tuple[int, ...]
    images: int
    passes: int
    seconds: float
    rounding: float
    reference: Reference = dataclasses.field(repr=False, compare=False)

    def passport(self) -> dict[str, Any]:
        """Return what the passport says of it."""
        return {
            "found": self.words,
            "filters": list(self.filters),
            "images": self.images,
            "passes": self.passes,
            "seconds": round(self.seconds, 3),
        }


def choose_plan(
    network: Network,
    layer: str,
    sample: Tensor,
    *,
    small: bool = False,
    tick: Tick | None = None,
    answers: OutputKind | None = None,
    folded: Folded | None = None,
    precision: str = "float32",
    value: Value = ZERO,
    find: Find = find_logits,
) -> tuple[Plan, Audit]:
    """Return the plan to measure a bank by, judged by the reference.

    Parameters
    ----------
    network
        The opened network.
    layer
        The bank.
    sample
        ``(image, channel, height, width)`` on the network's device, `SAMPLE` images.
    small
        Whether the measurement is so short that one removal must do.
    tick
        Called between two passes.
    answers
        What the network's output is, where somebody says it; see `carviz.evaluate.find_logits`.
    folded
        What plans of other banks of this network have folded, for plans to share; see
        `carviz.ablation.tidy.fold`.
    precision
        In which the plan will run, which decides how its maps lie in memory.
    value
        What stands in a channel's place. Numbers that the data tell are those of the sample; the
        plan's `set_constants` takes better ones.
    find
        Finds what is judged in what the network gives.

    Raises
    ------
    ValueError
        If the network gives other logits on a second pass, or logits that depend on the batch,
        or no logits ``(image, class)``.
    """
    with inference_mode(), arithmetic("float32", sample.device.type):
        layout = layout_for(sample.device.type, precision)
        auditor = _Auditor(
            network, layer, sample, small, tick or (lambda: None), folded, layout, value
        )
        return auditor.choose(answers, find)


class _Auditor:
    def __init__(
        self, network: Network, layer: str, sample: Tensor, small: bool,
        tick: Tick, folded: Folded | None, layout: torch.memory_format, value: Value,
    ) -> None:  # fmt: skip
        self.network, self.layer, self.sample = network, layer, sample
        self.small, self.tick, self.folded = small, tick, folded
        self.layout, self.value = layout, value
        self.reference = Reference(network.model)
        self.pick = AS_IS
        self.words = ""
        self.making = 0.0  # seconds that making plans took, which is no part of judging them

    def choose(self, answers: OutputKind | None, find: Find) -> tuple[Plan, Audit]:
        begun = time.perf_counter()
        truth = find_truth(
            self.reference, self.sample, self.layer,
            small=self.small, tick=self.tick, answers=answers, value=self.value, find=find,
        )  # fmt: skip
        self.pick = truth.pick
        plan, remark = self._first_that_agrees(truth)
        plan.classes = truth.whole.shape[1]
        audit = Audit(
            self.words, remark, tuple(truth.removed), len(self.sample), self.reference.passes,
            time.perf_counter() - begun - self.making, truth.rounding, self.reference,
        )  # fmt: skip
        return plan, audit

    # -- the plans

    def _first_that_agrees(self, truth: Truth) -> tuple[Plan, str]:
        reasons = []
        if self.network.graph is None:
            reasons.append(self.network.untraceable)
        wide: list[Truth] = []
        for make in (self._by_graph, self._by_hooks):
            for plan, reason in make(self.network):
                if plan is None:
                    reasons.append(reason)
                    continue
                self.tick()
                fault = self._fault(plan, truth)
                if fault and truth.whole.dtype == torch.float32:
                    wide = wide or [widened(self.reference, truth, self.layer, self.tick)]
                    fault = self._fault_in_float64(plan, wide[0]) and fault
                if not fault:
                    self._tell(truth, bool(wide))
                    return plan, remark_on(self.network, self.layer, plan, reasons)
                reasons.append(self._attributes(plan) or fault)
        last = plan_by_reference(
            self.network, self.layer, self.sample, pick=self.pick, value=self.value
        )
        last.set_constants(truth.constants)
        self.words = "measured by the reference itself"
        return last, remark_on(self.network, self.layer, last, reasons)

    def _attributes(self, plan: Plan) -> str:
        """Return why a graph must be wrong, where a layer's settings change on the way."""
        if not isinstance(plan, GraphPlan):
            return ""
        words = sets_attributes(shadow(self.network.model), self.sample.clone())
        return words and f"its forward pass changes a layer's settings, {words}"

    def _by_graph(self, network: Network) -> Iterator[tuple[GraphPlan | None, str]]:
        if network.graph is None:
            return
        begun = time.perf_counter()
        try:
            plan = plan_by_graph(
                network, self.layer, self.sample, pick=self.pick,
                folded=self.folded, layout=self.layout, value=self.value,
            )  # fmt: skip
            self.making += time.perf_counter() - begun
        except Exception as error:  # a traced constant may not fit these images' size
            yield None, f"its graph fails on these images ({type(error).__name__}: {error})"
            return
        yield plan, ""
        if plan.rows_independent:
            # One filter a batch asks nothing of what a row is.
            plan.numbers = ()
            plan.rows_independent = False
            yield plan, ""

    def _by_hooks(self, network: Network) -> Iterator[tuple[HookPlan | None, str]]:
        try:
            plan = plan_by_hooks(network, self.layer, self.sample, pick=self.pick, value=self.value)
        except OutOfReachError as error:
            yield None, str(error)
            return
        yield plan, ""
        plan.rows_independent = False
        yield plan, ""

    def _fault(self, plan: Plan, truth: Truth) -> str:
        """Return how a plan's answers differ from the reference's; "" where they do not."""
        what = "its graph" if isinstance(plan, GraphPlan) else "a forward hook"
        if not plan.rows_independent:
            what += ", one filter a batch,"
        plan.set_constants(truth.constants)
        try:
            images = truth.images.to(memory_format=layout_of(plan))
            others = None if truth.partners is None else Partners(truth.partners)
            values = plan.filled(plan.head(images), images, others)
            if truth.maps and not alike(plan.place_maps(images), truth):
                return f"{what} has other channels where values are set"
            whole, without = self._answers(plan, truth, values)
            mixed_up = self._mixed_up(plan, truth, values, whole)
        except (RowsError, OutOfReachError) as error:
            return str(error)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:
            return f"{what} fails on these images ({type(error).__name__}: {error})"
        scale = scale_of(truth.whole)
        if distance(whole, truth.whole) > truth.agreement * scale + truth.rounding:
            return f"{what} gives other logits than the model itself"
        for filter, places in truth.removed.items():
            moved = without[filter] - whole[places]
            expected = truth.without[filter] - truth.whole[places]
            allowed = truth.agreement * float(expected.abs().max()) + 2 * truth.rounding
            if not distance(moved, expected) <= allowed:
                return f"{what} changes the logits otherwise when filter {filter} is removed"
        return mixed_up

    def _answers(
        self, plan: Plan, truth: Truth, values: Values
    ) -> tuple[Tensor, dict[int, Tensor]]:
        """Run a plan as a measurement does: mixed batches of different sizes."""
        device = truth.images.device
        whole = plan.tail(values, Batch.together([], device))
        without = {filter: whole[places].clone() for filter, places in truth.removed.items()}
        filters = list(truth.removed)
        for places, rows, logits in self._batches(plan, values, filters, truth.images):
            for row, (place, image) in enumerate(zip(places, rows, strict=True)):
                filter = filters[place]
                if image in truth.removed[filter]:
                    without[filter][truth.removed[filter].index(image)] = logits[row]
        return whole, without

    def _batches(
        self, plan: Plan, values: Values, filters: list[int], images: Tensor
    ) -> list[tuple[list[int], list[int], Tensor]]:
        """Run all pairs in batches of different sizes, in smaller ones where memory runs out."""
        size = 2 * len(images) - 1
        sets = np.asarray(filters, np.int64).reshape(-1, 1)
        places, rows = pairs_that_run(plan, values, sets, len(images))
        while True:
            try:
                found, start = [], 0
                for batch in batches(plan, rows, sets[places], len(images), size, images.device):
                    logits = plan.tail(values, batch)
                    part = slice(start, start := start + (batch.count or len(images)))
                    found.append((places[part].tolist(), rows[part].tolist(), logits))
                return found
            except torch.OutOfMemoryError:
                if size == 1 or not plan.rows_independent:
                    raise
            size //= 2

    def _mixed_up(self, plan: Plan, truth: Truth, values: Values, whole: Tensor) -> str:
        """Return which image loses a filter that another one should lose; "" where none does."""
        if not plan.rows_independent:
            return ""
        images = truth.images
        rows = np.arange(len(images))
        for filter, places in truth.removed.items():
            sets = np.full((len(images), 1), NOTHING)
            sets[places[0]] = filter
            try:
                moved = plan.tail(values, Batch.of(rows, sets, images.device)) - whole
            except torch.OutOfMemoryError:  # batches of one row mix nothing up
                return ""
            expected = torch.zeros_like(moved)
            expected[places[0]] = truth.without[filter][0] - truth.whole[places[0]]
            largest = (truth.without[filter] - truth.whole[places]).abs().max()
            allowed = truth.agreement * float(largest) + 2 * truth.rounding
            if not distance(moved, expected) <= allowed:
                return f"another image than the one that loses filter {filter} changes as well"
        return ""

    def _fault_in_float64(self, plan: Plan, truth: Truth) -> str:
        """Return how the same plan differs where rounding hides no mistake."""
        try:
            twin = plan_like(plan, _double(self.network, plan), self.layer, truth.images)
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        return self._fault(twin, truth)

    # -- in words

    def _tell(self, truth: Truth, wide: bool) -> None:
        if not truth.removed:
            self.words = "not audited: no filter tried moves a logit"
            return
        shown = ", ".join(str(filter) for filter in truth.removed)
        several = "s" if len(truth.removed) > 1 else ""
        self.words = (
            f"{self._doing()} filter{several} {shown} changes the logits as in the network itself"
            + (", in float64: float32's rounding is amplified" if wide else "")
        )

    def _doing(self) -> str:
        if self.value.is_found:
            return "a constant in place of"
        return "removing" if self.value.is_zero else f"{self.value.words} in place of"


def _double(network: Network, plan: Plan) -> Network:
    """Return a network in float64 with tensors of its own, as far as a plan needs it.

    Both copies of a large network would be four times its weights.
    """
    if isinstance(plan, GraphPlan):
        assert network.graph is not None
        return dataclasses.replace(network, graph=copy.deepcopy(network.graph).double())
    model = shadow(network.model)
    for parameter in model.parameters():
        if parameter.is_floating_point():
            parameter.data = parameter.data.double()
    return dataclasses.replace(network, model=model.double(), graph=None)
