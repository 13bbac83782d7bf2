"""The figures of what filters see say what the arrays say, legibly and whole."""

import dataclasses
import functools

import numpy as np
import pytest
from support.legible import check_legible, texts, words
from support.pictures import patches_of, pictures_of
from support.selectivity_tables import both_readings, kinds_of, random_readings, readings
from support.tables import LONG, NAMES, random_table

from carviz.plots import plot_agreement, plot_seen
from carviz.results import CarTable
from carviz.wording import points

CASES = {
    "patches only": lambda: plot_seen(patches_of(), [4]),
    "one": lambda: plot_seen(
        patches_of(), 4, weights=pictures_of(1)[0], excited=pictures_of(1), table=random_table(),
        selectivity=both_readings(),
    ),
    "three": lambda: plot_seen(
        patches_of(), [4, 3, 7], weights=pictures_of(3), excited=pictures_of(3),
        selectivity=both_readings(), table=random_table(),
    ),
    "of one filter": lambda: plot_seen(patches_of(filter=2), weights=pictures_of(1)),
    "whole bank": lambda: plot_seen(patches_of(), selectivity=kinds_of(8)),
    "dead, few": lambda: plot_seen(
        patches_of(empty=(1,), few=(2,)), [1, 2], weights=np.full((2, 5, 5, 3), 0.5),
        excited=pictures_of(2), selectivity=kinds_of(8, dead=(1,)), table=random_table(),
    ),
    "long names, wide": lambda: plot_seen(
        patches_of(classes=LONG, size=(5, 9)), [0, 5], excited=pictures_of(2, 4, 9),
        selectivity=both_readings(), table=random_table(names=LONG),
    ),
    "four patches": lambda: plot_seen(patches_of(ranks=4), 6, weights=pictures_of(1)),
    "agreement": lambda: plot_agreement(random_readings()),
    "two banks": lambda: plot_agreement([random_readings(), random_readings(64, "b", 0.5)]),
    "four banks": lambda: plot_agreement([random_readings(seed=i, noise=0.3) for i in range(4)]),
    "five banks": lambda: plot_agreement(
        [random_readings(200, f"layer{i}.0.conv2", 0.3, seed=i) for i in range(5)]
    ),
    "two clumps": lambda: plot_agreement(readings([0] * 16 + [1] * 9, [0] * 16 + [1] * 9)),
    "nothing to compare": lambda: plot_agreement([kinds_of(8), random_readings(9)]),
    "all dead": lambda: plot_agreement(readings([np.nan] * 3, [np.nan] * 3)),
}  # fmt: skip


@functools.cache
def drawn(case):
    """Return a figure, drawn once for all tests, which only read it."""
    return CASES[case]()


@pytest.mark.parametrize("case", CASES)
def test_every_word_is_legible_whole_and_by_itself(case):
    check_legible(drawn(case))


def test_a_row_shows_its_own_weights_patches_and_synthesised_picture():
    patches, weights, excited = patches_of(few=(3,)), pictures_of(2), pictures_of(2) / 2
    figure = plot_seen(patches, [5, 3], weights=weights, excited=excited)
    shown = [axes.images[0].get_array() for axes in figure.axes if axes.images]
    expected = [weights[0], excited[0], *patches.pictures[5]]
    expected += [weights[1], excited[1], *patches.pictures[3, :2]]
    for image, picture in zip(shown, expected, strict=True):
        assert np.allclose(image, picture)
    said = [t.get_text() for t in texts(figure)]
    row = said[said.index("Filter 5") :]
    assert [w for w in row[: row.index("Filter 3")] if w in NAMES] == patches.names[5].tolist()
    assert [w for w in row[row.index("Filter 3") :] if w in NAMES] == patches.names[3, :2].tolist()


def test_both_readings_stand_there_and_a_disagreement_in_words():
    table = readings([0.9, 0.9, 0.1, 0.2, np.nan, 0.7], [0.8, 0.2, 0.75, 0.1, np.nan, np.nan])
    said = words(plot_seen(patches_of(6), selectivity=table))
    assert "colour index 0.90, activation index 0.80: both say colour" in said
    assert "0.20. They disagree: its weights compare colours, its answers need few" in said
    assert "0.75. They disagree: its weights compare few colours, its answers need them" in said
    assert "both say shape" in said
    assert "dead, no reading of colour" in said
    assert "colour index 0.70\n" in said


def test_patches_of_the_classes_that_are_hurt_most_are_bold():
    patches, table = patches_of(), random_table()
    found = set()
    for filter in range(8):
        figure = plot_seen(patches, filter, table=table)
        top = table.top_classes(filter, 3)
        hurt = set(top["class"][top["car"] > 0])
        line = words(figure).split("Hurt most")[-1].split("Patches")[0]
        assert all(name in line for name in hurt)
        named = [t for t in texts(figure) if t.get_text() in NAMES]
        assert [t.get_text() for t in named] == patches.names[filter].tolist()
        for text in named:
            assert (text.get_weight() == "bold") == (text.get_text() in hurt)
            found.add(text.get_weight())
    assert found == {"bold", "normal"}
    assert "No class loses images without it" in words(
        plot_seen(patches, 2, table=random_table(strength=0))
    )


def test_of_two_classes_of_one_name_the_one_that_is_hurt_is_bold():
    targets = np.repeat([0, 1, 2], 4)
    predictions = np.tile(np.where(targets == 2, 1, targets), (8, 1))
    patches = patches_of(classes=("crane", "dog", "crane"))
    for classes in (patches.classes, None):
        shown = dataclasses.replace(patches, classes=classes)
        table = CarTable(
            "features.0", filters=range(8), classes=("crane", "dog", "crane"), images=range(12),
            total=12, targets=targets, baseline=targets, predictions=predictions,
            log_prob_drop=np.zeros((8, 3)),
        )  # fmt: skip
        figure = plot_seen(shown, 0, table=table)
        assert "crane (2) +100.0" in words(figure)
        drawn = [t for t in texts(figure) if t.get_text() in shown.names[0]]
        assert [t.get_weight() == "bold" for t in drawn] == (patches.labels[0] == 2).tolist()
        assert {0, 2} <= set(patches.labels[0].tolist())


def test_a_class_without_a_name_is_no_empty_rank():
    patches = patches_of(classes=("", "dog", "cat"))
    figure = plot_seen(patches, 4)
    assert [axes for axes in figure.axes if axes.images][8:]
    assert words(figure).count("(0)") == (patches.labels[4] == 0).sum() > 0


def test_every_class_of_the_line_keeps_its_own_number():
    table = random_table(names=LONG)
    figure = plot_seen(patches_of(classes=LONG), 0, table=table)
    top = table.top_classes(0, 3)
    top = top[top["car"] > 0]
    (line,) = [t.get_text() for t in texts(figure) if t.get_text().startswith("Hurt most")]
    parts = line.split("): ")[1].split(". Patches")[0]
    for name, car in zip(top["class"], top["car"], strict=True):
        start = parts[: parts.index("…")]
        assert name.startswith(start)
        assert f" {points(car, unit=False)}" in parts
        assert f"{name} {points(car, unit=False)}" in figure.description
        parts = parts[parts.index(points(car, unit=False)) :].partition(", ")[2]
    assert not parts


def test_bold_is_explained_where_there_is_some():
    hurt = random_table(strength=9)
    assert "in bold" in words(plot_seen(patches_of(), 1, table=hurt))
    assert "in bold" not in words(plot_seen(patches_of(empty=(1,)), 1, table=hurt))


def test_a_filter_that_nothing_excites_says_so_and_a_long_list_is_cut():
    assert "none: no image excites it" in words(drawn("dead, few"))
    assert "2 more filters are not shown" in words(drawn("whole bank"))


def test_points_are_where_the_readings_say_and_disagreeing_ones_are_ringed():
    table = readings([0.1, 0.9, 0.95, 0.2, np.nan, 0.8], [0.2, 0.8, 0.1, 0.9, np.nan, 0.45])
    axes = next(a for a in plot_agreement(table).axes if a.get_xlabel())
    points = {
        tuple(at)
        for line in axes.lines
        if line.get_marker() in ("o", "s") and line.get_markerfacecolor() != "none"
        for at in np.round(line.get_xydata(), 6).tolist()
    }
    alive = ~np.isnan(table.color_index)
    assert points == set(zip(table.color_index[alive], table.activation_index[alive], strict=True))
    (rings,) = [line for line in axes.lines if line.get_markerfacecolor() == "none"]
    assert len(rings.get_xdata()) == 3 == table.disagrees.sum()
    numbered = {t.get_text() for t in axes.texts if t.get_text().isdigit()}
    assert numbered == {"2", "3", "5"}
    said = words(plot_agreement(table))
    assert "2 agree, 3 disagree, 1 not read" in said


def test_filters_on_one_another_are_counted():
    said = words(drawn("two clumps")).split("\n")
    assert {"16 filters", "9 filters"} <= set(said)
    assert not [word for word in words(drawn("agreement")).split("\n") if word.endswith("filters")]


def test_the_rank_correlation_is_said_in_words():
    table = random_readings(noise=0.3)
    assert f"rank correlation {table.rank_correlation():.2f}" in words(plot_agreement(table))
    same = readings([0.1, 0.4, 0.9], [0.0, 0.2, 0.3])
    assert "rank its filters nearly alike" in words(plot_agreement(same))
    assert "rank its filters opposite" in words(plot_agreement(readings([0, 0.5, 1], [1, 0.4, 0])))
    few = readings([0.1, 0.4], [0.1, 0.4])
    assert "nothing to compare" in words(plot_agreement(few))
    assert "nearly alike in 2 banks" in words(plot_agreement([same, same]))
    assert "nearly alike in 1 of 2 banks" in words(plot_agreement([few, same]))


def test_bad_arguments_say_rule_and_found():
    patches = patches_of()
    with pytest.raises(TypeError, match=r"top_patches returns; found int"):
        plot_seen(7)
    with pytest.raises(TypeError, match="filters' numbers; found 'a'"):
        plot_seen(patches, ["a"])
    with pytest.raises(TypeError, match="filters' numbers; found True"):
        plot_seen(patches, True)
    with pytest.raises(ValueError, match=r"filters 0 to 7 of 'features\.0'; found 8"):
        plot_seen(patches, [8])
    with pytest.raises(ValueError, match="patches hold filter 2 of"):
        plot_seen(patches_of(filter=2), 3)
    with pytest.raises(ValueError, match="found none"):
        plot_seen(patches, [])
    with pytest.raises(ValueError, match=r"found 8 for 2.*weights\[filters\]"):
        plot_seen(patches, [1, 2], weights=pictures_of(8))
    with pytest.raises(TypeError, match="measure_selectivity"):
        plot_seen(patches, 1, selectivity=[0.1])
    with pytest.raises(ValueError, match="found one of 'conv' with 8"):
        plot_seen(patches, 1, selectivity=kinds_of(8, "conv"))
    with pytest.raises(TypeError, match="CarTable"):
        plot_seen(patches, 1, table=3)
    with pytest.raises(ValueError, match=r"filter.*3"):
        plot_seen(patches, 3, table=random_table(count=1, filters=[4]))
    with pytest.raises(TypeError, match="one or several; found int"):
        plot_agreement(3)
    with pytest.raises(TypeError, match="found str"):
        plot_agreement([kinds_of(8), "b"])
    with pytest.raises(ValueError, match="found none"):
        plot_agreement([])
