"""Best-first search: the filter whose loss costs least, exactly, without evaluating the others.

All that a step of greedy pruning needs is its winner. A filter with g images gained and l lost so
far can still leave ``right + g - l + (wrong images that it has not seen)`` images right: an upper
bound, as every image that it has not seen counts as right. The filter whose bound is highest sees
more images, of equal ones the one that comes first. The first that leads with nothing left to see
has won: its bound is then what it leaves right, no other can still get above it, and none that
comes before it can still get there. In what order images are seen, and how many at once, decides
the speed alone.

Three things are not run at all: images on which the filter is silent, as nothing changes there;
answers of earlier steps that still hold (`carviz.pruning.known`); and whatever a filter has not
seen when its bound is below the winner.
"""

from __future__ import annotations

import dataclasses
import heapq
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from carviz.pruning.known import KnownAnswers
from carviz.pruning.maps import Tick
from carviz.pruning.state import Answers, PruningState

QUANTUM = 8
"""Images that a candidate sees before the next candidate's turn is weighed."""
FADING = 0.7
"""What remains, from step to step, of the weight of what was seen before."""
EXPECTED = np.array([[0.05, 0.05, 0.8], [0.5, 0.9, 0.95]])
"""How often an image that is (right, wrong) now is (lost, still wrong) without a filter that
(gained it, changed nothing, lost it) when that was last seen: assumed before any is seen."""
ASSUMED = 2.0
"""How many images, of each kind, this assumption weighs as much as."""


class Memory(NamedTuple):
    """What a search has learnt, so that another one goes on as it would have; see `Search`."""

    flips: NDArray[np.int8]
    seen: NDArray[np.float64]
    fell: NDArray[np.float64]
    known_classes: NDArray[np.int32]
    known_margins: NDArray[np.float16]


NO_MEMORY = Memory(
    np.zeros((0, 0), np.int8), np.zeros(0), np.zeros(0),
    np.zeros((0, 0), np.int32), np.zeros((0, 0), np.float16),
)  # fmt: skip
"""That of what does not search."""


class Winner(NamedTuple):
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
        Images on which its channel is not zero: first those whose answers are known, then the
        others in the order in which it will see them.
    bound
        How many images the network may get right at most without it.
    fall
        (image,) by how much each image of `waiting` is expected to lower the bound.
    seen
        How many of them have their answer.
    answers
        These, part by part.
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

    def take(self, answers: Answers, targets: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Take in the answers for its next images; return which of them are right."""
        count = len(answers.predictions)
        right: NDArray[np.bool_] = (
            answers.predictions == targets[self.waiting[self.seen : self.seen + count]]
        )
        # The bound counts all as right: wrong ones that stay wrong leave it, right ones that are
        # lost as well.
        self.bound -= count - int(right.sum())
        self.seen += count
        self.answers.append(answers)
        return right

    def found(self, decided_by_tie: bool, evaluated: int) -> Winner:
        """Return it as the winner."""
        predictions = [a.predictions for a in self.answers] or [np.zeros(0, np.int32)]
        margins = [a.margins for a in self.answers] or [np.zeros(0, np.float32)]
        answers = Answers(np.concatenate(predictions), np.concatenate(margins))
        return Winner(
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
    known
        Answers of earlier steps that still hold.
    """

    def __init__(self, state: PruningState) -> None:
        self._state = state
        filters, images = sum(bank.filters for bank in state.banks), len(state.targets)
        self.flips = np.zeros((filters, images), np.int8)
        self.known = KnownAnswers(filters, images, state.known_room)
        # How many images were seen, and how many of them lowered a bound: by whether the image is
        # wrong, what the filter did to it when that was last seen, and how near to the other side
        # it is (the binary logarithm of its rank by margin).
        bins = images.bit_length() + 1
        self._seen = np.full((2, 3, bins), ASSUMED)
        self._fell = ASSUMED * np.repeat(EXPECTED[:, :, None], bins, 2)
        self._wrong = np.zeros(images, np.bool_)
        self._bin = np.zeros(images, np.int64)

    @property
    def memory(self) -> Memory:
        """What was learnt so far (not copied): what is worth being seen first, or is known."""
        known = self.known
        return Memory(self.flips, self._seen, self._fell, known.classes, known.margins)

    def recall(self, memory: Memory) -> None:
        """Go on with the memory of another search, where that one ended."""
        self.flips, self._seen, self._fell = (
            memory.flips.copy(), memory.seen.copy(), memory.fell.copy()
        )  # fmt: skip
        self.known.recall(memory.known_classes, memory.known_margins)

    def step(self, tick: Tick) -> Winner:
        """Return the filter that goes next."""
        candidates = self._candidates(tick)
        evaluated = 0
        # Bounds only fall. Who leads by `_rank` with nothing left to see leaves exactly its bound
        # right; filters of lower bounds leave fewer, and those of equal ones come behind it.
        while (winner := min(candidates, key=_rank)).unseen:
            reached = max((c.bound for c in candidates if not c.unseen), default=0)
            evaluated += self._advance(candidates, reached, tick)
        # Whether another one ties with it is another question: whatever may still leave as many
        # right is looked at until one does, or none can.
        rivals = [c for c in candidates if c is not winner and c.bound == winner.bound]
        while rivals and all(c.unseen for c in rivals):
            evaluated += self._advance(rivals, winner.bound, tick)
            rivals = [c for c in rivals if c.bound == winner.bound]
        self._forget(winner)
        return winner.found(bool(rivals), evaluated)

    def _forget(self, winner: Candidate) -> None:
        """Forget the answers that may be others once the winner is gone.

        Where its channel is zero it does nothing: what was predicted without another filter holds,
        unless that other one, by being gone, wakes the winner's channel.
        """
        state, start = self._state, 0
        active = state.active(winner.bank, winner.filter)
        for bank, left in enumerate(state.left):
            rows = slice(start, start + len(left))
            start += len(left)
            self.known.forget(rows, active | bool(state.wakes[bank, winner.bank]))
        self.known.forget(slice(winner.place, winner.place + 1), np.ones(len(active), np.bool_))

    def _candidates(self, tick: Tick) -> list[Candidate]:
        state = self._state
        order = state.look(tick)
        self._wrong = wrong = state.predictions != state.targets
        right, found, place = state.right, [], 0
        # Ranks count from the border between wrong and right on both sides.
        ranks = np.arange(len(order)) - (len(order) - right)
        self._bin[order] = np.log2(np.where(ranks < 0, -ranks, ranks + 1)).astype(np.int64)
        self._seen, self._fell = self._seen * FADING, self._fell * FADING
        rates = self._rates()
        for bank, left in enumerate(state.left):
            for filter in range(len(left)):
                if left[filter]:
                    waiting = order[state.active(bank, filter)[order]]
                    bound = right + int(wrong[waiting].sum())
                    known = self.known.has(place, waiting)
                    held, waiting = waiting[known], waiting[~known]
                    waiting, fall = self._sorted(place, waiting, rates)
                    candidate = Candidate(
                        place, bank, filter, np.concatenate([held, waiting]), bound,
                        np.concatenate([np.zeros(len(held)), fall]),
                    )  # fmt: skip
                    if len(held):
                        candidate.take(Answers(*self.known.get(place, held)), state.targets)
                    found.append(candidate)
                place += 1
        return found

    def _rates(self) -> NDArray[np.float64]:
        """Return how often an image of each kind lowered a bound of late."""
        # A trace of what was assumed stays: kinds that are not seen for long fade to it.
        trace = ASSUMED * 1e-2
        return (self._fell + trace * EXPECTED[:, :, None]) / (self._seen + trace)

    def _kind(self, place: int, images: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
        wrong = self._wrong[images].astype(np.int64)
        return wrong, self.flips[place, images].astype(np.int64) + 1, self._bin[images]

    def _sorted(
        self, place: int, waiting: NDArray[np.int64], rates: NDArray[np.float64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Put first what most likely lowers the bound, so that a filter is soon out of the race.

        Mostly these are images that are surely wrong, then those that the filter lost before.
        """
        fall = rates[self._kind(place, waiting)]
        if not self._state.maps.whole:  # images must be seen block by block
            return waiting, fall
        order = np.argsort(-fall, kind="stable")
        return waiting[order], fall[order]

    def _advance(self, candidates: list[Candidate], reached: int, tick: Tick) -> int:
        """Show the leading candidates as many images as one batch holds; return how many."""
        taken = self._fill(candidates, reached)
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

    def _fill(self, candidates: list[Candidate], reached: int) -> dict[Candidate, int]:
        """Return how many images each candidate sees next: one batch, of one bank.

        The batch is filled as the search would most likely go. Bounds are whole numbers: until an
        image is expected to lower it, the leader stays the leader, and others are not begun. What
        is expected to fall below `reached`, that which some filter leaves right for sure, is out
        of the race: no batch is filled with it.
        """
        leader = min((c for c in candidates if c.unseen), key=_rank)
        plan = self._state.banks[leader.bank].plan
        if not plan.rows_independent:
            return {leader: min(self._state.maps.block, leader.unseen)}
        heap = [
            (-c.bound, c.place, 0.0, c) for c in candidates if c.unseen and c.bank == leader.bank
        ]  # fmt: skip
        heapq.heapify(heap)
        room, taken = self._state.batch_size, dict[Candidate, int]()
        while heap and room > 0 and -heap[0][0] >= reached:
            _, place, fall, candidate = heapq.heappop(heap)
            before = taken.get(candidate, 0)
            count = min(QUANTUM, room, candidate.unseen - before)
            taken[candidate] = before + count
            room -= count
            start = candidate.seen + before
            fall += float(candidate.fall[start : start + count].sum())
            bound = candidate.bound - round(fall)
            if candidate.unseen > before + count:
                heapq.heappush(heap, (-bound, place, fall, candidate))
            else:  # it will have seen all
                reached = max(reached, bound)
        return taken

    def _note(self, candidate: Candidate, answers: Answers) -> None:
        """Take in what a candidate's next images say."""
        state, place = self._state, candidate.place
        images = candidate.waiting[candidate.seen : candidate.seen + len(answers.predictions)]
        right = candidate.take(answers, state.targets)
        kind = self._kind(place, images)
        np.add.at(self._seen, kind, 1)
        np.add.at(self._fell, kind, ~right)
        was = ~self._wrong[images]
        self.flips[place, images] = was.astype(np.int8) - right.astype(np.int8)
        self.known.put(place, images, *answers)


def _rank(candidate: Candidate) -> tuple[int, int]:
    return -candidate.bound, candidate.place
