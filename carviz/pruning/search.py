"""Best-first search: the filter whose loss costs least, exactly, without evaluating the others.

All that a step of greedy pruning needs is its winner. A filter with g images gained and l lost so
far can still leave ``right + g - l + (wrong images that it has not seen)`` images right. The filter
whose bound is highest sees more images; the first that leads with nothing left to see has won, as
no other can still overtake it. In what order images are seen decides the speed alone.
"""

from __future__ import annotations

import dataclasses
import heapq
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from carviz.pruning.maps import Tick
from carviz.pruning.state import Answers, State

QUANTUM = 16
"""Images that a candidate sees before the next candidate's turn is weighed."""
FADING = 0.7
"""What remains, from step to step, of the weight of how often images were lost before."""


class Found(NamedTuple):
    """The winner of a step.

    Parameters
    ----------
    bank, filter
        The filter, and its bank's place.
    images
        The images that it was run on; the others keep their prediction.
    answers
        What is predicted for them without it.
    decided_by_tie
        Whether another filter would have left as many images right.
    evaluated
        (filter, image) pairs that were run.
    """

    bank: int
    filter: int
    images: NDArray[np.int64]
    answers: Answers
    decided_by_tie: bool
    evaluated: int


@dataclasses.dataclass(eq=False)
class Candidate:
    """A filter that may go, and what is known of the network without it.

    Parameters
    ----------
    place
        Its place among all filters: by bank as given, then by number.
    waiting
        Images on which its channel is not zero, in the order in which it will see them.
    bound
        How many images the network may get right at most without it.
    fall
        (image,) by how much each image of `waiting` is expected to lower the bound.
    """

    place: int
    bank: int
    filter: int
    waiting: NDArray[np.int64]
    bound: int
    fall: NDArray[np.float64]
    seen: int = 0
    answers: list[Answers] = dataclasses.field(default_factory=list)

    @property
    def unseen(self) -> int:
        """How many images it has not seen."""
        return len(self.waiting) - self.seen

    def found(self, decided_by_tie: bool, evaluated: int) -> Found:
        """Return it as the winner."""
        predictions = [a.predictions for a in self.answers] or [np.zeros(0, np.int32)]
        margins = [a.margins for a in self.answers] or [np.zeros(0, np.float32)]
        answers = Answers(np.concatenate(predictions), np.concatenate(margins))
        return Found(
            self.bank, self.filter, self.waiting, answers, decided_by_tie, evaluated
        )  # fmt: skip


class Search:
    """The search of one greedy pruning; it remembers what each filter flipped before.

    Parameters
    ----------
    state
        The network as pruned so far.

    Attributes
    ----------
    flips
        (filter of any bank, image) whether removing the filter lost (1) or gained (-1) the image
        when that was last seen.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        count = sum(bank.filters for bank in state.banks)
        self.flips = np.zeros((count, len(state.targets)), np.int8)
        # How many right images were seen and lost, by the binary logarithm of their margin's rank.
        bins = len(state.targets).bit_length() + 1
        self._seen, self._lost = np.full(bins, 10.0), np.full(bins, 0.5)

    @property
    def memory(self) -> tuple[NDArray[np.int8], NDArray[np.float64], NDArray[np.float64]]:
        """What was learnt so far of which images are worth being seen first."""
        return self.flips.copy(), self._seen.copy(), self._lost.copy()

    def recall(
        self, flips: NDArray[np.int8], seen: NDArray[np.float64], lost: NDArray[np.float64]
    ) -> None:
        """Go on with the memory of another search, where that one ended."""
        self.flips, self._seen, self._lost = flips.copy(), seen.copy(), lost.copy()

    def step(self, tick: Tick) -> Found:
        """Return the filter that goes next."""
        candidates = self._candidates(tick)
        evaluated = 0
        while (winner := min(candidates, key=_rank)).unseen:
            evaluated += self._advance(candidates, tick)
        # Whatever may still leave as many right is looked at until one does, or none can.
        rivals = [c for c in candidates if c is not winner and c.bound == winner.bound]
        while rivals and all(c.unseen for c in rivals):
            evaluated += self._advance(rivals, tick)
            rivals = [c for c in rivals if c.bound == winner.bound]
        return winner.found(bool(rivals), evaluated)

    def _candidates(self, tick: Tick) -> list[Candidate]:
        state = self._state
        order = state.look(tick)
        wrong = state.predictions != state.targets
        right, found, place = state.right, [], 0
        rank = np.maximum(0, np.arange(len(order)) - (len(order) - right))
        self._bin = np.zeros(len(order), np.int64)
        self._bin[order] = np.log2(rank + 1).astype(np.int64)
        self._seen, self._lost = self._seen * FADING, self._lost * FADING
        for bank, left in enumerate(state.left):
            for filter in range(len(left)):
                if left[filter]:
                    waiting = order[state.active(bank, filter)[order]]
                    waiting, fall = self._sorted(place, waiting, wrong)
                    bound = right + int(wrong[waiting].sum())
                    found.append(Candidate(place, bank, filter, waiting, bound, fall))
                place += 1
        return found

    def _sorted(
        self, place: int, waiting: NDArray[np.int64], wrong: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Put first what will lower the bound: wrong images, and those that were lost before."""
        flips = self.flips[place, waiting]
        rate = (self._lost / self._seen)[self._bin]
        fall = np.where(wrong[waiting], 1 + 0.5 * flips, np.where(flips > 0, 0.8, rate[waiting]))
        if not self._state.maps.whole:  # images must be seen block by block
            return waiting, fall
        order = np.argsort(-fall, kind="stable")
        return waiting[order], fall[order]

    def _advance(self, candidates: list[Candidate], tick: Tick) -> int:
        """Show the leading candidates as many images as one batch holds; return how many."""
        taken = self._fill(candidates)
        bank = next(iter(taken)).bank
        parts = [c.waiting[c.seen : c.seen + n] for c, n in taken.items()]
        filters = np.repeat([c.filter for c in taken], list(taken.values()))
        answers = self._state.without(bank, filters, np.concatenate(parts), tick)
        start = 0
        for candidate, count in taken.items():
            some = slice(start, start + count)
            start += count
            self._note(candidate, Answers(answers.predictions[some], answers.margins[some]))
        return start

    def _fill(self, candidates: list[Candidate]) -> dict[Candidate, int]:
        """Return how many images each candidate sees next: one batch, of one bank.

        The batch is filled as the search would go if each image lowered a bound as expected.
        """
        leader = min((c for c in candidates if c.unseen), key=_rank)
        plan = self._state.banks[leader.bank].plan
        if not plan.rows_independent:
            return {leader: min(self._state.maps.block, leader.unseen)}
        heap = [
            (-float(c.bound), c.place, c) for c in candidates if c.unseen and c.bank == leader.bank
        ]  # fmt: skip
        heapq.heapify(heap)
        room, taken = self._state.batch_size, dict[Candidate, int]()
        while heap and room > 0:
            key, place, candidate = heapq.heappop(heap)
            before = taken.get(candidate, 0)
            count = min(QUANTUM, room, candidate.unseen - before)
            taken[candidate] = before + count
            room -= count
            if candidate.unseen > before + count:
                start = candidate.seen + before
                key += float(candidate.fall[start : start + count].sum())
                heapq.heappush(heap, (key, place, candidate))
        return taken

    def _note(self, candidate: Candidate, answers: Answers) -> None:
        """Take in what a candidate's next images say."""
        state, count = self._state, len(answers.predictions)
        images = candidate.waiting[candidate.seen : candidate.seen + count]
        was = state.predictions[images] == state.targets[images]
        now = answers.predictions == state.targets[images]
        # A wrong image leaves the bound unless it is gained, a right one that is lost as well.
        candidate.bound -= int((~now).sum())
        candidate.seen += count
        candidate.answers.append(answers)
        bins, size = self._bin[images[was]], len(self._seen)
        self._seen += np.bincount(bins, minlength=size)
        self._lost += np.bincount(bins, weights=~now[was], minlength=size)
        self.flips[candidate.place, images] = was.astype(np.int8) - now.astype(np.int8)


def _rank(candidate: Candidate) -> tuple[int, int]:
    return -candidate.bound, candidate.place
