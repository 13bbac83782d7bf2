"""Figures of pruning say what the path says, legibly, and nothing is clipped or overlaps."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import hypergeom
from support.legible import check_legible, words
from support.paths import CRITERIA, SURVIVAL, known_path, random_path, two_banks
from support.pictures import pictures_of
from support.selectivity_tables import kinds_of
from support.tables import LONG, NAMES

from carviz.plots import plot_lost, plot_order, plot_paths
from carviz.plots.labels import spread
from carviz.results import SelectivityTable

CASES = {
    "all criteria": lambda: plot_paths(
        [random_path(c) for c in SURVIVAL] + [random_path("random", seed=s) for s in range(5)],
        count=16, floor=0.6,
    ),
    "one path": lambda: plot_paths(random_path()),
    "mark at the left": lambda: plot_paths(random_path(), count=0),
    "mark at the right": lambda: plot_paths([random_path(steps=9), random_path("l1")], count=32),
    "high above zero": lambda: plot_paths(
        [random_path(sizes=(96,), steps=20), random_path("l1", sizes=(96,), steps=20)], floor=0.8
    ),
    "no step": lambda: plot_paths(random_path(steps=0), count=0),
    "one filter": lambda: plot_paths(random_path(sizes=(1,))),
    "two banks": lambda: plot_paths(two_banks(), count=4),
    "order": lambda: plot_order(random_path(), pictures_of(32), selectivity=kinds_of(32)),
    "order, part": lambda: plot_order(
        random_path(steps=20), pictures_of(32), selectivity=kinds_of(32, dead=(3, 7)), count=12
    ),
    "order of 96": lambda: plot_order(
        random_path(sizes=(96,)), pictures_of(96), selectivity=faint_kinds(96), count=20
    ),
    "order of 256": lambda: plot_order(random_path(sizes=(256,), steps=150), pictures_of(256)),
    "order of one": lambda: plot_order(random_path(sizes=(1,)), pictures_of(1)),
    "no step of order": lambda: plot_order(random_path(steps=0), pictures_of(32)),
    "order of two banks": lambda: plot_order(
        two_banks(),
        {"features.0": pictures_of(8), "features.3": pictures_of(12)},
        selectivity={"features.0": kinds_of(8)},
    ),
    "lost": lambda: plot_lost(random_path(), 10),
    "lost, few": lambda: plot_lost(random_path(names=NAMES[:3]), 20),
    "lost, long names": lambda: plot_lost(random_path("l1", names=LONG), 14, k=6),
    "lost, one class": lambda: plot_lost(random_path(names=("cat",), n=1), 1),
    "nothing lost": lambda: plot_lost(random_path(), 0),
}  # fmt: skip


def faint_kinds(count):
    table = kinds_of(count)
    energy = np.where(np.arange(count) % 10 == 0, 0.01, 1.0)
    return SelectivityTable(table.layer, 0.5, table.color_index, table.kind, energy)


@pytest.mark.parametrize("case", CASES)
def test_every_word_is_legible_whole_and_by_itself(case):
    check_legible(CASES[case]())


# -- the curve


def curves(figure):
    """Lines of the first axes with more than one mark, by colour."""
    lines = [line for line in figure.axes[0].lines if line.get_marker() not in ("None", None)]
    return [line for line in lines if line.get_linestyle() != "None"]


def test_a_line_is_the_paths_accuracy_in_percent():
    path = random_path()
    (line,) = curves(plot_paths(path))
    assert np.allclose(line.get_ydata(), 100 * path.accuracy)
    assert line.get_xdata().tolist() == list(range(33))


def test_an_axis_that_does_not_start_at_zero_says_so():
    said = "does not start at 0"
    little = plot_paths(random_path(steps=3))
    assert little.axes[0].get_ylim()[0] > 10
    assert said in words(little)
    assert said not in words(plot_paths(random_path()))


def test_every_criterion_has_a_colour_a_mark_and_dashes_of_its_own():
    lines = curves(plot_paths([random_path(c) for c in CRITERIA]))
    assert len(lines) == len(CRITERIA)
    looks = [
        (line.get_color(), line.get_marker(), str(line._unscaled_dash_pattern)) for line in lines
    ]
    for same in zip(*looks, strict=True):
        assert len(set(same)) == len(CRITERIA)
    widths = sorted(line.get_linewidth() for line in lines)
    assert widths[-1] > 1.5 * widths[-2]


def test_several_paths_of_a_criterion_are_a_mean_in_a_band():
    several = [random_path("random", seed=s, steps=20 + s) for s in range(4)]
    figure = plot_paths(several)
    (line,) = curves(figure)
    accuracy = np.stack([path.accuracy[:21] for path in several])
    assert np.allclose(line.get_ydata(), 100 * accuracy.mean(axis=0))
    (band,) = figure.axes[0].collections
    edges = band.get_paths()[0].vertices
    for step in (7, 20):
        at = edges[edges[:, 0] == step, 1]
        assert np.allclose([at.min(), at.max()], 100 * np.sort(accuracy[:, step])[[0, -1]])
    assert "random (mean of 4)" in words(figure)


def test_the_mark_and_the_floor_are_told_in_numbers():
    path = known_path()
    said = words(plot_paths(path, count=2, floor=0.85))
    assert "2 of 4 filters (50%)" in said
    assert "after 2\n" in said + "\n"
    assert "80.0%" in said  # 20 of 100 wrong
    assert "1 filter" in said.split("\n")  # 0.98, 0.90, then 0.80
    assert "floor 85.0%" in said
    assert "whole network 98.0%" in said
    assert "A tie decided 33% of its steps" in said
    followed = dataclasses.replace(path, passport={**path.passport, "order": "of other images"})
    elsewhere = words(plot_paths(followed, count=2))
    assert "followed on these images" in elsewhere
    assert "chose its order on these same" not in elsewhere
    shorter = random_path("l1", steps=3)
    assert "–" in words(plot_paths([random_path(), shorter], count=9)).split("\n")


def test_labels_stand_in_the_order_of_their_accuracies_where_lines_end_together():
    paths = [random_path(c) for c in ("car", "l1", "apoz")]
    figure = plot_paths(paths, count=16)
    shown = {t.get_text(): t.get_position()[1] for t in figure.texts}
    heights = [shown[name] for name in ("CAR, greedy", "L1 norm", "APoZ")]
    levels = [path.accuracy[16] for path in paths]
    assert levels == sorted(levels, reverse=True)
    assert heights == sorted(heights, reverse=True)


@given(st.lists(st.floats(-1, 6), min_size=1, max_size=12))
@settings(deadline=None)
def test_labels_are_moved_apart_and_no_further_than_that_takes(wanted):
    wanted = sorted(wanted)
    places = spread(wanted, 0.3, 5.0)
    assert np.all(np.diff(places) >= 0.3 - 1e-9)
    assert places[0] >= 0
    assert places[-1] <= 5 + 1e-9
    inside = [min(max(w, 0), 5) for w in wanted]
    if np.all(np.diff(inside) >= 0.3):
        assert np.allclose(places, inside, atol=1e-9)


# -- the order


def strip(figure):
    return [axes.images[0].get_array() for axes in figure.axes if axes.images]


def test_the_strip_is_in_the_order_pruned_and_then_what_stays():
    path, pictures = random_path(steps=20), pictures_of(32)
    kinds = kinds_of(32, dead=(3,))
    figure = plot_order(path, pictures, selectivity=kinds, count=12)
    stay = [i for i in range(32) if i not in path.order]
    for image, filter in zip(strip(figure), [*path.order, *stay], strict=True):
        assert np.allclose(image, pictures[filter])
    written = [t.get_text() for t in figure.texts]
    letters = {"color": "C", "shape": "S", "dead": "×"}
    for step, filter in enumerate(path.order.tolist(), 1):
        place = written.index(f"{step}.")
        assert written[place + 1 : place + 3] == [str(filter), letters[kinds.kind[filter]]]
    heads = [w for w in written if "pruned" in w.lower() or "Left in" in w]
    assert "First 12 pruned, in this order" in heads
    assert "Pruned later, 13 to 20" in heads
    assert "Left in the network after 20" in heads
    assert ".." not in figure.description


def test_colour_is_counted_beside_chance_and_again_without_faint_filters():
    order = [0, 1, 2, 3, 4, 5]
    path = random_path(sizes=(12,), steps=6)
    path = dataclasses.replace(path, order=order)
    index = [0.9, 0.9, 0.9, 0.1, np.nan, 0.9, 0.1, 0.1, 0.1, 0.1, 0.9, 0.1]
    kind = ["dead" if i != i else "color" if i > 0.5 else "shape" for i in index]
    energy = [0.01, *[1.0] * 11]
    said = words(
        plot_order(
            path, pictures_of(12),
            selectivity=SelectivityTable("features.0", 0.5, index, kind, energy),
        )
    )  # fmt: skip
    assert "4 of 5 counted among the first 6 pruned (80%) select colour" in said
    assert "chance: 5 of 11 (45%)" in said
    assert f"p = {hypergeom.sf(3, 11, 5, 5):.2g} (hypergeometric)" in said
    assert "Dead filters and banks without colour indices are not counted" in said
    assert "Without 1 that training hardly shaped" in said
    assert f"3 of 4 (75%); chance: 4 of 10 (40%); p = {hypergeom.sf(2, 10, 4, 4):.2g}" in said


def test_a_whole_bank_is_counted_to_its_half():
    path = random_path()
    assert "First 16 pruned" in words(plot_order(path, pictures_of(32)))
    assert "First 5 pruned" in words(plot_order(path.prefix(5), pictures_of(32)))


def test_a_strip_too_long_for_a_page_says_what_it_leaves_out():
    figure = plot_order(random_path(sizes=(256,), steps=150), pictures_of(256), count=60)
    shown = len(strip(figure))
    assert f"Pruned later, 61 to 150 ({150 - shown} more are not shown)" in words(figure)


def test_filters_of_several_banks_show_their_own_pictures_and_names():
    path = two_banks()
    pictures = {"features.0": pictures_of(8), "features.3": 1 - pictures_of(12)}
    figure = plot_order(path, pictures, selectivity={"features.0": kinds_of(8)})
    steps = list(zip(path.layers, path.order, strict=True))
    for image, (bank, filter) in zip(strip(figure), steps, strict=False):
        assert np.allclose(image, pictures[bank][filter])
    written = [t.get_text() for t in figure.texts]
    assert written.count("features.0") == 8
    assert written.count("features.3") == 12


# -- the classes


def test_lost_classes_come_most_lost_first_with_counts_and_a_test():
    figure = plot_lost(known_path(), 3)
    said = words(figure)
    assert "100% → 40%" in said
    assert "30 lost of 50" in said
    assert "96% → 100%" in said
    assert "2 gained of 50" in said
    assert "72.0%" not in said
    assert "70.0% without 3 of 4 filters (75%), by CAR, greedy" in said
    cat, dog = figure.axes[0].patches
    assert np.allclose([cat.get_width(), dog.get_width()], [60.0, -4.0])
    assert cat.get_facecolor() != dog.get_facecolor()
    assert dog.get_facecolor() == (1, 1, 1, 1)


def test_the_order_of_classes_is_the_paths():
    path = random_path()
    figure = plot_lost(path, 16, k=4)
    names = [label.get_text().removesuffix(" =") for label in figure.axes[0].get_yticklabels()]
    assert names == path.lost_classes(16, 4)["class"].tolist()
    assert "4 of 10 classes" in words(figure)


def test_classes_that_tie_are_marked():
    figure = plot_lost(random_path(), 0, k=3)
    assert words(figure).count(" =") == 3
    assert "= ties with another class" in words(figure)


def test_bad_arguments_say_rule_and_found():
    path, pictures = random_path(), pictures_of(32)
    with pytest.raises(TypeError, match=r"PruningPath.*found DataFrame"):
        plot_lost(path.to_frame(), 1)
    with pytest.raises(TypeError, match=r"PruningPath.*found int"):
        plot_paths(7)
    with pytest.raises(TypeError, match=r"PruningPath.*found str"):
        plot_paths([path, "l1"])
    with pytest.raises(ValueError, match="found none"):
        plot_paths([])
    with pytest.raises(ValueError, match="same banks"):
        plot_paths([path, two_banks()])
    with pytest.raises(ValueError, match="same images"):
        plot_paths([path, random_path("l1", n=3)])
    other = dataclasses.replace(path, baseline=(path.baseline + 1) % 10)
    with pytest.raises(ValueError, match=r"one network.*differ on 200 of 200"):
        plot_paths([path, other])
    with pytest.raises(ValueError, match=r"0 to 32 .*found 33"):
        plot_paths(path, count=33)
    with pytest.raises(ValueError, match=r"reaches.*found 0.99"):
        plot_paths(path, floor=0.99)
    for plot in (lambda: plot_lost(path, -1), lambda: plot_order(path, pictures, count=33)):
        with pytest.raises(ValueError, match="count is 0 to 32"):
            plot()
    with pytest.raises(ValueError, match="1 or more; found 0"):
        plot_lost(path, 1, k=0)
    with pytest.raises(ValueError, match=r"32 filters, found 31"):
        plot_order(path, pictures_of(31))
    with pytest.raises(ValueError, match=r"'features.0'; found 'conv'"):
        plot_order(path, {"conv": pictures})
    with pytest.raises(TypeError, match="mapping from a bank's name"):
        plot_order(two_banks(), pictures)
    with pytest.raises(ValueError, match=r"'features.3' has 12 filters, found none"):
        plot_order(two_banks(), {"features.0": pictures_of(8)})
    with pytest.raises(TypeError, match="measure_selectivity"):
        plot_order(path, pictures, selectivity=[0.1])
    with pytest.raises(ValueError, match="found one of 'conv' with 32"):
        plot_order(path, pictures, selectivity=kinds_of(32, "conv"))
