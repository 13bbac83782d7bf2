"""Intervals that cover, a test that is exact, a correction that corrects."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, false_discovery_control

from carviz.results.statistics import (
    benjamini_hochberg,
    count_by_class,
    fraction,
    paired_interval,
    paired_stderr,
    sign_test,
)

counts = st.tuples(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50))


def test_stderr_by_hand():
    # n 50, lost 5, gained 1: N = 52, sqrt(7 - 16/52) / 52
    assert paired_stderr(5, 1, 50) == pytest.approx(np.sqrt(7 - 16 / 52) / 52)
    low, high = paired_interval(5, 1, 50)
    assert (low + high) / 2 == pytest.approx(4 / 52)
    assert (high - low) / 2 == pytest.approx(1.959964 * np.sqrt(7 - 16 / 52) / 52, rel=1e-6)


def test_no_flip_has_an_interval_and_no_image_has_none():
    low, high = paired_interval(0, 0, 50)
    assert low < 0 < high
    assert np.isnan(paired_interval(0, 0, 0)).all()
    assert np.isnan(paired_stderr(0, 0, 0))


@given(counts)
def test_an_interval_holds_its_estimate_and_is_symmetric(case):
    lost, gained, rest = case
    n = lost + gained + rest + 1
    low, high = paired_interval(lost, gained, n)
    assert -1 <= low <= (lost - gained) / n <= high <= 1
    swapped = paired_interval(gained, lost, n)
    assert (-swapped[1], -swapped[0]) == pytest.approx((low, high))


def test_intervals_cover():
    """95% of the intervals, and not far from all of them, hold the truth."""
    generator = np.random.default_rng(0)
    n, lose, gain = 50, 0.06, 0.03
    drawn = generator.multinomial(n, [lose, gain, 1 - lose - gain], size=20_000)
    low, high = paired_interval(drawn[:, 0], drawn[:, 1], n)
    covered = np.mean((low <= lose - gain) & (lose - gain <= high))
    assert 0.93 < covered < 0.99


def test_sign_test_by_hand():
    assert sign_test([0, 1, 5, 3], [0, 0, 0, 3]) == pytest.approx([1, 1, 2 / 32, 1])
    # 8 against 1: 2 * (1 + 9) / 2**9
    assert sign_test(8, 1) == pytest.approx(20 / 512)


@given(st.integers(0, 40), st.integers(0, 40))
def test_sign_test_agrees_with_scipy(lost, gained):
    expected = binomtest(lost, lost + gained, 0.5).pvalue if lost + gained else 1.0
    assert sign_test(lost, gained) == pytest.approx(expected)


@given(st.integers(0, 900), st.integers(0, 900))
def test_sign_test_is_exact_to_the_last_digits(lost, gained):
    """In whole numbers: the tosses with at most so many heads, of all of them, on both sides."""
    changed = lost + gained
    tail = sum(math.comb(changed, k) for k in range(min(lost, gained) + 1))
    assert sign_test(lost, gained) == pytest.approx(min(1, 2 * tail / 2**changed), rel=1e-15)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_benjamini_hochberg_is_scipy_s_to_the_last_digit(p):
    assert benjamini_hochberg(p).tolist() == false_discovery_control(p).tolist()


@given(st.lists(st.floats(0, 1), max_size=30))
def test_benjamini_hochberg_is_its_definition(p):
    """The least of m p' / (how many are at most p'), over all p' that are no less than p."""
    adjusted = [min(len(p) * q / sum(r <= q for r in p) for q in p if q >= one) for one in p]
    assert benjamini_hochberg(p).tolist() == pytest.approx(adjusted)


def test_benjamini_hochberg_leaves_unknown_out():
    adjusted = benjamini_hochberg([[0.01, np.nan], [0.5, 0.02]])
    assert np.isnan(adjusted[0, 1])
    assert adjusted[~np.isnan(adjusted)] == pytest.approx(benjamini_hochberg([0.01, 0.5, 0.02]))
    assert np.isnan(benjamini_hochberg([np.nan])).all()


@given(st.integers(0, 2**16))
def test_flips_are_counted_by_class_as_one_hot_labels_count_them(seed):
    rng = np.random.default_rng(seed)
    flipped, targets = rng.random((3, 20)) < 0.4, rng.integers(0, 4, 20).astype(np.int32)
    expected = flipped @ np.eye(5, dtype=np.int64)[targets]  # nobody is of the fifth class
    assert count_by_class(flipped, targets, 5).tolist() == expected.tolist()


def test_a_fraction_of_nothing_is_unknown():
    assert fraction(np.array([1, 0, 0]), np.array([2, 4, 0])).tolist()[:2] == [0.5, 0]
    assert np.isnan(fraction(np.array([0]), np.array([0]))).all()
