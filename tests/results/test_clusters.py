"""Every filter is in one cluster, alike inside it; what a pruning leaves stands beside chance."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.results_examples import pruning_path, sibling_table

from carviz.results import SiblingTable


def table_of(values, layer="conv"):
    values = np.asarray(values, dtype=float)
    return SiblingTable(layer, images=1, places=1, by_weights=values, by_activation=values)


def random_values(seed, count, unknown=()):
    g = np.random.default_rng(seed)
    values = np.atleast_2d(np.corrcoef(g.normal(size=(count, 5)) + g.normal(size=5)))
    values = np.clip((values + values.T) / 2, -1, 1)
    np.fill_diagonal(values, 1)
    values[list(unknown)] = np.nan
    values[:, list(unknown)] = np.nan
    return values


def three_kinds():
    """Filters 0, 3, 5 are alike, so are 1 and 4; 2 is their opposite, and 6 is not known."""
    values = np.eye(7)
    for kind in ((0, 3, 5), (1, 4)):
        values[np.ix_(kind, kind)] = 0.8
    values[2, [1, 4]] = values[[1, 4], 2] = -0.9
    np.fill_diagonal(values, 1)
    values[6], values[:, 6] = np.nan, np.nan
    return table_of(values)


def test_alike_filters_are_together_opposites_apart_and_the_unknown_alone_at_the_end():
    clusters = three_kinds().clusters()
    assert {frozenset(filters) for filters in clusters.shared().values()} == {
        frozenset({0, 3, 5}),
        frozenset({1, 4}),
    }
    assert list(clusters.shared()) == [1, 2]
    assert clusters.label[[2, 6]].tolist() == [3, 4]
    assert clusters.order[-1] == 6
    assert 6 not in clusters.leaves
    assert clusters.threshold == 0.5
    assert clusters.single == 2
    assert list(clusters.likeness().values()) == pytest.approx([0.8, 0.8])
    assert "2 clusters of two or more, 2 filters alone" in repr(clusters)
    frame = clusters.to_frame()
    assert frame["size"].tolist()[2:] == [1, 1]
    assert frame["likeness"].isna().tolist() == [False, False, True, True]


def test_a_filter_and_its_negative_are_joined_last():
    values = [[1, -1, 0.1], [-1, 1, 0.1], [0.1, 0.1, 1]]
    clusters = table_of(values).clusters(count=2)
    assert clusters.label[0] != clusters.label[1]


@given(
    st.integers(0, 10**6),
    st.integers(1, 9),
    st.sets(st.integers(0, 8), max_size=3),
    st.floats(-1, 1),
)
@settings(deadline=None)
def test_every_filter_is_in_one_cluster_which_is_alike_inside(seed, count, unknown, threshold):
    unknown = {i for i in unknown if i < count}
    values = random_values(seed, count, unknown)
    clusters = table_of(values).clusters(threshold=threshold)
    assert sorted(clusters.order.tolist()) == list(range(count))
    assert sorted(itertools.chain(*clusters.members.values())) == list(range(count))
    assert list(clusters.members) == list(range(1, clusters.label.max() + 1))
    place = np.argsort(clusters.order)
    for label, filters in clusters.members.items():
        assert (clusters.label[filters] == label).all()
        places = place[filters]  # side by side in the map
        assert places.max() - places.min() == len(filters) - 1
    for label, filters in clusters.shared().items():
        assert not unknown & set(filters)
        pairs = [values[i, j] for i, j in itertools.combinations(filters, 2)]
        assert np.mean(pairs) >= threshold - 1e-6
        assert clusters.likeness()[label] == pytest.approx(np.mean(pairs))
    sizes = [len(filters) for filters in clusters.members.values()]
    assert sizes == sorted(sizes, key=lambda size: size == 1)
    assert sorted(clusters.order[count - len(unknown) :].tolist()) == sorted(unknown)
    for a, b in itertools.combinations(clusters.shared().values(), 2):  # none should be joined
        assert values[np.ix_(a, b)].mean() < threshold


@given(st.integers(0, 10**6), st.integers(2, 9))
@settings(deadline=None)
def test_cut_into_a_count_there_are_so_many_and_the_extremes_are_one_and_all(seed, count):
    table = table_of(random_values(seed, count))
    for k in range(1, count + 1):
        clusters = table.clusters(count=k)
        assert len(clusters.members) == k
        assert (table.clusters(threshold=clusters.threshold).label == clusters.label).all()
    assert len(table.clusters(threshold=-1).members) == 1
    assert len(table.clusters(threshold=1).members) == count


def test_banks_without_a_likeness_or_with_one_filter_are_all_alone():
    nothing = table_of(np.full((3, 3), np.nan)).clusters()
    assert nothing.order.tolist() == [0, 1, 2]
    assert nothing.shared() == {}
    assert nothing.likeness() == {}
    assert table_of([[1.0]]).clusters().members == {1: [0]}
    assert table_of(np.full((3, 3), np.nan)).clusters(count=0).single == 3


def test_clusters_cannot_be_changed():
    clusters = three_kinds().clusters()
    with pytest.raises(ValueError, match="read-only"):
        clusters.label[0] = 9


# -- what a pruning leaves


def test_survivors_are_those_counted_by_hand():
    clusters = three_kinds().clusters()
    frame = clusters.survivors([4, 0, 1, 6]).set_index(clusters.survivors([])["filters"].map(len))
    three, two = frame.loc[3], frame.loc[2]
    assert three["pruned"] == [0]
    assert sorted(three["left"]) == [3, 5]
    assert frame["until"].isna().loc[3]
    assert two["pruned"] == [4, 1]
    assert two["left"] == []
    assert two["until"] == 3  # 4, 0 and 1 were pruned by then
    assert two["chance"] == pytest.approx(1 - (4 / 7) * (3 / 6))
    assert three["chance"] == pytest.approx(1 - (4 / 7) * (3 / 6) * (2 / 5))


def test_a_path_counts_in_filters_of_its_own_bank():
    table = table_of(np.full((3, 3), 0.9) + 0.1 * np.eye(3), "conv1")
    path = pruning_path()  # conv1's 2, conv2's 0, conv1's 1
    frame = table.clusters().survivors(path)
    assert frame["pruned"].tolist() == [[2, 1]]
    assert frame["left"].tolist() == [[0]]
    beside = table.clusters().beside_chance(path)
    assert beside.index.tolist() == [0, 1, 2]
    assert beside["share"].tolist() == [1, 1, 1]
    with pytest.raises(ValueError, match=r"prunes 'conv'.*found a path of 'conv1'"):
        sibling_table().clusters().survivors(path)


def test_one_of_each_pair_left_is_told_from_chance():
    values = np.eye(12)
    even = np.arange(0, 12, 2)
    values[even, even + 1] = values[even + 1, even] = 0.9
    clusters = table_of(values).clusters()
    kept = clusters.beside_chance(even, [6]).loc[6]
    assert kept["left"] == 6
    assert kept["share"] == 1
    assert kept["p_value"] == pytest.approx(2**6 / 924)  # of all draws one of each pair
    assert kept["chance"] == pytest.approx(1 - (6 / 12) * (5 / 11))
    assert kept["low"] < kept["chance"] < kept["high"]
    lost = clusters.beside_chance(range(6), [0, 6]).loc[6]
    assert lost["left"] == 3
    assert lost["p_value"] == pytest.approx(1)


def test_bad_arguments_say_rule_and_found():
    table = three_kinds()
    for wrong in (1.5, float("nan")):
        with pytest.raises(ValueError, match="from -1 to 1"):
            table.clusters(threshold=wrong)
    with pytest.raises(ValueError, match=r"found both, 0\.5 and 3"):
        table.clusters(threshold=0.5, count=3)
    for wrong in (0, 7):
        with pytest.raises(ValueError, match=f"1 to 6.*found {wrong}"):
            table.clusters(count=wrong)
    with pytest.raises(TypeError, match=r"number of clusters, a whole number; found 2\.0"):
        table.clusters(count=2.0)
    with pytest.raises(ValueError, match="compared by classes once"):
        table.clusters("classes")
    with pytest.raises(ValueError, match=r"0 to 2.*found 3"):
        table.clusters().beside_chance([0, 1], [3])
    with pytest.raises(ValueError, match="Cut at a lower threshold"):
        table.clusters(threshold=1).beside_chance([0])
    with pytest.raises(TypeError, match="pruned filters are filters' numbers; found 3"):
        table.clusters().survivors(3)
