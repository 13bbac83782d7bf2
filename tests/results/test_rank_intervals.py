"""Rank intervals: they hold all true ranks at once, and say something where there is something."""

import numpy as np
import pytest
from scipy import stats

from carviz.results.rank_intervals import holm, rank_intervals, surely_higher

DRAWS = 200
LEAST = 0.9
"""Share of 200 draws in which 95% hold, but for one time in a thousand or less."""


def holds(values, true):
    """Whether the intervals hold every place that a filter may have in the order of truth."""
    low, high = rank_intervals(surely_higher(values))
    above = (true[np.newaxis] > true[:, np.newaxis]).sum(axis=1)
    below = (true[np.newaxis] < true[:, np.newaxis]).sum(axis=1)
    return bool((low <= 1 + above).all() and (high >= len(true) - below).all())


TIED = np.array([0.3, 0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.05, 0.0, 0.0])


def flips(g, images):
    hard = g.beta(0.5, 0.5, images)  # the same images are lost without many of the filters
    return g.random((len(TIED), images)) < np.minimum(1, 2 * TIED[:, np.newaxis] * hard)


def falls(g, images):
    """Tails far heavier than normal, skewed, and shared by the filters; means are `TIED`."""
    own = g.lognormal(0, 1.5, (len(TIED), images)) / np.exp(1.5**2 / 2)
    return TIED[:, np.newaxis] * own + g.standard_t(3, images) + 0.1 * g.standard_t(3, own.shape)


@pytest.mark.parametrize("draw", [flips, falls])
@pytest.mark.parametrize("images", [60, 600])
def test_all_true_ranks_are_held_at_once(draw, images):
    g = np.random.default_rng(images)
    assert np.mean([holds(draw(g, images), TIED) for _ in range(DRAWS)]) >= LEAST


@pytest.mark.parametrize("draw", [flips, falls])
def test_where_all_are_alike_hardly_any_two_are_told_apart(draw, monkeypatch):
    monkeypatch.setattr(f"{__name__}.TIED", np.full(10, 0.2))
    g = np.random.default_rng(3)
    assert np.mean([not surely_higher(draw(g, 200)).any() for _ in range(DRAWS)]) >= LEAST


def test_planted_ranks_are_found():
    g = np.random.default_rng(4)
    right = g.random((5, 2000)) < np.array([[0.9], [0.1], [0.3], [0.7], [0.5]])
    for values in (right, right + g.normal(0, 0.1, right.shape)):
        low, high = rank_intervals(surely_higher(values))
        assert low.tolist() == high.tolist() == [1, 5, 4, 2, 3]


def test_many_small_falls_are_not_above_a_few_large_ones():
    """Which the sign test would say: medians are not means."""
    g = np.random.default_rng(5)
    small = 0.01 + 0.001 * g.random(1000)
    large = (np.arange(1000) % 50 == 0) * 1.0
    assert (small > large).mean() > 0.9
    assert small.mean() < large.mean()
    assert not surely_higher(np.stack([small, large]))[0, 1]


@pytest.mark.parametrize("images", [40, 100, 320])
def test_a_few_large_falls_do_not_tell_equal_means_apart(images):
    g = np.random.default_rng(images)
    size, rate = np.array([0.01, 0.1, 1, 3, 8, 8, 8, 8]), 0.01
    held = 0
    for _ in range(DRAWS):
        met = g.random((len(size), images)) < rate
        values = size[:, np.newaxis] * (met - rate) + 0.001 * g.normal(size=met.shape)
        held += not surely_higher(values).any()
    assert held >= LEAST * DRAWS


def _student(values, largest):
    """Student's p with three images more in the spread, by scipy."""
    M = len(values)
    error = np.sqrt((M * values.var() + 3 * largest**2) / (M * (M - 1)))
    assert stats.ttest_1samp(values, 0).statistic == pytest.approx(
        values.mean() / np.sqrt(values.var() / (M - 1))
    )
    return 2 * stats.t.sf(abs(values.mean()) / error, M - 1)


def test_pairs_are_tested_as_scipy_does():
    g = np.random.default_rng(6)
    right = g.random((6, 200)) < np.linspace(0.1, 0.9, 6)[:, np.newaxis]
    real = right + g.normal(0, 0.5, right.shape)
    for values in (right, real):
        pairs = [(i, j) for i in range(6) for j in range(i + 1, 6)]
        p = []
        for i, j in pairs:
            if values is real:
                p.append(_student(real[i] - real[j], np.ptp(real, axis=0).max()))
            else:
                won, lost = (right[i] & ~right[j]).sum(), (right[j] & ~right[i]).sum()
                p.append(stats.binomtest(won, won + lost).pvalue if won + lost else 1)
        order = np.argsort(p)
        expected = np.zeros((6, 6), bool)
        for k, place in enumerate(order):
            if p[place] > 0.05 / (len(p) - k):
                break
            i, j = pairs[place]
            up = values[i].mean() > values[j].mean()
            expected[(i, j) if up else (j, i)] = True
        assert expected.any()
        assert not expected[np.triu_indices(6)].all()
        assert np.array_equal(surely_higher(values), expected)


def test_filters_that_are_alike_or_seen_on_one_image_are_never_told_apart():
    g = np.random.default_rng(7)
    one = g.normal(size=40).astype(np.float32)
    assert not surely_higher(np.stack([one, one, one])).any()
    assert not surely_higher(g.normal(size=(4, 1))).any()
    assert not surely_higher(np.zeros((3, 9))).any()
    assert surely_higher(g.normal(size=(1, 9))).shape == (1, 1)


def test_holm_goes_down_by_steps():
    p = np.array([0.04, 0.012, 0.5, 0.001])
    assert holm(p).tolist() == [False, True, False, True]
    assert holm(np.array([0.02, 0.03])).tolist() == [True, True]
    assert holm(np.array([0.03, 0.03])).tolist() == [False, False]
    assert holm(np.zeros(0)).tolist() == []
