"""The network as pruned so far: what it predicts, and what it would predict without a filter."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from carviz.ablation import (
    LEAST_ROWS,
    ROWS,
    Batch,
    GraphPlan,
    HookPlan,
    Needs,
    Plan,
    ReferencePlan,
    Run,
    check_finite,
    find_needs,
    layout_of,
    plan_like,
    read_logits,
    side_by_side,
    silence,
    workers_of,
)
from carviz.banks import HookedEnds, Network, copy_network, hooked_ends
from carviz.evaluate import Images, arithmetic, check_labels, inference_mode
from carviz.pruning.known import BYTES, find_wakers
from carviz.pruning.maps import Maps, Part, Sizes, Tick

WHOLE = -1
"""The filter's number that stands for none."""
KNOWN = 8
"""An eighth of the memory budget, at most, holds answers of earlier steps."""


class Answers(NamedTuple):
    """What was predicted for some (filter, image) pairs.

    Parameters
    ----------
    predictions
        Class.
    margins
        By how much the true class's logit is above the best other; below zero where it is wrong.
    """

    predictions: NDArray[np.int32]
    margins: NDArray[np.float32]


@dataclasses.dataclass(eq=False)
class PrunedBank:
    """A bank of the network that is being pruned."""

    layer: str
    filters: int
    plan: Plan


class PruningState:
    """The network as pruned so far. The one that was given stays as it is.

    Parameters
    ----------
    network
        The network, which is copied.
    plans
        By bank, the plan that the audit chose: how it is ablated.
    images
        The data.
    sample
        A few images where the network is, to try the plans on.
    run
        How to run.

    Attributes
    ----------
    targets, predictions, margins
        (M,) each image's true class, what the network as pruned so far predicts, and by how much
        the true class is ahead.
    left
        For each bank, (filter,) whether the filter is still there.
    wakes
        (bank, other) whether the loss of a filter may change what filters of another bank do.
    known_room
        Bytes that answers of earlier steps may take.
    """

    def __init__(
        self, network: Network, plans: Mapping[str, Plan], images: Images, sample: Tensor, run: Run
    ) -> None:
        self.network = copy_network(network)
        self.settings = run
        self.device, dtype = sample.device, sample.dtype
        self._sample, self._chosen = sample, dict(plans)
        self.banks = [self._bank(layer) for layer in plans]
        self._plans = own = [bank.plan for bank in self.banks]
        self._ends: dict[str, HookedEnds] = {}
        self._gone: dict[str, list[int]] = {bank.layer: [] for bank in self.banks}
        self._stale = False
        self.wakes = find_wakers(self.network, plans)
        needs, kept = _needs(own, sample[:1])
        rows = run.batch_size or ROWS
        count, image = len(images), sample[0].nbytes
        # Answers that are known, and the images themselves, wait on the CPU.
        there, here = run.budget(self.device), run.budget(torch.device("cpu"))
        pairs = count * sum(bank.filters for bank in self.banks)
        self.known_room = min(pairs * BYTES, here // KNOWN)
        if self.device.type == "cpu":
            there -= self.known_room
        self.sizes = Sizes.within(there, needs, kept, image, count, rows)
        if count * image > here // 2 or images.in_memory:
            self.sizes = dataclasses.replace(self.sizes, raw=False)
        self.batch_size = self.sizes.rows if run.batch_size is None else run.batch_size
        self.maps = Maps(images, own, self.sizes, self.device, dtype)
        self.left = [np.ones(bank.filters, np.bool_) for bank in self.banks]
        self.targets = np.zeros(count, np.int64)
        self.predictions = np.zeros(count, np.int32)
        self.margins = np.zeros(count, np.float32)
        self._current = False
        self._last: int | None = None

    def anew(self) -> PruningState:
        """Return the whole network with all its filters, and what was computed of it so far.

        This one stays as it is, for others to begin with: no filter of it may have gone. What its
        heads gave is copied where memory holds it twice, and computed again elsewhere.
        """
        made = PruningState(
            self.network, self._chosen, self.maps.images, self._sample, self.settings
        )
        with inference_mode():
            made.maps.begin_like(self.maps)
        made.targets = self.targets
        made.take(self.predictions, self.margins, slice(None))
        return made

    def _bank(self, layer: str) -> PrunedBank:
        filters = self.network.convolution(layer).out_channels
        with inference_mode(), arithmetic("float32", self.device.type):
            return PrunedBank(layer, filters, self._plan(layer))

    def _plan(self, layer: str) -> Plan:
        chosen = self._chosen[layer]
        sample = self._sample.to(memory_format=layout_of(chosen))
        return plan_like(chosen, self.network, layer, sample)

    def _renew_plans(self) -> None:
        """Make the plans anew: another bank's plan may hold copies of what was silenced."""
        for place, bank in enumerate(self.banks):
            if isinstance(bank.plan, GraphPlan):
                with inference_mode(), arithmetic("float32", self.device.type):
                    bank.plan = self._plans[place] = self._plan(bank.layer)
        self._stale = False

    @property
    def right(self) -> int:
        """How many images the network as pruned so far gets right."""
        return int((self.predictions == self.targets).sum())

    def begin(self, classes: int, tick: Tick) -> None:
        """Run the whole network: the predictions that pruning starts from.

        Raises
        ------
        ValueError
            If a label is outside the logits, or logits are not finite.
        """
        with inference_mode():
            self.targets = self.maps.targets(tick)
        check_labels(torch.as_tensor(self.targets), classes, range(len(self.targets)))
        everything = np.arange(len(self.targets))
        whole = np.full(len(everything), WHOLE)
        self.take(*self.without(0, whole, everything, tick), everything)

    def resume(
        self, targets: NDArray[np.int64], predictions: NDArray[np.int32],
        margins: NDArray[np.float32], tick: Tick,
    ) -> None:  # fmt: skip
        """Go on from what is known already; the images are only read."""
        self.maps.targets(tick)
        self.targets = targets
        self.take(predictions, margins, slice(None))

    def take(
        self, predictions: NDArray[np.int32], margins: NDArray[np.float32],
        images: NDArray[np.int64] | slice,
    ) -> None:  # fmt: skip
        """Take in what the network predicts for some images; for the others nothing changed."""
        self.predictions[images] = predictions
        self.margins[images] = margins

    def prune(self, bank: int, filter: int) -> None:
        """Silence a filter for good."""
        layer = self.banks[bank].layer
        self._gone[layer].append(filter)
        # A graph is changed once. Hooks and the reference run the model as it was given, and zero
        # what is gone in every pass.
        if any(isinstance(plan, GraphPlan) for plan in self._plans):
            self._stale = silence(self.network, layer, [filter]) or self._stale
        for plan in self._plans:
            if isinstance(plan, HookPlan):
                plan.gone[layer] = self._ends_of(layer), self._gone[layer]
            elif isinstance(plan, ReferencePlan):
                plan.gone[layer] = self._gone[layer]
        self.left[bank][filter] = False
        self._last = filter if self._current else None
        self._current = False

    def _ends_of(self, layer: str) -> HookedEnds:
        if layer not in self._ends:
            network = self.network
            with inference_mode(), arithmetic("float32", self.device.type):
                self._ends[layer] = hooked_ends(network.model, layer, self._sample, network.norms)
        return self._ends[layer]

    def forget(self) -> None:
        """Let the feature maps go; they are computed anew when they are needed."""
        self.maps.begin(np.arange(len(self.targets)))

    def look(self, tick: Tick) -> NDArray[np.int64]:
        """Return the images' numbers, wrong ones first, then right ones by rising margin.

        The feature maps are forgotten where the network has changed.
        """
        wrong = self.predictions != self.targets
        order = np.lexsort((self.margins, ~wrong))  # what is most surely wrong comes first
        if not self._current:
            if len(self.banks) > 1 or self._stale:
                self._renew_plans()
            with inference_mode(), arithmetic("float32", self.device.type):
                if self.maps.whole and not any(self._gone.values()):
                    self.maps.watch(tick)  # what `begin` has computed still holds
                elif self._last is None or not self.maps.lose(self._last, tick):
                    self.maps.begin(order)
                    self.maps.watch(tick)
            self._current = True
        return order

    def active(self, bank: int, filter: int) -> NDArray[np.bool_]:
        """Return on which images (M,) a filter's channel is not zero, or may not be."""
        known = self.maps.active[bank]
        return np.ones(len(self.targets), np.bool_) if known is None else known[:, filter]

    def without(
        self, bank: int, filters: NDArray[np.int64], images: NDArray[np.int64], tick: Tick
    ) -> Answers:
        """Return what the network would predict without one more filter.

        Parameters
        ----------
        bank
            The bank's place among those that are pruned.
        filters, images
            (pair,) the filter that goes, and the image.
        """
        predictions = np.zeros(len(images), np.int32)
        margins = np.zeros(len(images), np.float32)
        with inference_mode(), arithmetic("float32", self.device.type):
            for part in self.maps.parts(bank, images, tick):
                chosen = part.places
                for batch in self._batches(bank, part, filters[chosen]):
                    tick()
                    asked = chosen[batch]
                    answers = self._ask(bank, part, batch, filters[asked], images[asked])
                    predictions[asked], margins[asked] = answers
        return Answers(predictions, margins)

    def _batches(
        self, bank: int, part: Part, filters: NDArray[np.int64]
    ) -> list[NDArray[np.int64]]:
        """Return which pairs of a part run together; a filter's images are in the maps' order."""
        order = np.lexsort((part.rows, filters))
        if self.banks[bank].plan.rows_independent:
            size = self.batch_size
            return [order[i : i + size] for i in range(0, len(order), size)]
        # Where the tail's numbers are tied to the batch, a batch is a whole block in its order.
        cuts = np.flatnonzero(np.diff(filters[order])) + 1
        return np.split(order, cuts)

    def _ask(
        self, bank: int, part: Part, batch: NDArray[np.int64],
        filters: NDArray[np.int64], images: NDArray[np.int64],
    ) -> Answers:  # fmt: skip
        plan, rows = self.banks[bank].plan, part.rows[batch]
        if not plan.rows_independent:
            every = plan.tail(part.values, Batch.together([int(filters[0])], self.device))
            return self._read(every[torch.as_tensor(rows)], images, filters)
        try:
            return self._rows(plan, part, rows, filters, images)
        except torch.OutOfMemoryError:
            if len(batch) == 1:
                raise
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        self.batch_size = half = (len(batch) + 1) // 2
        return _joined(
            [
                self._ask(bank, part, batch[some], filters[some], images[some])
                for some in (slice(half), slice(half, None))
            ]
        )

    def _rows(
        self, plan: Plan, part: Part, rows: NDArray[np.int64],
        filters: NDArray[np.int64], images: NDArray[np.int64],
    ) -> Answers:  # fmt: skip
        """Run a batch, on a CPU in a piece for each of its workers."""
        workers = workers_of(plan, self.device)
        count = min(workers, -(-len(rows) // LEAST_ROWS))
        pieces = np.array_split(np.arange(len(rows)), count)
        found: dict[int, Answers] = {}

        def run(place: int) -> int:
            piece = pieces[place]
            asked = Batch.of(rows[piece], filters[piece, None], self.device)
            logits = plan.tail(part.values, asked)
            # Read here: what this thread would run with several of torch's threads leaves them
            # spinning for a while, on the cores that the workers want next.
            found[place] = self._read(logits, images[piece], filters[piece])
            return len(piece)

        side_by_side(range(count), run, workers=workers, context=self._modes)
        return _joined([found[place] for place in range(count)])

    @contextmanager
    def _modes(self) -> Iterator[None]:
        with inference_mode(), arithmetic("float32", self.device.type):
            yield

    def _read(
        self, logits: Tensor, images: NDArray[np.int64], filters: NDArray[np.int64]
    ) -> Answers:
        targets = torch.as_tensor(self.targets[images], device=self.device)
        predicted, _, finite = read_logits(logits, targets)
        removed = None if (filters == WHOLE).all() else filters
        check_finite(finite.cpu().numpy(), images, removed)
        return Answers(
            predicted.int().cpu().numpy(), _margins(logits.float(), targets).cpu().numpy()
        )


def _joined(parts: Sequence[Answers]) -> Answers:
    return Answers(*map(np.concatenate, zip(*parts, strict=True)))


def _margins(logits: Tensor, targets: Tensor) -> Tensor:
    own = logits.gather(1, targets[:, None]).squeeze(1)
    # The true class is taken out of the running for the best other.
    others = logits.scatter(1, targets[:, None], -torch.inf).amax(1)
    return own - others


@inference_mode()
def _needs(plans: Sequence[Plan], image: Tensor) -> tuple[list[Needs], int]:
    """Return what each plan needs for an image, and the bytes of all that their heads give."""
    needs, kept = [], 0
    for plan in plans:
        own = image.contiguous(memory_format=layout_of(plan))
        needs.append(find_needs(plan, own, 0))
        kept += sum(value.nbytes for value in plan.head(own) if isinstance(value, Tensor))
    return needs, kept
