"""Counts of colour-selective filters are told twice."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from support.results_examples import selectivity_table

from carviz.results import SelectivityTable


def test_counts_with_and_without_faint_filters():
    counts = selectivity_table().counts()
    assert counts.loc["all", ["color", "shape", "dead"]].tolist() == [2, 1, 1]
    assert counts.loc["without faint", ["color", "shape", "dead"]].tolist() == [1, 1, 0]
    assert counts.color_share.tolist() == [2 / 3, 1 / 2]


def test_frame():
    frame = selectivity_table().to_frame()
    assert frame.faint.tolist() == [False, False, True, True]
    assert frame.kind.tolist() == ["shape", "color", "dead", "color"]


@pytest.mark.parametrize(
    ("kind", "index"), [(["green"], [0.5]), (["dead"], [0.5]), (["color"], [np.nan])]
)
def test_what_contradicts_itself_is_refused(kind, index):
    with pytest.raises(ValueError, match="SelectivityTable"):
        SelectivityTable("conv", threshold=0.5, color_index=index, kind=kind, energy=[1.0])


def table(**changes) -> SelectivityTable:
    values = {
        "color_index": [0.1, 0.9, np.nan, 0.7],
        "kind": ["shape", "color", "dead", "color"],
        "energy": [1.0, 1.0, 0.0, 0.05],
        "activation_index": [0.2, 0.3, np.nan, np.nan],
    }
    return SelectivityTable("conv", threshold=0.5, **(values | changes))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"color_index": [0.1, 1.1, np.nan, 0.7]}, "`color_index` are indices 0 to 1; found 1.1"),
        ({"color_index": [-0.1, 0.9, np.nan, 0.7]}, "0 to 1; found -0.1"),
        ({"color_index": [0.6, 0.9, np.nan, 0.7]}, "'color' above the threshold"),
        ({"activation_index": [0.2, 3.0, np.nan, np.nan]}, "`activation_index` are indices"),
        ({"activation_index": [0.2, 0.3, 0.1, np.nan]}, "dead filter has activation index NaN"),
        ({"energy": [1.0, -1.0, 0.0, 1.0]}, "`energy` is a sum of squares; found -1"),
        ({"energy": [1.0, np.nan, 0.0, 1.0]}, "`energy` is a sum of squares; found nan"),
        ({"energy": [1.0, np.inf, 0.0, 1.0]}, "`energy` is a sum of squares"),
        ({"threshold": 1.5}, "`threshold` is an index, 0 to 1; found 1.5"),
        ({"threshold": "0.5"}, "`threshold` is a number; found '0.5'"),
        ({"activation_threshold": np.nan}, "`activation_threshold` is an index, 0 to 1; found nan"),
        ({"reading": None}, "`reading` is text; found None"),
    ],
)
def test_what_no_index_is_is_refused(change, words):
    with pytest.raises(ValueError, match=words):
        dataclasses.replace(table(), **change)


def test_the_two_readings_disagree_on_opposite_sides_of_their_thresholds():
    assert table().disagrees.tolist() == [False, True, False, False]
    assert table(activation_threshold=0.25).disagrees.tolist() == [False] * 4
    assert table(activation_threshold=0.1).disagrees.tolist() == [True, False, False, False]
    frame = table().to_frame()
    assert frame.disagrees.tolist() == [False, True, False, False]
    assert frame.activation_index[0] == 0.2


@given(
    hnp.arrays(float, st.tuples(st.integers(3, 20), st.just(2)), elements=st.floats(0, 1)),
    st.integers(0, 2),
)
def test_the_rank_correlation_is_spearmans_over_filters_with_both_readings(indices, unread):
    more = np.random.default_rng(0).random((unread, 2)) * [1, np.nan]
    first, second = np.concatenate([indices, more]).T
    both = SelectivityTable(
        "conv", 1.0, first, ["shape"] * len(first), np.ones(len(first)), activation_index=second
    )
    assert both.read_both_ways.sum() == len(indices)
    if (np.ptp(indices, axis=0) == 0).any():
        assert np.isnan(both.rank_correlation())
    else:
        ranks = [[(v < one).sum() + (v == one).sum() / 2 for one in v] for v in indices.T]
        assert both.rank_correlation() == pytest.approx(np.corrcoef(ranks)[0, 1], abs=1e-12)


def test_two_filters_have_no_order_to_compare():
    assert table().read_both_ways.tolist() == [True, True, False, False]
    assert np.isnan(table().rank_correlation())
    assert np.isnan(selectivity_table().rank_correlation())


def test_without_data_there_is_one_reading():
    alone = selectivity_table()
    assert np.isnan(alone.activation_index).all()
    assert alone.activation_index.shape == (4,)
    assert not alone.disagrees.any()
    assert alone.reading == "weights"


def test_a_dead_filter_has_no_activation_index():
    with pytest.raises(ValueError, match="dead filter has activation index NaN"):
        table(activation_index=[0.2, 0.3, 0.1, np.nan])
    with pytest.raises(ValueError, match=r"`activation_index` has shape \(4,\)"):
        table(activation_index=[0.2, 0.3])


def test_files_of_earlier_versions_are_read(tmp_path):
    path = selectivity_table().save(tmp_path / "kinds.npz")
    content = dict(np.load(path))
    for name in ("activation_index", "activation_threshold", "reading", "digest"):
        del content[name]
    np.savez(path, **(content | {"schema": np.asarray(1)}))
    assert SelectivityTable.load(path) == selectivity_table()
    del content["energy"]
    np.savez(path, **content)
    with pytest.raises(ValueError, match="energy missing"):
        SelectivityTable.load(path)
