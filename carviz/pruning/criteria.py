"""What decides which filter goes next: one table, a short function each.

All but greedy CAR score every filter once, beforehand; the lowest score goes first.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from carviz.banks import PLUS, Network, hooked_ends, insert_behind
from carviz.car import SEED, Measurement, iter_tables
from carviz.evaluate import arithmetic, placed, quiet_call, set_grad_enabled
from carviz.results import CarTable

Scores = NDArray[np.float64]
Progress = Callable[[float], None]
BATCH = 32
"""Images that go through the whole network together."""


@dataclasses.dataclass(frozen=True, eq=False)
class ScoredBanks:
    """What is scored.

    Parameters
    ----------
    network
        A copy that nobody else uses: hooks are put on it.
    banks
        The banks, each ready to be measured.
    seed
        Of what is drawn at random.
    """

    network: Network
    banks: Sequence[Measurement]
    seed: int = SEED

    @property
    def weights(self) -> Iterator[NDArray[np.float64]]:
        """Each bank's weights as (filter, weight)."""
        for bank in self.banks:
            if PLUS in bank.layer:
                raise ValueError(
                    "Norms of weights compare the filters of one convolution; "
                    f"{bank.layer!r} is a sum of several. Take another criterion, or name one of "
                    "its branches."
                )
            weight = self.network.convolution(bank.layer).weight.detach()
            yield weight.flatten(1).double().cpu().numpy()


Criterion = Callable[[ScoredBanks, Progress], list[Scores] | None]


def car(_scored: ScoredBanks, _progress: Progress) -> None:
    """Greedy CAR: no score; each step takes what costs the network as pruned so far least.

    Abbasi-Asl and Yu, arXiv 1711.02329, section 2.
    """


def car_once(scored: ScoredBanks, progress: Progress) -> list[Scores]:
    """CAR in the whole network, measured once: the images lost less those gained."""
    tables = _measured(scored, progress)
    return [(table.lost_all - table.gained_all).astype(float) for table in tables]


def log_prob(scored: ScoredBanks, progress: Progress) -> list[Scores]:
    """Mean fall of log p of the true class in the whole network: it tells ties of CAR apart."""
    return [table.log_prob_drop_all.astype(float) for table in _measured(scored, progress)]


def _measured(scored: ScoredBanks, progress: Progress) -> Iterator[CarTable]:
    """Yield the whole table of each bank."""
    for place, bank in enumerate(scored.banks):
        *_, table = iter_tables(bank, _part(progress, place, len(scored.banks)))
        yield table


def l1(scored: ScoredBanks, _progress: Progress) -> list[Scores]:
    """Sum of a filter's absolute weights (Li et al., arXiv 1608.08710)."""
    return _comparable([np.abs(weights).sum(1) for weights in scored.weights])


def l2(scored: ScoredBanks, _progress: Progress) -> list[Scores]:
    """Root of the sum of a filter's squared weights (Li et al., arXiv 1608.08710, section 4.4)."""
    return _comparable([np.sqrt((weights**2).sum(1)) for weights in scored.weights])


def taylor(scored: ScoredBanks, progress: Progress) -> list[Scores]:
    """By how much the loss changes to first order: |mean over places of z · dC/dz|, over images.

    z is the output of the bank's unit, C the cross-entropy of the image; the mean over all images
    (Molchanov et al., arXiv 1611.06440, equation 8).
    """
    sums = [np.zeros(len(bank.filters)) for bank in scored.banks]

    def add(outputs: list[list[Tensor]], logits: Tensor, targets: Tensor) -> None:
        loss = F.cross_entropy(logits.float(), targets, reduction="sum")
        torch.autograd.backward(loss)
        for total, maps in zip(sums, outputs, strict=True):
            # Of a bank that is used twice, the changes at both places add up.
            changes = [(z.detach() * z.grad).flatten(2).mean(2) for z in maps if z.grad is not None]
            if changes:
                total += torch.stack(changes).sum(0).abs().sum(0).double().cpu().numpy()

    _visit(scored, progress, add, gradients=True)
    return _comparable([total / len(scored.banks[0].images) for total in sums])


def apoz(scored: ScoredBanks, progress: Progress) -> list[Scores]:
    """Average percentage of zeros: places at or below zero at the unit's output, most first.

    Hu et al., arXiv 1607.03250, equation 1: zeros behind the ReLU.
    """
    sums = [np.zeros(len(bank.filters)) for bank in scored.banks]

    def add(outputs: list[list[Tensor]], _logits: Tensor, _targets: Tensor) -> None:
        for total, maps in zip(sums, outputs, strict=True):
            shares = [(z <= 0).flatten(2).double().mean(2) for z in maps]
            total += torch.stack(shares).mean(0).sum(0).cpu().numpy()

    _visit(scored, progress, add)
    return [-total / len(scored.banks[0].images) for total in sums]


def random(scored: ScoredBanks, _progress: Progress) -> list[Scores]:
    """Any order, from a seed: what every other criterion should beat."""
    sizes = [len(bank.filters) for bank in scored.banks]
    order = np.random.default_rng(scored.seed).permutation(sum(sizes)).astype(float)
    return np.split(order, np.cumsum(sizes)[:-1])


CRITERIA: dict[str, Criterion] = {
    "car": car,
    "car-once": car_once,
    "log-prob": log_prob,
    "l1": l1,
    "l2": l2,
    "taylor": taylor,
    "apoz": apoz,
    "random": random,
}
"""Name and function of each criterion."""


def _comparable(scores: list[Scores]) -> list[Scores]:
    """Divide by the L2 norm of the bank's scores, where several banks are compared.

    Molchanov et al., arXiv 1611.06440, section 2.2.
    """
    if len(scores) == 1:
        return scores
    return [s / (np.linalg.norm(s) or 1.0) for s in scores]


def _part(progress: Progress, place: int, count: int) -> Progress:
    return lambda share: progress((place + share) / count)


def _visit(
    scored: ScoredBanks,
    progress: Progress,
    note: Callable[[list[list[Tensor]], Tensor, Tensor], None],
    *,
    gradients: bool = False,
) -> None:
    """Run all images through the network and hand each batch's maps, logits and labels on.

    The maps are those at the ends of the banks' units; a bank has one tensor of them for each
    place where it is used.
    """
    images, network = scored.banks[0].images, scored.network
    pick = scored.banks[0].plan.pick
    watched = _Watched(scored, gradients)
    for chunk, batch, targets in images.in_batches(BATCH):
        progress(chunk.start / len(images))
        batch = placed(batch, network.model, watched.layout)
        with (
            set_grad_enabled(gradients),
            arithmetic("float32", batch.device.type),
        ):
            with pick.reading() as read:
                outputs, answer = watched.run(batch)
                logits = read(answer)
            note(outputs, logits, targets.to(batch.device))


class _Note(nn.Module):
    """Hands maps on, and what it is told to do with them is done."""

    def __init__(self, note: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.note = note

    def forward(self, maps: Tensor) -> Tensor:
        """Return what the note makes of the maps."""
        return self.note(maps)


class _Watched:
    """The network, which tells what leaves the ends of the banks' units as well.

    Its graph is run where all banks are measured by it; else the model itself, under hooks.
    """

    def __init__(self, scored: ScoredBanks, gradients: bool) -> None:
        self._scored, self._gradients = scored, gradients
        self._found: list[list[Tensor]] = [[] for _ in scored.banks]
        self._graph = all(bank.plan.how == "graph" for bank in scored.banks)
        self.layout = torch.channels_last if self._graph else torch.contiguous_format
        network = scored.network
        if not self._graph:
            return
        assert network.graph is not None
        for place, bank in enumerate(scored.banks):
            for end in network.unit_ends(bank.layer):
                name = f"carviz_note_{place}_{end.name}"
                insert_behind(network.graph, end, name, _Note(self._noting(place)))

    def _noting(self, place: int) -> Callable[[Tensor], Tensor]:
        def note(output: Tensor) -> Tensor:
            z = output
            if self._gradients and not z.requires_grad:
                z = z.detach().requires_grad_()
            if self._gradients:
                z.retain_grad()
            self._found[place].append(z)
            return z.clone()  # what works in place behind it leaves z alone

        return note

    def run(self, batch: Tensor) -> tuple[list[list[Tensor]], Any]:
        """Return each bank's maps, one tensor a call, and what the network gives."""
        for found in self._found:
            found.clear()
        network = self._scored.network
        if self._graph:
            assert network.graph is not None
            return self._found, quiet_call(network.graph, batch)
        with ExitStack() as hooks:
            for place, bank in enumerate(self._scored.banks):
                ends = hooked_ends(network.model, bank.layer, batch[:1], network.norms)
                hooks.enter_context(ends.replacing(network.model, self._noting(place)))
            return self._found, network.model(batch.clone())
