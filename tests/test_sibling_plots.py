"""The figure of siblings shows the right pictures and numbers, legibly and whole."""

import functools

import numpy as np
import pytest
from support.legible import check_legible, words
from support.pictures import pictures_of
from support.selectivity_tables import kinds_of
from support.sibling_tables import random_siblings

from carviz.plots import plot_siblings

CASES = {
    "half": lambda: plot_siblings(
        random_siblings(), pictures_of(32), range(16), selectivity=kinds_of(32)
    ),
    "one": lambda: plot_siblings(random_siblings(2), pictures_of(2), [1]),
    "among few": lambda: plot_siblings(
        random_siblings(), pictures_of(32), [4, 3, 9], among=[9, 8], selectivity=kinds_of(32)
    ),
    "dead": lambda: plot_siblings(
        random_siblings(dead=(0, 1)), pictures_of(32), range(6), selectivity=kinds_of(32)
    ),
    "many": lambda: plot_siblings(
        random_siblings(256, "layer1.0.conv2 of a network with a long name"),
        pictures_of(256), range(100, 200), selectivity=kinds_of(256, "layer1.0.conv2 of a network "
        "with a long name"),
    ),
}  # fmt: skip


@functools.cache
def drawn(case):
    """Return a figure, drawn once for all tests, which only read it."""
    return CASES[case]()


@pytest.mark.parametrize("case", CASES)
def test_every_word_is_legible_whole_and_by_itself(case):
    check_legible(drawn(case))


def test_a_filter_stands_beside_its_nearest_of_those_left():
    table, pictures = random_siblings(), pictures_of(32)
    figure = plot_siblings(table, pictures, [5, 3], among=[7, 8, 9])
    shown = [axes.images[0].get_array() for axes in figure.axes]
    expected = []
    for filter in (5, 3):
        expected += [filter]
        for by in ("weights", "activation"):
            expected += table.nearest(filter, by=by, among=[7, 8, 9], k=1)["filter"].tolist()
    for image, filter in zip(shown, expected, strict=True):
        assert np.allclose(image, pictures[filter])
    written = [t.get_text() for t in figure.texts]
    first = table.nearest(5, among=[7, 8, 9], k=1)["similarity"].iloc[0]
    place = written.index("5")
    assert written[place + 1] == str(expected[1])
    assert written[place + 2] == f"{first:.2f}".replace("-", "\N{MINUS SIGN}")


def test_what_was_pruned_is_not_its_own_survivor():
    figure = plot_siblings(random_siblings(), pictures_of(32), range(30))
    assert "Nearest of 2 left" in words(figure)
    written = [t.get_text() for t in figure.texts]
    assert {w for w in written if w in ("30", "31")} <= {"30", "31"}
    assert written.count("30") + written.count("31") == 60


def test_a_filter_without_a_sibling_says_none_and_a_long_list_is_cut():
    assert words(drawn("dead")).split("\n").count("none") == 4
    assert "60 more are not shown" in words(drawn("many"))


def test_bad_arguments_say_rule_and_found():
    table, pictures = random_siblings(), pictures_of(32)
    with pytest.raises(TypeError, match=r"SiblingTable.*found int"):
        plot_siblings(7, pictures, [1])
    with pytest.raises(ValueError, match="32 filters, found 31"):
        plot_siblings(table, pictures_of(31), [1])
    with pytest.raises(ValueError, match="found 0 and 32"):
        plot_siblings(table, pictures, [])
    with pytest.raises(ValueError, match="found 32 and 0"):
        plot_siblings(table, pictures, range(32))
    with pytest.raises(ValueError, match="0 to 31; found 32"):
        plot_siblings(table, pictures, [32])
    with pytest.raises(TypeError, match="filters are filters' numbers; found 3"):
        plot_siblings(table, pictures, 3)
    with pytest.raises(TypeError, match="measure_selectivity"):
        plot_siblings(table, pictures, [1], selectivity=[0.1])
    with pytest.raises(ValueError, match="found one of 'conv' with 32"):
        plot_siblings(table, pictures, [1], selectivity=kinds_of(32, "conv"))
