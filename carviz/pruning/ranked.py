"""The rivals of greedy CAR: their order is known beforehand, only its accuracies are not."""

from __future__ import annotations

import numpy as np

from carviz.pruning.criteria import Scores
from carviz.pruning.maps import Tick
from carviz.pruning.search import Winner
from carviz.pruning.state import PruningState


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
        starts = np.cumsum([0, *(bank.filters for bank in state.banks)])
        bank = int(np.searchsorted(starts, place, side="right")) - 1
        filter = place - int(starts[bank])
        order = state.look(tick)
        images = order[state.active(bank, filter)[order]]
        answers = state.without(bank, np.full(len(images), filter), images, tick)
        ties = int(((scores == scores[place]) & left).sum())
        return Winner(bank, filter, images, answers, ties > 1, 0)
