"""The order in which images are visited: any first part of it stands for the whole."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def stratified_order(
    labels: NDArray[np.int64] | None, count: int, seed: int = 0
) -> NDArray[np.int64]:
    """Return the numbers 0 to `count` - 1 in a seeded order stratified by class.

    Data on disk is sorted by class, so its own order would show one class first. Here the images
    of each class are shuffled and spread evenly, so that every first part has the data's own
    shares of the classes, to within one image a class.

    Parameters
    ----------
    labels
        (count,) labels; None where they are not known without reading images: then the order is
        a seeded shuffle, which is stratified on average.
    """
    generator = np.random.default_rng(seed)
    shuffled = generator.permutation(count)
    if labels is None:
        return shuffled
    place = np.empty(count)
    for label in np.unique(labels):
        members = shuffled[labels[shuffled] == label]
        place[members] = (np.arange(len(members)) + generator.random()) / len(members)
    return np.asarray(shuffled[np.argsort(place[shuffled], kind="stable")])
