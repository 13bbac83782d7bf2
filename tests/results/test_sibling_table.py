"""Nearest siblings are found in order, among those that are left, and never the filter itself."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from results_examples import sibling_table

from carviz.results import SiblingTable


def test_the_nearest_come_first_and_a_tie_goes_to_the_lower_number():
    table = sibling_table()
    assert table.nearest(0)["filter"].tolist() == [1, 2]
    assert table.nearest(0)["similarity"].tolist() == [0.5, 0.5]
    assert table.nearest(1, by="activation")["filter"].tolist() == [0, 3, 2]
    assert table.nearest(1, by="activation", k=1)["similarity"].tolist() == [0.9]


def test_a_filter_without_a_similarity_is_nobodys_sibling():
    table = sibling_table()  # filter 3 has no weights
    assert 3 not in table.nearest(0, k=9)["filter"].tolist()
    assert table.nearest(3).empty
    assert table.nearest(3).columns.tolist() == ["filter", "similarity"]


def test_siblings_are_looked_for_among_those_that_are_left():
    table = sibling_table()
    assert table.nearest(0, among=[2, 3, 0])["filter"].tolist() == [2]
    assert table.nearest(0, among=range(0)).empty
    frame = table.nearest_each([3, 0], among=[2, 1])
    assert frame["filter"].tolist() == [3, 0]
    assert frame["by_weights"].isna().tolist() == [True, False]
    assert frame["by_weights"].iloc[1] == 1
    assert frame["by_activation"].tolist() == [1, 1]
    assert frame["correlation"].tolist() == [0.3, 0.9]
    assert np.isnan(frame["cosine"].iloc[0])


def test_a_frame_has_each_pair_once():
    frame = sibling_table().to_frame()
    pairs = list(zip(frame["filter"], frame["other"], strict=True))
    assert pairs == [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    assert frame["by_activation"].tolist() == [0.9, -0.2, 0.1, 0.2, 0.3, 0.0]
    assert frame["by_weights"].isna().tolist() == [False, False, True, False, True, True]


@given(st.integers(0, 10**6), st.integers(1, 8), st.integers(1, 9))
def test_nearest_is_the_sorted_row_without_the_filter(seed, count, k):
    values = np.random.default_rng(seed).uniform(-1, 1, (count, count)).round(1)
    values = (values + values.T) / 2
    table = SiblingTable("conv", images=1, places=1, by_weights=values, by_activation=values)
    for filter in range(count):
        found = table.nearest(filter, k=k)
        row = [(-values[filter, i], i) for i in range(count) if i != filter]
        assert found["filter"].tolist() == [i for _, i in sorted(row)[:k]]
        each = table.nearest_each([filter], among=range(count)).iloc[0]
        if len(found):
            assert each["by_weights"] == found["filter"].iloc[0] == each["by_activation"]


def paired(count=12):
    """Filters 2i and 2i + 1 are twins; all others are unlike."""
    values = np.eye(count)
    even = np.arange(0, count, 2)
    values[even, even + 1] = values[even + 1, even] = 0.9
    return SiblingTable("conv", images=1, places=1, by_weights=values, by_activation=values)


def test_one_of_each_pair_of_twins_pruned_is_told_from_chance():
    frame = paired().beside_chance(range(0, 12, 2), draws=500)
    pruned, left = frame.loc[("weights", "pruned")], frame.loc[("weights", "left")]
    assert pruned["found"] == 0.9  # each has its twin among those left
    assert pruned["as_high"] < 1
    assert left["found"] == 0.0  # no two twins are left
    assert (left["low"], left["high"]) == (0.0, 0.9)
    whole = paired().beside_chance([0, 1, 2, 3, 4, 5], draws=500)
    assert whole.loc[("activation", "pruned"), "found"] == 0.0
    assert whole.loc[("activation", "pruned"), "as_high"] == 1
    assert whole.loc[("activation", "left"), "found"] == 0.9


def test_chance_is_what_random_choices_give_and_comes_again():
    values = np.random.default_rng(0).uniform(-1, 1, (9, 9))
    values = (values + values.T) / 2
    values[4], values[:, 4] = np.nan, np.nan
    table = SiblingTable("conv", images=1, places=1, by_weights=values, by_activation=values)
    frame = table.beside_chance([0, 4, 8], draws=300, seed=3)
    assert frame.equals(table.beside_chance([8, 4, 0], draws=300, seed=3))
    each = table.nearest_each([0, 4, 8], among=[1, 2, 3, 5, 6, 7])
    assert frame.loc[("weights", "pruned"), "found"] == each["cosine"].median()
    assert (frame["low"] <= frame["chance"]).all()
    assert (frame["chance"] <= frame["high"]).all()
    for wrong in ([], range(8)):
        with pytest.raises(ValueError, match="two left at least"):
            table.beside_chance(wrong)


def test_what_contradicts_itself_is_refused():
    good = np.eye(2)
    for bad, said in (
        (np.eye(3), "shape"),
        ([[1, 0.2], [0.1, 1]], "symmetric"),
        (np.eye(2) * 1.5, r"\[-1, 1\]"),
    ):
        with pytest.raises(ValueError, match=f"SiblingTable.*{said}"):
            SiblingTable("conv", images=1, places=1, by_weights=good, by_activation=bad)


def test_bad_arguments_say_rule_and_found():
    table = sibling_table()
    with pytest.raises(ValueError, match=r"filters 0 to 3; found 4"):
        table.nearest(4)
    with pytest.raises(ValueError, match=r"filters 0 to 3; found -1"):
        table.nearest(0, among=[1, -1])
    with pytest.raises(TypeError, match="number in the bank; found True"):
        table.nearest(True)
    with pytest.raises(TypeError, match="among are filters' numbers; found 3"):
        table.nearest(0, among=3)
    with pytest.raises(ValueError, match="'weights' or 'activation'; found 'colour'"):
        table.nearest(0, by="colour")
    with pytest.raises(ValueError, match="1 or more; found 0"):
        table.nearest(0, k=0)
