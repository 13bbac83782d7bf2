"""What runs again in float32, and what the rest may hide: rules and laws, without a network."""

import numpy as np
import pytest

from carviz.ablation.precision_audit import (
    NOISES,
    TIE,
    Auditing,
    Checked,
    Counts,
    count,
    most_bad,
    sample_a,
    summary,
    threshold_of,
)


def auditing(images=1000, filters=8, threshold=0.5):
    return Auditing("bf16", threshold, images, filters)


def test_a_margin_is_kept_as_its_octave():
    margins = np.array([0, 0.49, 0.5, 0.99, 1, 2, 3.9, np.nan, np.inf], np.float32)
    assert auditing().octaves(margins)[:8].tolist() == [1, 1, 2, 2, 3, 4, 4, 1]
    assert auditing().octaves(margins)[8] > 60


def test_what_runs_again_is_below_the_threshold_and_in_the_sample_up_to_four_times_it():
    of, numbers = auditing(), list(range(200, 700))
    octaves = np.random.default_rng(0).integers(0, 9, (8, 500)).astype(np.uint8)
    drawn, spots = of.drawn(numbers), of.spots(numbers)
    assert spots.sum(0).tolist() == drawn.astype(int).tolist()
    for level in (0, 2):
        exact = of.exact(octaves, numbers, level)
        assert exact[octaves <= level + 1].all()
        assert exact[:, drawn][octaves[:, drawn] <= level + 3].all()
        assert exact[spots].all()
        others = ~spots & (octaves > level + 1 + 2 * drawn)
        assert not exact[others].any()
    assert 0.3 < drawn.mean() < 0.5  # 400 of 1,000


@pytest.mark.parametrize("images", [40, 1000, 20_000])
def test_samples_are_of_all_images_whatever_the_chunk_and_the_filters_alike(images):
    of = auditing(images, filters=5)
    every = list(range(images))
    drawn = of.drawn(every)
    assert drawn.mean() == pytest.approx(of.share, abs=4 * np.sqrt(of.share / images))
    for part in (every[7:30], every[::-3]):
        np.testing.assert_array_equal(of.drawn(part), drawn[part])
        np.testing.assert_array_equal(of.spots(part), of.spots(every)[:, part])
    counts = of.spots(every).sum(1)
    assert abs(counts - drawn.sum() / 5).max() <= 5 * np.sqrt(drawn.sum() / 5)
    first = sample_a(images)
    assert len(set(first)) == min(64, images)
    assert set(first) <= set(every)
    assert first != sorted(first)


def test_the_threshold_follows_the_noise_of_small_margins_alone():
    random = np.random.default_rng(1)
    margins = random.uniform(0, 8, 4000)
    noise = np.abs(random.normal(0, np.where(margins < 2, 0.01, 1)))
    found = threshold_of(noise, margins, np.full(4000, 10.0))
    assert found == pytest.approx(NOISES * 0.01, rel=0.15)
    # What is no number neither raises nor hides it.
    margins[:50], noise[50:60] = np.nan, np.inf
    assert threshold_of(noise, margins, np.full(4000, 10.0)) == pytest.approx(found, rel=0.15)


def test_classes_that_are_one_say_nothing_of_the_noise():
    random = np.random.default_rng(1)
    margins = random.uniform(0, 8, 1000)
    noise = np.abs(random.normal(0, 0.01, 1000))
    found = threshold_of(noise, margins, np.full(1000, 10.0))
    tied = np.r_[np.zeros(3000), margins], np.r_[np.full(3000, 1e-6), noise]
    assert threshold_of(tied[1], tied[0], np.full(4000, 10.0)) == found
    assert threshold_of(tied[1][:3000], tied[0][:3000], np.full(3000, 10.0)) == 10 * TIE


def test_filters_without_effect_hide_nothing_of_the_noise():
    random = np.random.default_rng(1)
    margins = random.uniform(0, 8, 4000)
    noise = np.abs(random.normal(0, 0.01, 4000))
    found = threshold_of(noise, margins, np.full(4000, 10.0))
    noise[random.random(4000) < 0.95] = 0
    assert threshold_of(noise, margins, np.full(4000, 10.0)) == pytest.approx(found, rel=0.3)


def test_one_small_margin_that_moves_far_counts_as_well():
    noise = np.zeros(1000)
    noise[3] = 0.25
    margins = np.linspace(0, 8, 1000)
    assert threshold_of(noise, margins, np.ones(1000)) == NOISES * 0.25
    assert threshold_of(noise[::-1], margins, np.ones(1000)) == TIE  # of a large one that is noise


@pytest.mark.parametrize("pairs", [0, 5])
def test_where_nothing_moves_only_ties_run_again(pairs):
    found = threshold_of(np.zeros(pairs), np.ones(pairs), np.full(pairs, 32.0))
    assert found == TIE * (32 if pairs else 1)


@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_the_bound_holds_as_often_as_it_says(confidence):
    """Of all samples of a population, the bound is wrong in no larger share than allowed."""
    from scipy.stats import hypergeom

    images, checked = 60, 25
    bounds = [most_bad(bad, checked, images, confidence) for bad in range(checked + 1)]
    assert bounds == sorted(bounds)
    wrong = []
    for bad in range(images + 1):
        chance = hypergeom.pmf(np.arange(checked + 1), images, bad, checked)
        wrong.append(chance[np.array(bounds) < bad].sum())
    assert max(wrong) <= 1 - confidence + 1e-12
    assert max(wrong) > (1 - confidence) / 2, "else it could be tighter"


def test_a_bound_by_hand():
    # 40 bad of 100 escape a sample of 5 with a chance of 0.071, 44 with 0.049 or less.
    from math import comb

    most = most_bad(0, 5, 100)
    assert comb(100 - most, 5) / comb(100, 5) > 0.05 >= comb(99 - most, 5) / comb(100, 5)
    assert most_bad(100, 100, 100) == 100


def told_of(of, octaves, level=0, worst=None):
    """Return the summary, of two parts that are counted each by itself."""
    m = octaves.shape[1]
    worst = np.zeros(m, np.uint8) if worst is None else worst
    parts = [
        Checked(
            list(range(m))[part], octaves[:, part], np.full(m, level, np.uint8)[part],
            worst[part], np.zeros(m, np.int32)[part],
        )
        for part in (slice(90), slice(90, None))
    ]  # fmt: skip
    return summary(of, Counts.total([count(of, part, level) for part in parts]), level)


def test_the_summary_counts_images_and_not_pairs():
    of = auditing(images=400)
    octaves = np.full((8, 400), 9, np.uint8)
    octaves[:, :100] = 2  # a hundred images are at risk, with all of their pairs
    octaves[:, 100:150] = 1
    octaves[:4, 150:] = 0
    drawn = of.drawn(list(range(400)))
    told = told_of(of, octaves)
    assert told["images_at_risk"] == 100
    assert told["sample_b_at_risk"] == drawn[:100].sum()
    assert told["sample_b_pairs"] == 8 * drawn[:100].sum()
    assert told["pairs_run"] == 8 * 150 + 4 * 250
    assert told["pairs_run_again"] == int(
        8 * 50 + 8 * drawn[:100].sum() + (of.spots(list(range(400)))[4:, 150:]).sum()
    )
    expected = most_bad(0, int(drawn[:100].sum()), 100, 0.975)
    assert told["largest_change"] == expected / 400
    assert told["threshold"] == 0.5
    assert f"more than {100 * expected / 400:.2g} points" in told["found"]


def test_each_doubling_widens_the_bound_and_errors_count_where_they_are_above():
    of = auditing(images=400)
    octaves = np.full((8, 400), 4, np.uint8)
    drawn = of.drawn(list(range(400)))
    worst = np.zeros(400, np.uint8)
    worst[np.flatnonzero(drawn)[:3]] = 3
    later = told_of(of, octaves, level=2, worst=worst)
    assert later["threshold"] == 2
    assert later["images_with_errors"] == 3
    n = int(drawn.sum())
    assert later["largest_change"] == most_bad(0, n, 400, 1 - 0.05 / 8) / 400
    now = told_of(of, octaves, level=1)
    assert now["largest_change"] == most_bad(0, n, 400, 1 - 0.05 / 4) / 400
    before = told_of(of, np.full((8, 400), 3, np.uint8), worst=worst)
    # Those three were put right; what is left is bounded.
    assert before["largest_change"] == (most_bad(3, n, 400, 0.975) - 3) / 400
    assert "3 had a wrong prediction" in before["found"]
