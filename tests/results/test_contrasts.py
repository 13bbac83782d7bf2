"""What a set does beyond its members: intervals that cover, tests of their size."""

import itertools

import numpy as np
import pytest

import carviz
from carviz.results.contrasts import contrasts, excess_numbers, sign_flips, student


def test_all_sign_flips_are_counted():
    draw = np.random.default_rng(0)
    for _ in range(40):
        values = draw.choice([0.0, 1.0, -1.0, 2.0, -3.0], 9)
        signs = np.array(list(itertools.product([-1, 1], repeat=9)))
        naive = np.mean(np.abs(signs @ np.abs(values)) >= abs(values.sum()))
        assert sign_flips(values, np.nan) == pytest.approx(naive)
    assert sign_flips(np.zeros(5), np.nan) == 1.0
    assert sign_flips(np.ones(5001), 0.25) == 0.25  # too many to count out


def test_a_set_without_a_contrast_has_an_interval():
    mean, low, high, p_value = student(np.zeros((1, 100)), 1.0)
    assert (mean[0], p_value[0]) == (0, 1)
    assert low[0] == -high[0]
    # The rule of three: what happens to 3% of images is not seen in 100 of them once in 20 times.
    assert 0.03 < high[0] < 0.04
    _, low, high, p_value = student(np.zeros((1, 100)), 0.0)
    assert np.isnan([low[0], high[0]]).all()  # of log p nothing says how large one would be
    assert p_value[0] == 1
    assert np.isnan(student(np.ones((1, 1)), 1.0)[1]).all()  # nor does one image


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
    _, low, high, _ = student(found, 1.0)
    # 94% less two standard errors of 1,000 draws; sparse contrasts are on the wide side.
    assert np.mean((low <= true) & (true <= high)) >= 0.93


@pytest.mark.parametrize("images", [100, 1000])
@pytest.mark.parametrize(("values", "expected"), NULL)
def test_chance_is_called_more_in_no_more_than_its_share(images, values, expected):
    found, true = drawn(images, values, np.array(expected) / images, 1000, 7)
    assert true == 0
    p_values = [sign_flips(row, np.nan) for row in found]
    assert np.mean(np.array(p_values) <= 0.05) <= 0.065


def test_what_is_real_is_found():
    found, _ = drawn(1000, [1, -1], np.array([30, 5]) / 1000, 200, 3)
    p_values = [sign_flips(row, np.nan) for row in found]
    assert np.mean(np.array(p_values) <= 0.05) > 0.95


@pytest.mark.parametrize("images", [100, 1000])
@pytest.mark.parametrize("share", [0.1, 0.3, 1.0])
@pytest.mark.parametrize("sigma", [0.5, 1.0])
def test_falls_of_log_p_are_covered_and_tested(images, share, sigma):
    """Few images with a contrast, of these few with a large one, and all to one side."""
    draw = np.random.default_rng(5)
    sizes = draw.lognormal(0.0, sigma, (1000, images))
    values = np.where(draw.random(sizes.shape) < share, sizes, 0.0)
    true = share * np.exp(sigma**2 / 2)
    _, low, high, _ = student(values, 0.0)
    few = images * share <= 10 and sigma == 1  # the worst: 92.8%; Student's alone has 76%
    assert np.mean((low <= true) & (true <= high)) >= (0.92 if few else 0.94)
    _, _, _, p_value = student(values - true, 0.0)  # a mean of 0, as skewed
    assert np.mean(p_value <= 0.05) <= (0.085 if few else 0.06)


@pytest.mark.slow
@pytest.mark.parametrize("images", [100, 1000])
def test_falls_of_real_pairs_are_covered(images):
    """The images of shapes stand for all there are, and some of them are drawn."""
    model, data = carviz.load_model("shapes"), carviz.load_data("shapes", limit=60)
    pairs = [[16, 17], [25, 31], [2, 11], [3, 9], [0, 1], [20, 23], [4, 15], [14, 15]]
    table = carviz.measure_pairs(model, data, "features.0", pairs=pairs, progress=False)
    falls = table.image_log_prob_drop, table.single_image_log_prob_drop
    for (together, alone), least, lowest in ((falls, 0.0, 0.9), (changes(table), 1.0, 0.95)):
        ((_, values),) = contrasts(together, alone, table.rows)
        true, draw, covered = values.mean(1), np.random.default_rng(0), []
        for _ in range(200):
            _, low, high, _ = student(values[:, draw.integers(0, values.shape[1], images)], least)
            covered.append((low <= true) & (true <= high))
        assert np.mean(covered) >= lowest


def changes(table):
    """Return what sets and single filters do to each image: 1 lost, -1 gained, 0 neither."""
    right = (table.baseline == table.targets).astype(int)
    every = table.predictions, table.single_predictions
    return tuple(right - (found == table.targets) for found in every)
