"""Tables of colour selectivity, with one reading of a filter's colour or with both."""

import numpy as np

from carviz.results import SelectivityTable


def kinds_of(count, layer="features.0", dead=(), index=None):
    index = np.linspace(0, 1, count) if index is None else np.array(index, dtype=float)
    kind = np.where(index > 0.5, "color", "shape")
    index[list(dead)], kind[list(dead)] = np.nan, "dead"
    return SelectivityTable(layer, 0.5, index, kind, np.ones(count))


def readings(by_weights, by_answers, layer="features.0", reading="weights"):
    index = np.asarray(by_weights, float)
    kind = np.where(np.isnan(index), "dead", np.where(index > 0.5, "color", "shape"))
    return SelectivityTable(
        layer, 0.5, index, kind, np.ones(len(index)), np.asarray(by_answers, float),
        reading=reading,
    )  # fmt: skip


def random_readings(count=48, layer="features.3", noise=0.12, dead=(0, 7), seed=0):
    g = np.random.default_rng(seed)
    index = g.random(count)
    answers = np.clip(index + noise * g.normal(size=count), 0, 1)
    index[list(dead)] = answers[list(dead)] = np.nan
    return readings(index, answers, layer, "effective weights, 9 images")


def both_readings(count=8):
    index = np.linspace(0, 1, count)
    return readings(index, index[::-1])
