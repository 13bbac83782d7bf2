"""The law of blind draws is that of all draws, counted."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carviz.results.chance.whole_clusters import whole_law


@given(st.lists(st.integers(1, 3), min_size=1, max_size=3), st.integers(0, 3))
@settings(deadline=None, max_examples=25)
def test_the_law_of_blind_draws_is_that_of_all_draws(sizes, others):
    of = sum(sizes) + others
    law = whole_law(sizes, of)
    starts = np.cumsum([0, *sizes])
    groups = [set(range(a, b)) for a, b in itertools.pairwise(starts.tolist())]
    for drawn in range(of + 1):
        draws = [set(draw) for draw in itertools.combinations(range(of), drawn)]
        counts = [sum(group <= draw for group in groups) for draw in draws]
        expected = np.bincount(counts, minlength=len(sizes) + 1) / len(draws)
        assert np.allclose(law[drawn], expected)


def test_the_law_of_a_large_bank_is_one():
    law = whole_law([2] * 100 + [5] * 20, 1000)
    assert np.allclose(law.sum(axis=1), 1)
    mean = law @ np.arange(121)
    half = 500
    pair, five = (half / 1000) * (499 / 999), np.prod((half - np.arange(5)) / (1000 - np.arange(5)))
    assert mean[half] == pytest.approx(100 * pair + 20 * five)
