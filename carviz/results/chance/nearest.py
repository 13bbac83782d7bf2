"""How alike filters are to their nearest that is left, beside as many pruned blindly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Row = tuple[float, float, float, float, float]


def rows_beside_chance(similarity: Floats, gone: list[int], draws: int, seed: int) -> list[Row]:
    """Return how alike to its nearest that is left a pruned filter is, then one that is left.

    A row is found, chance, low, high, as_high: see `SiblingTable.beside_chance`.
    """
    found = _medians(similarity, np.asarray(gone))
    rng = np.random.default_rng(seed)
    picks = (rng.permutation(len(similarity))[: len(gone)] for _ in range(draws))
    chance = np.stack([_medians(similarity, pick) for pick in picks])
    return [_row(float(found[who]), chance[:, who]) for who in range(len(found))]


def _row(found: float, chance: Floats) -> Row:
    nothing = float("nan")
    if np.isnan(found) or np.isnan(chance).all():
        return found, nothing, nothing, nothing, nothing
    low, middle, high = np.nanquantile(chance, [0.025, 0.5, 0.975])
    return found, middle, low, high, float(np.mean(chance >= found))


def _medians(values: Floats, gone: NDArray[np.int64]) -> Floats:
    """Return (2,): medians over the pruned and the left filters of the likeness to the nearest.

    The nearest is one of those left, and never the filter itself.
    """
    left = np.ones(len(values), np.bool_)
    left[gone] = False
    likeness = np.where(np.isnan(values) | np.eye(len(values), dtype=np.bool_), -np.inf, values)
    nearest = likeness[:, left].max(axis=1)
    known = np.isfinite(nearest)
    return np.array(
        [
            np.median(nearest[part & known]) if (part & known).any() else np.nan
            for part in (~left, left)
        ]
    )
