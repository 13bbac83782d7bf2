"""Whether anything differs between filters: exact where nothing does, and awake where it does."""

import itertools

import numpy as np
import pytest

from carviz.results import difference_test
from carviz.results.difference_test import (
    difference_p_value,
    flipped_p_value,
    shuffled_p_value,
)
from carviz.results.statistics import sign_test

DRAWS = 400
BY_CHANCE = (7, 35)
"""Draws of 400 that a test at 5% calls different, but for one time in a thousand."""


def alike_flips(g, filters=12, images=80):
    """Right or wrong without filters that differ by chance alone, on images of any difficulty."""
    return g.random((filters, images)) < g.beta(0.1, 2.0, images)


def alike_falls(g, filters=12, images=80):
    """Falls of log p of filters that differ by chance alone: tails, and what images share."""
    return g.lognormal(0, 2, images) * (
        g.standard_t(2, (filters, images)) + g.standard_t(2, images)
    )


def all_shuffles(values, g, shuffles=1000):
    """The test as it is defined: every image's filters permuted by themselves."""

    def measure(shuffled):
        return (shuffled.sum(axis=-1) ** 2).sum(axis=-1)

    values = np.asarray(values, dtype=np.int64)
    above = sum(
        int(measure(g.permuted(values, axis=0)) >= measure(values)) for _ in range(shuffles)
    )
    return (1 + above) / (1 + shuffles)


def like_minded_falls(g, filters=12, images=80):
    """Falls of one mean, of filters that act alike, or against one another, by kinds of images."""
    loads = np.random.default_rng(0).normal(size=(filters, 2))
    return loads @ g.standard_t(4, (2, images)) + 0.5 * g.normal(size=(filters, images))


def like_minded_flips(g, filters=12, images=80):
    """The same of right and wrong: images that one half of the filters lose, or the other."""
    side = np.random.default_rng(0).permutation(np.arange(filters) % 2)[:, np.newaxis]
    return g.random((filters, images)) < np.where(side == g.integers(2, size=images), 0.8, 0.02)


def told_apart(test, draw, g, *size):
    return sum(test(draw(g, *size), seed) <= 0.05 for seed in range(DRAWS))


@pytest.mark.parametrize("test", [shuffled_p_value, flipped_p_value, difference_p_value])
@pytest.mark.parametrize("draw", [alike_flips, alike_falls])
def test_filters_that_do_not_differ_are_told_apart_in_one_draw_of_twenty(draw, test, monkeypatch):
    monkeypatch.setattr(difference_test, "PLACES", 256)  # so that there are several images a group
    monkeypatch.setattr(difference_test, "FLIPPED", 40)
    monkeypatch.setattr(difference_test, "TURNS", 199)
    found = told_apart(test, draw, np.random.default_rng(5))
    assert BY_CHANCE[0] <= found <= BY_CHANCE[1]


@pytest.mark.parametrize("draw", [like_minded_flips, like_minded_falls])
def test_so_are_filters_of_one_mean_that_act_alike(draw, monkeypatch):
    monkeypatch.setattr(difference_test, "TURNS", 199)
    g = np.random.default_rng(6)
    assert BY_CHANCE[0] <= told_apart(difference_p_value, draw, g) <= BY_CHANCE[1]
    assert told_apart(shuffled_p_value, draw, g) > BY_CHANCE[1], "they are not interchangeable"


@pytest.mark.slow
@pytest.mark.parametrize("draw", [alike_flips, alike_falls, like_minded_flips, like_minded_falls])
def test_so_they_are_at_the_size_of_a_bank(draw):
    found = told_apart(difference_p_value, draw, np.random.default_rng(7), 64, 1000)
    assert BY_CHANCE[0] <= found <= BY_CHANCE[1]


@pytest.mark.parametrize("draw", [alike_flips, alike_falls])
def test_one_filter_that_differs_is_enough(draw):
    g = np.random.default_rng(7)
    values = draw(g, 32, 400).astype(float if draw is alike_falls else bool)
    if values.dtype == bool:
        values[3] |= g.random(400) < 0.2
    else:
        values[3] += values.std()
    assert difference_p_value(values) <= 0.01


def test_two_filters_are_judged_as_by_the_sign_test():
    right = np.zeros((2, 60), bool)
    right[0, :11] = True
    right[1, 11:14] = True
    assert flipped_p_value(right) == pytest.approx(float(sign_test(11, 3)), abs=0.02)


def test_groups_of_images_judge_as_all_images_do():
    g = np.random.default_rng(8)
    for _ in range(6):
        values = alike_flips(g, 32, 500) | (g.random((32, 1)) * 0.03 > g.random((32, 500)))
        assert values.shape[1] > difference_test.PLACES // 32  # so they are grouped
        found, expected = shuffled_p_value(values), all_shuffles(values, g)
        assert found == pytest.approx(expected, abs=0.06)


def test_it_is_the_share_of_all_permutations():
    values = np.array([[1, 1, 0, 1], [0, 1, 0, 0], [0, 0, 1, 0]], dtype=bool)
    found = (values.sum(axis=1) ** 2).sum()
    each = [list(itertools.permutations(column)) for column in values.T.tolist()]
    squares = [(np.sum(one, axis=0) ** 2).sum() for one in itertools.product(*each)]
    share = np.mean(np.array(squares) >= found)
    for same in (values, values.astype(float) / 3):  # ties count in floats as well
        assert shuffled_p_value(same) == pytest.approx(share, abs=0.04)


@pytest.mark.parametrize(
    "values",
    [
        np.zeros((5, 9), bool),
        np.tile(np.random.default_rng(0).normal(size=9), (5, 1)),
        np.random.default_rng(0).normal(size=(1, 9)),
        np.random.default_rng(0).normal(size=(5, 1)),
        np.eye(4, dtype=bool)[:, :1],
    ],
)
def test_where_nothing_can_differ_p_is_one(values):
    assert difference_p_value(values) == shuffled_p_value(values) == flipped_p_value(values) == 1
