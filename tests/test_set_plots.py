"""Figures of sets and of pairs: every word legible, numbers as the records have them."""

import dataclasses
import functools

import numpy as np
import pytest
from support.legible import check_legible, words
from support.set_tables import random_pairs, random_sets

from carviz import PairTable
from carviz.plots import plot_joint, plot_pairs
from carviz.wording import points

LONG = "layer1.0.conv2 of a network with a long name, in a block with a longer one, of many"
CASES = {
    "all of eight": lambda: plot_pairs(random_pairs(8)),
    "all of sixty-four": lambda: plot_pairs(random_pairs(64, images=200)),
    "all of many, log p": lambda: plot_pairs(random_pairs(96, images=100), by="log_prob"),
    "all of three": lambda: plot_pairs(random_pairs(3)),
    "one pair": lambda: plot_pairs(random_pairs(2)),
    "few of sixty-four": lambda: plot_pairs(random_pairs(64, 70, layer=LONG)),
    "few, log p": lambda: plot_pairs(random_pairs(128, 9), by="log_prob"),
    "sets": lambda: plot_joint(random_sets()),
    "many sets": lambda: plot_joint(random_sets(40, 60)),
    "one set": lambda: plot_joint(random_sets(1)),
    "banks": lambda: plot_joint(random_sets(12, 30, banks=("features.0", "features.3", LONG))),
}


@functools.cache
def drawn(case):
    """Return a figure, drawn once for all tests, which only read it."""
    return CASES[case]()


@pytest.mark.parametrize("case", CASES)
def test_every_word_is_legible_whole_and_by_itself(case):
    check_legible(drawn(case))


def matrix_of(figure):
    return next(a.images[0] for a in figure.axes if a.images and len(a.images[0].get_array()) > 1)


def test_the_map_has_each_interaction_twice_about_zero():
    table = random_pairs(8)
    shown = matrix_of(drawn("all of eight"))
    order = table.map_order(table.interaction)
    assert sorted(order) == list(range(8))
    values = np.ma.filled(shown.get_array(), np.nan)
    for (one, other), value in zip(table.pairs, table.interaction, strict=True):
        places = [order.tolist().index(filter) for filter in (one, other)]
        assert values[places[0], places[1]] == values[places[1], places[0]] == value
    low, high = shown.get_clim()
    assert -low == high == np.abs(table.interaction).max()
    (dots,) = [c for a in drawn("all of eight").axes for c in a.collections]
    marked = {tuple(np.floor(xy).astype(int)) for xy in dots.get_offsets()}
    sure = table.pairs[table.kind != "not told apart from chance"]
    assert len(marked) == 2 * len(sure) > 2
    assert marked == {
        (order.tolist().index(a), order.tolist().index(b))
        for pair in sure.tolist() for a, b in (pair, pair[::-1])
    }  # fmt: skip


def test_a_sum_of_cars_stands_beside_what_is_lost_together():
    for case in ("all of eight", "few of sixty-four", "sets"):
        text = words(drawn(case)).splitlines()
        head = "both" if "sets" not in case else "together"
        assert head in text
        assert any(word.startswith("sum") for word in text)
    table = random_sets()
    text = drawn("sets").description
    for row in range(len(table)):
        together, alone = points(table.car[row]), points(table.sum_of_cars[row])
        assert f"together {together}, sum {alone}" in text


def test_few_pairs_are_a_list_with_the_farthest_from_chance():
    table = random_pairs(64, 70, layer=LONG)
    figure = drawn("few of sixty-four")
    assert not any(a.images for a in figure.axes)
    assert "Listed: the 30 farthest from chance" in words(figure)
    first = table.pairs[np.lexsort((-np.abs(table.interaction), table.q_value))[0]]
    assert f"{first[0]} and {first[1]}" in words(figure).splitlines()


def without_interaction(table):
    return dataclasses.replace(
        table,
        predictions=np.tile(table.baseline, (len(table), 1)),
        single_predictions=np.tile(table.baseline, (len(table.filters), 1)),
    )


def test_where_no_pair_is_beyond_its_sum_nothing_is_farthest_and_the_scale_has_no_number():
    figure = plot_pairs(without_interaction(random_pairs(12)))
    check_legible(figure)
    said = words(figure)
    assert "farthest" not in said
    assert "Listed: the first " in said
    assert "100" not in said
    assert "compensation" not in said.split("pair\n")[-1]


def test_a_scale_names_what_is_told_apart_alone():
    table = random_pairs(8, images=6)
    assert table.interaction.any()
    assert not (table.q_value <= 0.05).any()
    said = words(plot_pairs(table)).splitlines()
    assert not any(": redundancy" in line or ": compensation" in line for line in said)
    assert any(line.endswith(": beyond the sum") for line in said)
    assert any(": redundancy" in line for line in words(drawn("all of eight")).splitlines())


def test_an_interval_that_holds_0_beside_a_sure_q_is_explained():
    """Six images of one sign, one of them 2: q is 2/64, the interval has three such ones more."""
    classes, targets = ("a", "b"), np.zeros(400, int)
    both, alone = np.zeros((1, 400), int), np.zeros((2, 400), int)
    baseline = targets.copy()
    both[0, :6] = baseline[5] = 1  # the sixth is gained without either, and not without both
    falls = {"image_log_prob_drop": both, "single_image_log_prob_drop": alone}
    table = PairTable(
        "conv", banks=("conv",), bank=[0, 0], filters=[0, 1], members=[0, 1], sizes=[2],
        classes=classes, images=range(400), targets=targets, baseline=baseline, predictions=both,
        single_predictions=alone, **falls,
    )  # fmt: skip
    assert table.q_value[0] < 0.05
    assert table.low[0] <= 0
    for figure in (plot_pairs(table), plot_joint(table)):
        check_legible(figure)
        assert "may hold 0 where q is at most 0.05" in words(figure)
        assert "may hold 0" in figure.description
    assert "may hold 0" not in words(plot_pairs(table, by="log_prob"))


def test_what_is_no_record_of_sets_is_told():
    with pytest.raises(TypeError, match=r"plot_pairs shows a PairTable.*found JointTable"):
        plot_pairs(random_sets())
    with pytest.raises(TypeError, match=r"plot_joint shows a JointTable.*found list"):
        plot_joint([])
    with pytest.raises(ValueError, match="by is 'car' or 'log_prob'; found 'both'"):
        plot_pairs(random_pairs(), by="both")
