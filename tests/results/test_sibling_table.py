"""Nearest siblings are found in order, among those that are left, and never the filter itself."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.results_examples import pruning_path, sibling_table

from carviz.results import CarTable, SiblingTable
from carviz.results.likeness import class_similarity


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
    assert table.nearest(3).columns.tolist() == [
        "filter", "similarity", "rank", "by_weights", "by_activation",
    ]  # fmt: skip


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
    np.fill_diagonal(values, 1)
    table = SiblingTable("conv", images=1, places=1, by_weights=values, by_activation=values)
    for filter in range(count):
        found = table.nearest(filter, k=k)
        row = [(-values[filter, i], i) for i in range(count) if i != filter]
        assert found["filter"].tolist() == [i for _, i in sorted(row)[:k]]
        each = table.nearest_each([filter], among=range(count)).iloc[0]
        if len(found):
            assert each["by_weights"] == found["filter"].iloc[0] == each["by_activation"]


def test_the_rank_is_among_the_whole_bank_whatever_is_looked_among():
    frame = sibling_table().nearest(1, 9, by="activation", among=[2, 3], pruned=[3])
    assert frame["filter"].tolist() == [3, 2]
    assert frame["rank"].tolist() == [2, 3]
    assert frame["left"].tolist() == [False, True]
    assert frame["by_activation"].tolist() == frame["similarity"].tolist() == [0.3, 0.2]
    assert np.isnan(frame["by_weights"].iloc[0])
    assert frame["by_weights"].iloc[1] == -0.3


def test_a_path_says_which_siblings_are_left():
    values = np.eye(3)
    table = SiblingTable("conv1", images=1, places=1, by_weights=values, by_activation=values)
    frame = table.nearest(0, pruned=pruning_path())  # prunes 2 and 1 of conv1, and one of conv2
    assert frame["filter"].tolist() == [1, 2]
    assert frame["left"].tolist() == [False, False]
    assert table.nearest(0, pruned=pruning_path().prefix(1))["left"].tolist() == [True, False]
    with pytest.raises(ValueError, match=r"prunes 'conv' with its 4.*'conv1' \(3 filters\)"):
        sibling_table().nearest(0, pruned=pruning_path())
    with pytest.raises(ValueError, match="pruned once; found 2 twice"):
        table.nearest(0, pruned=[2, 2])
    with pytest.raises(ValueError, match="0 to 2; found 3"):
        table.nearest(0, pruned=[3])


# -- by what they do to the classes


def lossy(lost, filters=None, classes=3, empty=0, **kinds):
    """A table of ten images a class, of which filters lose as many as `lost` (F, K) says."""
    lost = np.asarray(lost)
    targets = np.repeat(np.arange(classes), 10)
    place = np.tile(np.arange(10), classes)
    wrong = place[None] < lost[:, targets]
    K = classes + empty
    return CarTable(
        kinds.get("layer", "conv"), filters=range(len(lost)) if filters is None else filters,
        classes=[str(c) for c in range(K)], images=np.arange(len(targets)), total=len(targets),
        targets=targets, baseline=targets, predictions=np.where(wrong, (targets + 1) % K, targets),
        log_prob_drop=np.zeros((len(lost), K)), passport=kinds.get("passport", {"model": "abc"}),
    )  # fmt: skip


def test_what_filters_do_to_the_classes_is_the_correlation_of_their_car():
    lost = [[5, 1, 0], [10, 2, 0], [0, 4, 5]]  # the second is the first, twice
    table = sibling_table().with_classes(lossy(lost, filters=[0, 3, 1], empty=2))
    found = table.by_classes
    assert found[0, 3] == pytest.approx(1)
    assert found[0, 1] == pytest.approx(np.corrcoef(lost[0], lost[2])[0, 1])
    assert np.isnan(found[2]).all()  # was not measured
    assert np.isnan(found[:, 2]).all()
    assert table.moved[[0, 1, 3]].tolist() == [2, 2, 2]
    assert np.isnan(table.moved[2])
    assert table.classes == 3  # the two without images are left out
    assert table.measures == ("weights", "activation", "classes")
    frame = table.nearest(0, by="classes")
    assert frame["filter"].tolist() == [3, 1]  # and not what is not known
    assert frame["moved"].tolist() == [2, 2]
    assert table.nearest(0)["filter"].tolist() == [1, 2]
    assert table.to_frame().columns.tolist()[-1] == "by_classes"
    assert table.beside_chance([0]).index.get_level_values("by").unique().tolist() == [
        "weights", "activation", "classes",
    ]  # fmt: skip


def test_a_filter_that_does_the_same_to_all_classes_is_like_none():
    table = sibling_table().with_classes(lossy([[0, 0, 0], [3, 3, 3], [1, 0, 0], [0, 0, 1]]))
    assert np.isnan(table.by_classes[:2]).all()
    assert table.moved.tolist() == [0, 3, 1, 1]
    assert table.by_classes[2, 3] == pytest.approx(-0.5)
    assert table.nearest(0, by="classes").empty
    nothing = sibling_table().with_classes(lossy(np.zeros((4, 3), int)))
    assert np.isnan(nothing.by_classes).all()
    assert nothing.beside_chance([0]).loc["classes"].isna().all().all()


@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(3, 6))
def test_similarity_by_classes_is_numpys(seed, count, classes):
    lost = np.random.default_rng(seed).integers(0, 4, (count, classes))
    found, moved = class_similarity(lossy(lost, classes=classes), count)
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = np.atleast_2d(np.corrcoef(lost))
    constant = lost.min(1) == lost.max(1)
    expected[constant] = expected[:, constant] = np.nan
    assert np.allclose(found, expected, equal_nan=True)
    assert moved.tolist() == (lost > 0).sum(1).tolist()


def test_the_car_of_another_bank_or_network_is_refused():
    good = [[1, 0, 0]]
    for table, said in (
        (lossy(good, layer="conv2"), "same bank, 'conv'; found one of 'conv2'"),
        (lossy(good, passport={"model": "xyz"}), "same network, abc; found .* xyz"),
        (lossy(good, filters=[4]), "0 to 3; found filters 4 to 4"),
        (lossy([[1, 0]], classes=2, empty=3), "three classes or more.*found 2 with images"),
    ):
        with pytest.raises(ValueError, match=said):
            sibling_table().with_classes(table)
    with pytest.raises(TypeError, match=r"CarTable.*found SiblingTable"):
        sibling_table().with_classes(sibling_table())
    with pytest.raises(ValueError, match=r"with_classes\(car_table\)"):
        sibling_table().nearest(0, by="classes")


def test_a_table_with_classes_is_saved_and_one_of_before_is_read(tmp_path):
    table = sibling_table().with_classes(lossy([[1, 0, 2], [0, 2, 0]]))
    assert SiblingTable.load(table.save(tmp_path / "new.npz")) == table
    assert table.passport["classes"]["images"] == 30
    path = sibling_table().save(tmp_path / "old.npz")
    later = {*SiblingTable._later, "digest"}
    content = {k: v for k, v in np.load(path).items() if k not in later}
    assert set(content) == {
        "record", "schema", "layer", "images", "places", "by_weights", "by_activation", "passport",
    }  # fmt: skip
    np.savez(path, **(content | {"schema": np.asarray(1)}))
    old = SiblingTable.load(path)
    assert old == sibling_table()
    assert old.measures == ("weights", "activation")
    assert np.isnan(old.by_classes).all()
    assert old.by_classes.shape == (4, 4)


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
    np.fill_diagonal(values, 1)
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
        (np.eye(2) * 0.5, "1 of a filter with itself"),
        ([[1, np.nan], [np.nan, 1]], "all of a filter's pairs or none"),
        (1.0, "a filter at least|shape"),
        ([[1, "x"], ["x", 1]], "numbers"),
    ):
        with pytest.raises(ValueError, match=f"SiblingTable.*{said}"):
            SiblingTable("conv", images=1, places=1, by_weights=good, by_activation=bad)
    for wrong, said in (
        ({"moved": [1.0]}, "`moved` has shape"),
        ({"by_classes": good}, "found 0"),
        ({"moved": [1.0, 2.0]}, "found 0"),
        ({"moved": [1.0, 4.0], "classes": 3}, "0 to 3; found 4"),
        ({"moved": [1.0, 0.5], "classes": 3}, "a fraction"),
        ({"by_classes": good, "classes": 3, "moved": [np.nan, 1.0]}, "whose `moved` is known"),
        ({"classes": 3}, "known of a filter at least"),
        ({"classes": -1}, "0 or more; found -1"),
        ({"images": 0}, "1 or more; found 0"),
        ({"places": 1.5}, "a whole number; found 1.5"),
    ):
        with pytest.raises(ValueError, match=said):
            dataclasses.replace(
                SiblingTable("conv", images=1, places=1, by_weights=good, by_activation=good),
                **wrong,
            )


def test_bad_arguments_say_rule_and_found():
    table = sibling_table()
    with pytest.raises(ValueError, match=r"filters 0 to 3; found 4"):
        table.nearest(4)
    with pytest.raises(ValueError, match=r"filters 0 to 3; found -1"):
        table.nearest(0, among=[1, -1])
    with pytest.raises(TypeError, match="number in its bank; found True"):
        table.nearest(True)
    with pytest.raises(TypeError, match="among are filters' numbers; found 3"):
        table.nearest(0, among=3)
    with pytest.raises(ValueError, match="'activation' or 'classes'; found 'colour'"):
        table.nearest(0, by="colour")
    with pytest.raises(ValueError, match="1 or more; found 0"):
        table.nearest(0, k=0)
