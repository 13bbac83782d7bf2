"""Intervals and tests of paired scores: what they cover, and what they are where they are known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carviz.results.paired_scores import score_interval, score_test
from carviz.results.statistics import Z95, paired_interval, sign_test

COVERED = {
    "all images move": lambda r, shape: (r.normal(0.01, 0.05, shape), 0.01),
    "one image in a hundred falls": lambda r, shape: (
        (r.random(shape) < 0.01) * r.uniform(0.2, 1, shape), 0.006,
    ),
    "few images move both ways": lambda r, shape: (
        (r.random(shape) < 0.05) * r.uniform(-0.6, 1, shape), 0.01,
    ),
}  # fmt: skip


@pytest.mark.parametrize("images", [100, 1000])
@pytest.mark.parametrize("draw", COVERED.values(), ids=COVERED.keys())
def test_the_interval_covers_the_mean_in_95_of_100_draws(draw, images):
    draws, mean = draw(np.random.default_rng(images), (2000, images))
    low, high = score_interval(draws, float(np.abs(draws).max()))
    covered = np.mean((low <= mean) & (mean <= high))
    assert covered >= 0.935  # 0.95 less three standard errors of 2000 draws


@pytest.mark.parametrize("images", [100, 1000])
@pytest.mark.parametrize("moving", [0.1, 1.0])
def test_no_difference_is_found_in_5_of_100_draws(images, moving):
    random = np.random.default_rng(images)
    draws = (random.random((1000, images)) < moving) * random.uniform(-1, 1, (1000, images))
    assert np.mean(score_test(draws) < 0.05) <= 0.071  # 0.05 and three standard errors


@given(st.integers(0, 20), st.integers(0, 20), st.integers(1, 60))
def test_of_right_and_wrong_it_is_what_counts_say(lost, gained, same):
    row = np.r_[np.ones(lost), -np.ones(gained), np.zeros(same)][None]
    M = row.shape[1]
    low, high = (x[0] for x in score_interval(row, 1.0))
    fewer, more = (float(x) for x in paired_interval(lost, gained, M))
    assert low <= fewer + 1e-12
    assert high >= more - 1e-12
    if M > 1:
        from scipy.special import stdtrit

        wider = stdtrit(M + 1, 0.975) / Z95
        centre = (lost - gained) / (M + 2)
        assert (
            high == pytest.approx(min(1, centre + wider * (more - centre)), abs=1e-9) or more == 1
        )
    if 0 < lost + gained <= 13:
        assert score_test(row)[0] == pytest.approx(float(sign_test(lost, gained)))


def test_where_nothing_moved_there_is_an_interval_and_no_difference():
    low, high = score_interval(np.zeros((1, 50)), 0.1)
    assert low[0] == -high[0] < 0
    assert high[0] == pytest.approx(2.008 * 0.1 / 52, rel=1e-3)
    assert score_test(np.zeros((1, 50))).tolist() == [1.0]


def test_flips_near_the_border_are_seeded_and_close_to_all_flips():
    row = np.random.default_rng(5).normal(0.5, 1, (1, 16)) / 4
    found = score_test(row)[0]
    assert found == score_test(row)[0]
    signs = 1 - 2 * ((np.arange(2**16)[:, None] >> np.arange(16)) & 1)
    exact = np.mean(np.abs(signs @ row[0]) >= abs(row.sum()) - 1e-12)
    assert 0.001 < exact < 0.2
    assert found == pytest.approx(exact, abs=4 * np.sqrt(exact / 10_000))


def test_a_constant_fall_is_certain():
    assert score_test(np.full((1, 100), 0.25))[0] == 0
