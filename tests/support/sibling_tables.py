"""Tables of siblings: filters that are alike by chance, and filters of a few kinds."""

import numpy as np

from carviz.results import SiblingTable


def random_siblings(count=32, layer="features.0", dead=(), seed=0):
    g = np.random.default_rng(seed)
    both = []
    for _ in range(2):
        values = np.corrcoef(g.normal(size=(count, 12))).reshape(count, count)
        values = np.clip((values + values.T) / 2, -1, 1)
        values[list(dead)] = np.nan
        values[:, list(dead)] = np.nan
        both.append(values)
    return SiblingTable(layer, images=800, places=9, by_weights=both[0], by_activation=both[1])


def kinds_in(count, kinds, layer="features.0", dead=(), seed=0):
    """A bank whose filters are of so many kinds, alike inside each."""
    g = np.random.default_rng(seed)
    answers = g.normal(size=(kinds, 40))[np.arange(count) % kinds] + 0.6 * g.normal(
        size=(count, 40)
    )
    values = np.atleast_2d(np.clip(np.corrcoef(answers), -1, 1))
    values = (values + values.T) / 2
    np.fill_diagonal(values, 1)
    values[list(dead)] = np.nan
    values[:, list(dead)] = np.nan
    return SiblingTable(layer, images=800, places=9, by_weights=values, by_activation=values)
