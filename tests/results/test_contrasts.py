"""What a set does beyond its members: intervals that cover, tests of their size."""

import itertools

import numpy as np
import pytest

from carviz.results.contrasts import (
    excess_numbers,
    interval,
    sign_flips,
    sign_flips_exact,
    t_test,
)


def test_all_sign_flips_are_counted():
    draw = np.random.default_rng(0)
    for _ in range(40):
        values = draw.choice([0.0, 1.0, -1.0, 2.0, -3.0], 9)
        signs = np.array(list(itertools.product([-1, 1], repeat=9)))
        naive = np.mean(np.abs(signs @ np.abs(values)) >= abs(values.sum()))
        assert sign_flips_exact(values, np.nan) == pytest.approx(naive)
    assert sign_flips_exact(np.zeros(5), np.nan) == 1.0
    assert sign_flips_exact(np.ones(5001), 0.25) == 0.25  # too many to count out


def test_seeded_sign_flips_come_near_all_of_them():
    draw = np.random.default_rng(1)
    values = draw.choice([0.0, 1.0, -1.0, 2.0], (4, 30), p=[0.5, 0.25, 0.15, 0.1])
    exact = [sign_flips_exact(row, np.nan) for row in values]
    np.testing.assert_allclose(sign_flips(values), exact, atol=0.02)
    assert sign_flips(np.empty((0, 30))).shape == (0,)


def test_a_set_without_a_contrast_has_an_interval():
    mean, low, high = interval(np.zeros((1, 100)), 1.0)
    assert mean[0] == 0
    # The rule of three: what happens to 3% of images is not seen in 100 of them once in 20 times.
    assert low[0] == -high[0]
    assert 0.03 < high[0] < 0.04
    _, low, high = interval(np.zeros((1, 100)), None)  # of log p nothing says how large one is
    assert np.isnan([low[0], high[0]]).all()
    assert t_test(np.zeros((1, 100))).tolist() == [1.0]


def test_a_set_of_one_filter_is_that_filter():
    alone = np.array([[1, 0, -1, 1], [0, 0, 1, 1]])
    together = np.array([[1, 0, -1, 1], [1, 1, 1, 1]])
    found = excess_numbers(together, alone, [np.array([0]), np.array([0, 1])], whole=True)
    assert [found[name][0] for name in ("excess", "low", "high")] == [0, 0, 0]
    assert np.isnan([found["p_value"][0], found["q_value"][0]]).all()
    # Contrasts 0, 1, 1, -1: their mean, and no family but the one set that is tested.
    assert found["excess"][1] == 0.25
    assert found["q_value"][1] == found["p_value"][1] == 1.0


def drawn(images, values, shares, repeats, seed):
    """Draw contrasts (repeat, image), and return them with their true mean."""
    draw = np.random.default_rng(seed)
    values, shares = np.asarray(values, float), np.asarray(shares)
    rest = 1 - shares.sum()
    found = draw.choice(np.r_[0, values], (repeats, images), p=np.r_[rest, shares])
    return found, float(values @ shares)


# (image, contrast) pairs that are expected to be other than zero, by contrast.
REAL = [([1], [1]), ([1], [3.3]), ([1], [5]), ([-1], [20]), ([1, -1], [8, 2]), ([1, -1], [1, 4])]
NULL = [([1, -1], [1, 1]), ([1, -1], [5, 5]), ([1, -1], [15, 15]), ([1, -2], [8, 4])]
SETS = [([1, -1, 3, -5], [4, 2.4, 0.8, 0.8]), ([1, 2, 4, -3], [6, 3, 1, 1])]


@pytest.mark.parametrize("images", [100, 1000])
@pytest.mark.parametrize(("values", "expected"), REAL + NULL + SETS)
def test_intervals_cover_what_is_true(images, values, expected):
    found, true = drawn(images, values, np.array(expected) / images, 1000, images)
    _, low, high = interval(found, 1.0)
    # 94% less two standard errors of 1,000 draws; sparse contrasts are on the wide side.
    assert np.mean((low <= true) & (true <= high)) >= 0.93


@pytest.mark.parametrize("images", [100, 1000])
@pytest.mark.parametrize(("values", "expected"), NULL)
def test_chance_is_called_more_in_no_more_than_its_share(images, values, expected):
    found, true = drawn(images, values, np.array(expected) / images, 1000, 7)
    assert true == 0
    p_values = [sign_flips_exact(row, p) for row, p in zip(found, t_test(found), strict=True)]
    assert np.mean(np.array(p_values) <= 0.05) <= 0.065


def test_what_is_real_is_found():
    found, _ = drawn(1000, [1, -1], np.array([30, 5]) / 1000, 200, 3)
    p_values = [sign_flips_exact(row, np.nan) for row in found]
    assert np.mean(np.array(p_values) <= 0.05) > 0.95


@pytest.mark.slow
@pytest.mark.parametrize("images", [100, 1000])
@pytest.mark.parametrize("share", [0.05, 0.3, 1.0])
@pytest.mark.parametrize("true", [0.0, 0.2])
def test_falls_of_log_p_are_covered_and_tested(images, share, true):
    """Contrasts with heavy tails, zero on most images, around a mean that is or is not there."""
    draw = np.random.default_rng(5)
    shape = (1000, images)
    values = np.where(draw.random(shape) < share, draw.standard_t(4, shape) * 0.3 + true, 0.0)
    _, low, high = interval(values, None)
    assert np.mean((low <= true * share) & (true * share <= high)) >= 0.93
    if true == 0:
        p_values = t_test(values)
        near = (p_values >= 0.001) & (p_values <= 0.2)
        p_values[near] = sign_flips(values[near])
        assert np.mean(p_values <= 0.05) <= 0.065
