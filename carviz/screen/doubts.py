"""What makes everything else on the screen say little: weights of noise, a network that guesses."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from carviz.results import CarTable
from carviz.session import Snapshot
from carviz.wording import percent, seen_words

NOISE = 2 / 3
"""Mean colour index of weights that were drawn independently, whatever their distribution."""
FILTERS = 16
"""Fewer filters do not show that their indices crowd."""
CROWDED = 0.75
"""Share of indices within two standard deviations of noise's: of noise some 0.95, of networks that
were trained 0.1 or less (four tried)."""
IMAGES = 20
"""Fewer images do not show that a network guesses; nor do fewer than `PARTLY` of a part."""
PARTLY = 100
LEVEL = 0.05
"""Of the test whether a network is right more often than by chance."""
UNTRAINED = f"These weights look untrained: the colour index of noise is {NOISE:.2f}."


def doubts(shown: Snapshot) -> dict[str, Any]:
    """Return what a reader should know before anything else.

    Returns
    -------
    dict
        words: sentences, mostly none.
    """
    found = []
    kinds, pictures = shown.selectivity, shown.pictures
    if kinds is not None and pictures is not None:
        height, width = pictures.shape[1:3]
        if is_noise(kinds.color_index, height * width):
            found.append(UNTRAINED)
    table = max(shown.tables, key=lambda table: len(table.images), default=None)
    if table is not None and guesses(table):
        found.append(
            f"CAR needs a network that is right: this one is right on {percent(table.accuracy)} of "
            f"{seen_words(table)}, which cannot be told from guessing."
        )
    return {"words": found}


def is_noise(index: NDArray[np.float64], size: int) -> bool:
    """Return whether colour indices lie as those of weights that nothing has trained.

    Of 3 n independent normal weights the share of variance across R, G and B has the distribution
    Beta(n, n / 2), of mean 2/3 and variance 2/9 / (3 n / 2 + 1).

    Parameters
    ----------
    index
        (F,) colour indices, NaN of a dead filter.
    size
        n, the places of a filter: height times width.
    """
    alive = index[~np.isnan(index)]
    if len(alive) < FILTERS:
        return False
    spread = np.sqrt(2 / 9 / (1.5 * size + 1))
    near = np.abs(alive - NOISE) <= 2 * spread
    centred = abs(alive.mean() - NOISE) <= 4 * spread / np.sqrt(len(alive))
    return bool(centred and near.mean() >= CROWDED)


def guesses(table: CarTable) -> bool:
    """Return whether the whole network is right no more often than by chance.

    Chance is what answers in these numbers are right on when they are dealt out blindly (as in
    Cohen's kappa); the tail of the binomial distribution says whether this is more.
    """
    from scipy.special import bdtrc

    images = len(table.targets)
    if images < (IMAGES if table.complete else PARTLY):
        return False
    K = len(table.classes)
    true, said = (np.bincount(n, minlength=K) for n in (table.targets, table.baseline))
    if np.count_nonzero(true) < 2:  # of one class alone nobody can say
        return False
    chance = float(true @ said) / images**2
    right = int((table.baseline == table.targets).sum())
    return right == 0 or bool(bdtrc(right - 1, images, chance) > LEVEL)
