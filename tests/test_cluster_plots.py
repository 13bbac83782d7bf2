"""The clustered map shows the right filters together, legibly and whole, and says what is left."""

import functools
import itertools

import numpy as np
import pytest
from matplotlib.patches import Rectangle
from support.legible import check_legible, words
from support.paths import random_path
from support.pictures import pictures_of
from support.selectivity_tables import kinds_of
from support.sibling_tables import kinds_in, random_siblings
from support.tables import random_table

from carviz.plots import plot_clusters
from carviz.plots.style import PAPER

LONG = "layer1.0.conv2 of a network with a long name, in a block with a longer one, of many"
CASES = {
    "half pruned": lambda: plot_clusters(
        kinds_in(32, 9), pictures_of(32), path=random_path(), selectivity=kinds_of(32)
    ),
    "no path": lambda: plot_clusters(kinds_in(32, 9), pictures_of(32)),
    "numbers only": lambda: plot_clusters(kinds_in(32, 9), path=random_path()),
    "by weights, sixty-four": lambda: plot_clusters(
        kinds_in(64, 20, dead=(3, 4)), pictures_of(64), by="weights", path=range(20, 50),
        selectivity=kinds_of(64, dead=(3, 4)),
    ),
    "large": lambda: plot_clusters(
        kinds_in(256, 60, LONG, dead=(0, 255)), pictures_of(256), path=range(0, 256, 2),
        selectivity=kinds_of(256, LONG, dead=(0, 255)),
    ),
    "large, few kinds, numbers only": lambda: plot_clusters(kinds_in(192, 3)),
    "one kind": lambda: plot_clusters(kinds_in(40, 1), pictures_of(40), path=[1]),
    "no cluster": lambda: plot_clusters(
        random_siblings(32), pictures_of(32), threshold=1, path=range(9)
    ),
    "three filters, wide pictures": lambda: plot_clusters(
        kinds_in(3, 2), pictures_of(3, 3, 9), path=[0, 2, 1], count=3, selectivity=kinds_of(3)
    ),
    "one filter": lambda: plot_clusters(kinds_in(1, 1), pictures_of(1), path=[]),
    "nothing known": lambda: plot_clusters(kinds_in(8, 2, dead=range(8)), pictures_of(8)),
    "by classes": lambda: plot_clusters(
        random_siblings(8).with_classes(random_table()), pictures_of(8), by="classes",
        threshold=0.2,
    ),
}  # fmt: skip


@functools.cache
def drawn(case):
    """Return a figure, drawn once for all tests, which only read it."""
    return CASES[case]()


@pytest.mark.parametrize("case", CASES)
def test_every_word_is_legible_whole_and_by_itself(case):
    check_legible(drawn(case))


def matrix_of(figure):
    """The axes with the map: the one with a square array of likeness."""
    (axes,) = [
        a for a in figure.axes if a.images and a.images[0].get_array().ndim == 2
        and len(a.images[0].get_array()) > 1
    ]  # fmt: skip
    return axes


def test_the_map_is_in_the_order_of_the_tree_and_frames_the_clusters():
    table = kinds_in(32, 20)
    clusters = table.clusters()
    assert clusters.single  # between the others, in the order of the tree
    axes = matrix_of(plot_clusters(table, pictures_of(32)))
    shown = axes.images[0]
    order = clusters.order
    assert np.array_equal(shown.get_array(), table.by_activation[np.ix_(order, order)])
    assert shown.get_clim() == (-1, 1)
    assert np.allclose(shown.cmap(0.5)[:3], 1, atol=0.01)  # 0 has the paper's colour
    assert PAPER == "#FFFFFF"
    frames = [p for p in axes.patches if isinstance(p, Rectangle)]
    assert len(frames) == len(clusters.shared()) > 9
    for frame, filters in zip(frames, clusters.shared().values(), strict=True):
        start, size = int(frame.get_x()), int(frame.get_width())
        assert frame.get_y() == start
        assert order[start : start + size].tolist() == filters


def test_beside_the_rows_stand_the_pictures_and_marks_of_their_filters():
    table, pictures, gone = kinds_in(32, 9), pictures_of(32), [5, 0, 7]
    figure = plot_clusters(table, pictures, path=gone)
    order = table.clusters().order.tolist()
    beside = next(a for a in figure.axes if len(a.images) == 32)
    for image, filter in zip(beside.images, order, strict=True):
        assert np.allclose(image.get_array(), pictures[filter])
    strip = next(a for a in figure.axes if len(a.patches) == 3 and not a.images)
    rows = sorted(int(bar.get_y() + bar.get_height() / 2) for bar in strip.patches)
    assert rows == sorted(order.index(i) for i in gone)


def test_the_pruned_are_faded_crossed_out_and_have_their_step():
    table, pictures = kinds_in(4, 2), pictures_of(4)
    figure = plot_clusters(table, pictures, path=[2, 1, 3], count=2)
    shown = {
        filter: [
            (axes.images[0].get_array(), bool(axes.lines))
            for axes in figure.axes
            if len(axes.images) == 1 and axes.images[0].get_array().ndim == 3
        ][i]
        for i, filter in enumerate(itertools.chain(*table.clusters().shared().values()))
    }
    for filter, (picture, crossed) in shown.items():
        assert crossed == (filter in (2, 1))
        assert np.allclose(picture, pictures[filter]) != (filter in (2, 1))
    written = words(figure).split("\n")
    assert {"1.", "2."} <= set(written)
    assert "3." not in written
    assert "1: 1 of 2 left" in written
    assert "2 pruned: 2 of 2 clusters keep a filter." in words(figure)


def test_the_words_are_the_numbers():
    table, path = kinds_in(32, 9), random_path()
    text = words(plot_clusters(table, path=path))
    row = table.clusters().beside_chance(path, [16]).loc[16]
    assert "9 clusters of two filters or more: 32 of 32 filters. Dashed" in text
    assert f"16 pruned (CAR, greedy): {row['left']:.0f} of 9 clusters keep a filter" in text
    assert f"{9 * row['chance']:.1f} on average" in text
    assert f"p = {row['p_value']:.2g}" in text
    assert "over all places of 800 images" in text
    by_weights = words(plot_clusters(table, by="weights"))
    assert "cosine" in by_weights
    assert "pruned" not in by_weights
    moved = words(drawn("by classes"))
    assert "to 10 classes (CAR)" in moved
    assert "Half of the filters move" in moved


def test_what_does_not_fit_or_is_not_there_is_said():
    assert "more are not shown" in words(drawn("large"))
    assert "No two filters reach a likeness of 1.00" in words(drawn("no cluster"))
    assert "2 unknown" in words(drawn("large"))
    assert "none of 2 left" in words(drawn("three filters, wide pictures"))


def test_bad_arguments_say_rule_and_found():
    table, pictures = kinds_in(32, 9), pictures_of(32)
    with pytest.raises(TypeError, match=r"SiblingTable.*found int"):
        plot_clusters(7)
    with pytest.raises(ValueError, match="32 filters, found 31"):
        plot_clusters(table, pictures_of(31))
    with pytest.raises(ValueError, match="found 'colour'"):
        plot_clusters(table, pictures, by="colour")
    with pytest.raises(ValueError, match="compared by classes once"):
        plot_clusters(table, pictures, by="classes")
    with pytest.raises(ValueError, match=r"prunes 'features\.0' with its 32"):
        plot_clusters(table, pictures, path=random_path(sizes=(31,)))
    with pytest.raises(ValueError, match="count is 0 to 9"):
        plot_clusters(table, pictures, path=range(9), count=10)
    with pytest.raises(TypeError, match="measure_selectivity"):
        plot_clusters(table, pictures, selectivity=[0.1])
    with pytest.raises(ValueError, match="found one of 'conv' with 32"):
        plot_clusters(table, pictures, selectivity=kinds_of(32, "conv"))
