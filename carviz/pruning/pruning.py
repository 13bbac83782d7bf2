"""A pruning that is ready to run: its steps, what it keeps on disk, and the paths it yields."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from carviz.ablation import Claim, Run, verify
from carviz.banks import Network, copy_network
from carviz.car import PASSING, SEED, Measurement
from carviz.evaluate import check_kept_labels, placed
from carviz.pruning.criteria import CRITERIA, ScoredBanks, Scores
from carviz.pruning.kept import Baseline, Kept, Ranking, Step
from carviz.pruning.maps import HEAD
from carviz.pruning.ranked import Ranked
from carviz.pruning.search import NO_MEMORY, Search
from carviz.pruning.state import PruningState
from carviz.reference import Reference
from carviz.results import PruningPath

Progress = Callable[[float], None]
CLAIMED = 4
"""Images on which the last network is compared with the reference."""
SCORING = 0.3
"""The share of the progress that scoring the filters beforehand takes."""


@dataclasses.dataclass(eq=False)
class Pruning:
    """A pruning that is ready to run, in any thread.

    Parameters
    ----------
    network
        The network, which stays as it is.
    banks
        Its banks, each ready to be measured.
    sample
        A few images where the network is.
    count
        How many filters go.
    floor
        The accuracy below which no step may fall; None for none.
    criterion
        What orders the filters.
    run
        How to run.
    passport
        Where the numbers come from.
    given
        Scores that were known beforehand, bank after bank; None where the criterion gives them.
    seed
        Of the criterion "random".
    """

    network: Network
    banks: list[Measurement]
    sample: Tensor
    count: int
    floor: float | None
    criterion: str
    run: Run
    passport: dict[str, Any]
    given: Scores | None = None
    seed: int = SEED

    def paths(self, progress: Progress | None = None) -> Iterator[PruningPath]:
        """Yield the path without a step, then ever longer ones; closing the iterator cancels.

        Parameters
        ----------
        progress
            Told the share done, 0 to 1, after every batch; what it raises ends the pruning.

        Raises
        ------
        ValueError
            If a label is outside the logits, logits are not finite, or the whole network is below
            the floor.
        """
        pruner = _Pruner(self, progress or (lambda _share: None))
        whole = pruner.whole()
        steps: list[Step] = []
        path = self._path(whole, steps)
        if self.floor is not None:
            path.at_or_above(self.floor)  # tells when the whole network is below it
        yield path
        while len(steps) < self.count:
            step = pruner.step()
            if self.floor is not None and np.mean(step.predictions == whole.targets) < self.floor:
                break
            steps.append(step)
            yield self._path(whole, steps)
        if self.network.watch is not None:
            self.network.watch.check()
        if steps:
            gone: dict[str, list[int]] = {}
            for step in steps:
                gone.setdefault(self.banks[int(step.bank)].layer, []).append(int(step.filter))
            self.verify(gone, whole, steps[-1].predictions)
        pruner.end()

    def verify(self, gone: dict[str, list[int]], whole: Baseline, found: NDArray[np.int32]) -> None:
        """Compare what is predicted without filters with what the network itself does so pruned.

        Parameters
        ----------
        gone
            Filters by layer.
        found
            (M,) the classes that are predicted without them.
        """
        images = self.banks[0].images
        # Images whose prediction has changed first: of the others little is learnt.
        order = np.argsort(found == whole.predictions, kind="stable")
        numbers = [*order[: CLAIMED // 2], *order[-(CLAIMED - CLAIMED // 2) :]]
        claims = [
            Claim(
                int(m), placed(images.read([int(m)])[0], self.network.model), gone,
                int(whole.targets[m]), int(found[m]),
            )
            for m in dict.fromkeys(numbers)
        ]  # fmt: skip
        reference = Reference(self.network.model, self.banks[0].plan.pick)
        rounding = max(bank.audit.rounding for bank in self.banks)
        verify(reference, claims, rounding=rounding)

    def new_state(self) -> PruningState:
        """Return the whole network, ready to lose filters; nothing is computed yet."""
        plans = {bank.layer: bank.plan for bank in self.banks}
        return PruningState(self.network, plans, self.banks[0].images, self.sample, self.run)

    def kept(self) -> Kept:
        """Open what is on disk of it, where the run has a checkpoint."""
        decides = {k: v for k, v in self.passport.items() if k not in PASSING}
        identity = {"classes": list(self.banks[0].classes), **decides}
        layers, chosen = [bank.layer for bank in self.banks], self.criterion
        if self.given is not None:
            chosen = f"{chosen} as given"
        elif chosen == "random" and self.seed != SEED:
            chosen = f"{chosen}, seed {self.seed}"
        return Kept(self.run, chosen, layers, identity)

    def scores(self, kept: Kept, tell: Progress) -> Scores:
        """Return the scores of all filters, from disk where they are kept; none for greedy CAR."""
        if self.given is not None:
            return self.given
        ranking = kept.ranking()
        if ranking is None:
            scored = ScoredBanks(copy_network(self.network), self.banks, self.seed)
            found = CRITERIA[self.criterion](scored, tell)
            ranking = Ranking(np.zeros(0) if found is None else np.concatenate(found))
            kept.save(ranking)
        return ranking.scores

    def _path(self, whole: Baseline, steps: list[Step]) -> PruningPath:
        layers = [bank.layer for bank in self.banks]
        return PruningPath(
            self.criterion,
            banks=tuple(layers),
            bank_sizes=np.asarray([len(bank.filters) for bank in self.banks]),
            layers=tuple(layers[int(step.bank)] for step in steps),
            order=np.asarray([step.filter for step in steps], np.int64),
            classes=self.banks[0].classes,
            targets=whole.targets.astype(np.int32),
            baseline=whole.predictions,
            predictions=np.asarray([step.predictions for step in steps], np.int32),
            decided_by_tie=np.asarray([step.decided_by_tie for step in steps], np.bool_),
            evaluated=np.asarray([step.evaluated for step in steps], np.int64),
            naive=np.asarray([step.naive for step in steps], np.int64),
            passport=self.passport,
        )


class _Pruner:
    """Takes one step after another, from disk as far as they are kept there.

    Nothing is computed, and no network copied, before that is needed.
    """

    def __init__(self, pruning: Pruning, progress: Progress) -> None:
        self._of = pruning
        self._listener, self._told = progress, 0.0
        self._kept = pruning.kept()
        self._steps: list[Step] = []
        self._memory = NO_MEMORY
        self._whole: Baseline | None = None
        self._state: PruningState | None = None
        self._chooser: Search | Ranked | None = None
        self._share = 0.0
        # How many batches the step has run so far, and the step before it.
        self._ticks, self._usual = 0, 8

    def whole(self) -> Baseline:
        """Return what the whole network predicts.

        Raises
        ------
        ValueError
            If labels are others than those that are kept: where they are known by reading only,
            not all of them enter the data's fingerprint.
        """
        self._whole, images = self._kept.whole(), self._of.banks[0].images
        if self._whole is not None and images.hints is None:
            for chunk, _, labels in images.in_batches(HEAD):
                self._tick()
                kept = self._whole.targets[chunk.start : chunk.stop]
                check_kept_labels(kept, labels, self._of.run.checkpoint)
        if self._whole is None:
            state = self._of.new_state()
            state.begin(len(self._of.banks[0].classes), self._tick)
            self._whole = Baseline(
                state.targets.copy(), state.predictions.copy(), state.margins.copy()
            )
            self._kept.save(self._whole)
            self._state = state
        return self._whole

    def step(self) -> Step:
        """Return the next step."""
        place = len(self._steps)
        # Once a step was computed, what is kept of later ones may be of another course of ties.
        step = self._kept.step(place) if self._chooser is None else None
        if step is None:
            step = self._compute()
            self._kept.save(step, place)
        # The search has its memory; one that begins here goes on from what was read last.
        self._memory = step.memory if self._chooser is None else NO_MEMORY
        self._steps.append(step.without_memory())
        self._usual, self._ticks = max(self._ticks, 1), 0
        self._share = self._done(len(self._steps))
        self._progress(self._share)
        return self._steps[-1]

    def _progress(self, share: float) -> None:
        """Tell the share done; it never goes back, though parts are only guessed beforehand."""
        self._told = max(self._told, min(share, 1.0))
        self._listener(self._told)

    def end(self) -> None:
        """Tell that all is done."""
        self._progress(1.0)

    def _compute(self) -> Step:
        state = self._ready()
        if self._chooser is None:
            self._chooser = self._choose(state)
        left = sum(int(some.sum()) for some in state.left)
        found = self._chooser.step(self._tick)
        state.take(*found.answers, found.images)
        state.prune(found.bank, found.filter)
        memory = self._chooser.memory if isinstance(self._chooser, Search) else NO_MEMORY
        return Step(
            np.asarray(found.bank),
            np.asarray(found.filter),
            state.predictions.copy(),
            state.margins.copy(),
            *memory,
            np.asarray(found.decided_by_tie),
            np.asarray(found.evaluated),
            np.asarray(left * len(state.targets)),
        )

    def _ready(self) -> PruningState:
        """Return the network as pruned so far, where steps were read from disk made anew."""
        if self._chooser is not None and self._state is not None:
            return self._state
        state = self._state or self._of.new_state()
        if self._state is None:
            assert self._whole is not None
            last = self._steps[-1] if self._steps else self._whole
            state.resume(self._whole.targets, last.predictions, last.margins, self._tick)
        for step in self._steps:
            state.prune(int(step.bank), int(step.filter))
        if self._steps:
            state.take(self._steps[-1].predictions, self._steps[-1].margins, slice(None))
        self._state = state
        return state

    def _choose(self, state: PruningState) -> Search | Ranked:
        of = self._of
        scored = of.criterion != "car" and of.given is None
        if scored and self._kept.ranking() is None:
            state.forget()  # to score may take feature maps of its own
        scores = of.scores(self._kept, lambda share: self._progress(SCORING * share))
        if len(scores):
            return Ranked(state, scores)
        search = Search(state)
        if self._steps:
            search.recall(self._memory)
        return search

    def _tick(self) -> None:
        """Tell how far the pruning is; how many batches a step takes is not known beforehand."""
        self._ticks += 1
        place = len(self._steps)
        part = self._ticks / (self._ticks + self._usual) if self._chooser is not None else 0.0
        share = self._share + part * (self._done(place + 1) - self._share)
        self._progress(share)

    def _done(self, steps: int) -> float:
        """Return the share of the work that a number of steps is."""
        if self._of.criterion != "car" or self._of.given is not None:
            return SCORING + (1 - SCORING) * min(steps / max(1, self._of.count), 1.0)
        # A step of greedy CAR looks at every filter that is left.
        filters = sum(len(bank.filters) for bank in self._of.banks)
        work = np.arange(filters, filters - self._of.count, -1)
        return float(work[:steps].sum() / max(1, work.sum()))
