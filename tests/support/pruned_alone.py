"""Paths of pruning as `carviz.prune_filters` has them, to be compared with a session's."""

import numpy as np
from support.gated import data, network

from carviz.pruning import prune_filters


def alone(layer="first", seed=0, **more):
    return prune_filters(network(seed), data(seed), layer, progress=False, **more)


def same(path, other) -> bool:
    """Whether two paths say the same: they may have been searched in batches of another size."""
    names = ("order", "predictions", "baseline", "targets", "decided_by_tie")
    arrays = all(np.array_equal(getattr(path, n), getattr(other, n)) for n in names)
    return arrays and (path.criterion, path.layers) == (other.criterion, other.layers)
