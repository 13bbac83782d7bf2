"""How many clusters blind draws take whole: the exact law, for nothing is drawn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def whole_law(sizes: Sequence[int], of: int) -> Floats:
    """Return how likely blind draws take a number of clusters whole.

    Parameters
    ----------
    sizes
        Filters of each of C clusters, none of which is in two.
    of
        Filters of the bank, in a cluster or not.

    Returns
    -------
    numpy.ndarray
        (of + 1, C + 1): row i, column j is the probability that exactly j clusters are drawn whole
        when i filters are drawn.
    """
    from scipy.stats import hypergeom

    seen = of - sum(sizes)
    law = np.ones((seen + 1, 1))
    for size in sizes:  # add a cluster: k of its filters are among the i that are drawn
        seen += size
        grown = np.zeros((seen + 1, law.shape[1] + 1))
        for k in range(size + 1):
            rows = np.arange(k, k + len(law))
            weight = hypergeom.pmf(k, seen, size, rows)[:, None]
            whole = int(k == size)
            grown[rows, whole : whole + law.shape[1]] += weight * law
        law = grown
    return law


def beside_law(law: Floats, lost: int) -> tuple[float, float, float, float, float]:
    """Return share, chance, low, high and p_value of clusters that keep a filter.

    Parameters
    ----------
    law
        (C + 1,) how likely blind draws take each number of C clusters whole: a row of `whole_law`.
    lost
        How many clusters were taken whole.
    """
    C = len(law) - 1
    left = law[::-1]  # by how many clusters keep one
    low, high = np.searchsorted(np.cumsum(left), [0.025, 0.975]) / C
    chance = float(left @ np.arange(C + 1)) / C
    as_many = min(1.0, float(law[: lost + 1].sum()))
    return (C - lost) / C, chance, float(low), min(1.0, float(high)), as_many
