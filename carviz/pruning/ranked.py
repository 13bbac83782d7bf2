"""The rivals of greedy CAR: their order is known beforehand, only its accuracies are not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from carviz.pruning.criteria import Scores
from carviz.pruning.maps import Tick
from carviz.pruning.search import Winner
from carviz.pruning.state import Answers, PruningState


class Ranked:
    """Takes filters by their score, the lowest first; equal ones by bank as given, then number.

    Parameters
    ----------
    state
        The network as pruned so far.
    scores
        (filter,) the scores of all filters, bank after bank.
    """

    def __init__(self, state: PruningState, scores: Scores) -> None:
        self._state = state
        self._scores = scores

    def step(self, tick: Tick) -> Winner:
        """Return the filter that goes next."""
        state = self._state
        left = np.concatenate(state.left)
        scores = np.where(left, self._scores, np.inf)
        place = int(np.argmin(scores))
        bank, filter = find_place([bank.filters for bank in state.banks], place)
        images, answers = run_without(state, bank, filter, tick)
        ties = int(((scores == scores[place]) & left).sum())
        return Winner(bank, filter, images, answers, ties > 1, 0)


def find_place(sizes: Sequence[int], place: int) -> tuple[int, int]:
    """Return the bank's place and the filter's number of a place among all filters."""
    starts = np.cumsum([0, *sizes])
    bank = int(np.searchsorted(starts, place, side="right")) - 1
    return bank, place - int(starts[bank])


def run_without(
    state: PruningState, bank: int, filter: int, tick: Tick
) -> tuple[NDArray[np.int64], Answers]:
    """Return what is predicted without one more filter, and for which images it can change."""
    order = state.look(tick)
    images = order[state.active(bank, filter)[order]]
    return images, state.without(bank, np.full(len(images), filter), images, tick)
