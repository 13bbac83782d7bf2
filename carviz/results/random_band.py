"""What is left of the accuracy where filters go in random orders: a band, told as what it is."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, eq=False)
class RandomBand:
    """Curves of D seeded random orders, and the band that they fill.

    Parameters
    ----------
    right
        (D, n+1) how many images are right after each step; place 0 is the whole network.
    images
        How many images there are.
    seed
        Of the orders: draw d permutes the filters by ``numpy.random.default_rng([seed, d])``.

    Examples
    --------
    >>> band = RandomBand(np.array([[4, 2, 1], [4, 3, 1], [4, 4, 1]]), images=4)
    >>> band.lowest.tolist(), band.highest.tolist(), band.covers
    ([1.0, 0.5, 0.25], [1.0, 1.0, 0.25], 0.5)
    """

    right: NDArray[np.int64]
    images: int
    seed: int = 0

    def __len__(self) -> int:
        """Return how many orders were drawn, D."""
        return len(self.right)

    @property
    def steps(self) -> int:
        """How many filters each order removes, n."""
        return int(self.right.shape[1]) - 1

    def cut(self, steps: int) -> RandomBand:
        """Return the band of the first steps only."""
        return dataclasses.replace(self, right=self.right[:, : steps + 1])

    @property
    def accuracy(self) -> Floats:
        """(D, n+1) share of images that are right after each step of each order."""
        return np.asarray(self.right / self.images)

    @property
    def mean(self) -> Floats:
        """(n+1,) mean of the draws at each step."""
        return np.asarray(self.accuracy.mean(axis=0))

    @property
    def lowest(self) -> Floats:
        """(n+1,) lowest of the draws at each step."""
        return np.asarray(self.accuracy.min(axis=0))

    @property
    def highest(self) -> Floats:
        """(n+1,) highest of the draws at each step."""
        return np.asarray(self.accuracy.max(axis=0))

    @property
    def low(self) -> Floats:
        """(n+1,) the 5% quantile of the draws at each step."""
        return np.asarray(np.quantile(self.accuracy, 0.05, axis=0))

    @property
    def high(self) -> Floats:
        """(n+1,) the 95% quantile of the draws at each step."""
        return np.asarray(np.quantile(self.accuracy, 0.95, axis=0))

    @property
    def covers(self) -> float:
        """How often one more random order lies from lowest to highest at a given step, at least.

        (D − 1)/(D + 1), since any of the D + 1 is as likely the lowest: 90% where 20 are drawn.
        """
        return (len(self) - 1) / (len(self) + 1)

    @property
    def areas(self) -> Floats:
        """(D,) area under each draw's curve, its mean accuracy over all places."""
        return np.asarray(self.accuracy.mean(axis=1))
