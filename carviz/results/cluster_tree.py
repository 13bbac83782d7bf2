"""The tree of a bank's filters, joined by how alike they are, and where it is cut into clusters."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from carviz.checks import check_whole
from carviz.results.clusters import Clusters

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

THRESHOLD = 0.5
"""Likeness at which a bank is cut into clusters, unless told otherwise."""
MOST_ORDERED = 1024
"""Filters whose leaves are put in the best order within seconds."""
ROUNDING = 1e-9


def cluster(
    layer: str,
    by: str,
    similarity: Floats,
    *,
    threshold: float | None = None,
    count: int | None = None,
) -> Clusters:
    """Put filters in clusters; see `SiblingTable.clusters`."""
    known = np.flatnonzero(~np.isnan(similarity.diagonal()))
    alone = np.flatnonzero(np.isnan(similarity.diagonal()))
    tree, leaves = _tree(similarity[np.ix_(known, known)])
    merges, cut = _cut(tree[:, 2], len(known), threshold, count)
    label = np.empty(len(similarity), np.int64)
    label[known] = _labels(tree, leaves, merges)
    label[alone] = len(known) - merges + 1 + np.arange(len(alone))
    order = np.concatenate([known[leaves], alone])
    return Clusters(layer, by, cut, order, label, known, tree)


def _tree(similarity: Floats) -> tuple[Floats, Integers]:
    """Return the tree of filters that have a likeness, and the order of its leaves."""
    from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering

    n = len(similarity)
    if n < 2:
        return np.zeros((0, 4)), np.arange(n)
    # A pair whose likeness is not known, though both filters have one, counts as unlike.
    distance = 1 - np.nan_to_num(similarity[np.triu_indices(n, 1)])
    tree = linkage(distance, "average")
    if n <= MOST_ORDERED:
        tree = optimal_leaf_ordering(tree, distance)
    return tree, leaves_list(tree).astype(np.int64)


def _cut(
    heights: Floats, leaves: int, threshold: float | None, count: int | None
) -> tuple[int, float]:
    """Return how many merges are made, the lowest first, and at which likeness that cuts."""
    if count is None:
        cut = THRESHOLD if threshold is None else float(threshold)
        if not -1 <= cut <= 1:
            raise ValueError(f"threshold is a likeness from -1 to 1; found {threshold!r}.")
        return int((1 - heights >= cut - ROUNDING).sum()), cut
    if threshold is not None:
        raise ValueError(
            f"A bank is cut at a threshold or into a count of clusters; found both, {threshold!r} "
            f"and {count!r}. Leave one out."
        )
    note = "the filters that have a likeness; those without one stand alone beside these clusters"
    least = min(1, leaves)
    count = check_whole(count, "count", least, leaves, what="a number of clusters", note=note)
    merges = leaves - count
    around = np.concatenate([[0.0], heights, heights[-1:]])[merges : merges + 2]
    return merges, float(1 - around.mean())


def _labels(tree: Floats, leaves: Integers, merges: int) -> Integers:
    """Return each leaf's cluster, from 1, when the first merges are made; see `Clusters.label`."""
    from scipy.cluster.hierarchy import fcluster

    if len(leaves) < 2:
        return np.ones(len(leaves), np.int64)
    # By the merges' numbers: by height, those that tie would be made together or not at all.
    cut = fcluster(tree, merges - 0.5, "monocrit", monocrit=np.arange(len(tree), dtype=float))
    _, first, size = np.unique(cut[leaves], return_index=True, return_counts=True)
    label = np.empty(len(first), np.int64)
    label[np.lexsort((first, size == 1))] = np.arange(1, len(first) + 1)
    return np.asarray(label[cut - 1])
