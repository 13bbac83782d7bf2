"""The picture of a network: what it says is what the tables say, and every word can be read."""

import dataclasses

import numpy as np
import pytest
from matplotlib.collections import PathCollection
from support.legible import check_legible, texts, words

import carviz
from carviz.plots import plot_banks
from carviz.results import CarTable, CarTables
from carviz.results.statistics import paired_interval
from carviz.wording import NONE, NOT_APART

SIZES = (64, 192, 384, 256, 2048)


def network(banks, *, sizes=SIZES, strength=0.08, images=200, total=None, name="layer{}.0.conv{}"):
    """Tables of a network whose first banks matter most."""
    g = np.random.default_rng(banks)
    targets = np.arange(images) % 4
    baseline = np.where(g.random(images) < 0.9, targets, (targets + 1) % 4)
    tables = []
    for i in range(banks):
        F = sizes[i % len(sizes)]
        rate = strength / (1 + i / 3) * g.exponential(0.3, (F, 1))
        flips = g.random((F, images)) < rate
        tables.append(
            CarTable(
                name.format(i // 3 + 1, i % 3 + 1),
                filters=np.arange(F),
                classes=("a", "b", "c", "d"),
                images=np.arange(images),
                total=total or images,
                targets=targets,
                baseline=baseline,
                predictions=np.where(flips, (baseline + 1) % 4, baseline),
                log_prob_drop=g.normal(0, 0.01, (F, 4)),
            )
        )
    return CarTables(tables)


@pytest.mark.parametrize("banks", [1, 2, 5, 16, 26, 27, 53])
def test_it_is_legible_and_says_what_the_tables_say(banks):
    tables = network(banks)
    figure = plot_banks(tables)
    check_legible(figure)
    found = words(figure)
    rows = [t.get_text() for t in texts(figure)]
    places = [rows.index(name) for name in tables]
    assert places == sorted(places)
    for name, table in tables.items():
        best = int(table.order[0])
        low, _ = paired_interval(table.lost_all, table.gained_all, len(table.images))
        expected = [
            f"{100 * table.car.max():+.1f}" if table.car.max() else "0.0",
            str(best) if table.tells_apart() else NONE,
            f"{(table.car <= 0).sum():,} of {len(table.filters):,}",
            f"{(low <= 0).sum():,}",
        ]
        place = rows.index(name)
        assert rows[place + 1 : place + 5] == expected
    nothing = sum(int((table.car <= 0).sum()) for table in tables.values())
    assert f"{nothing:,} of {sum(len(t.filters) for t in tables.values()):,} filters cost" in found
    assert "200 images" in found
    apart = all(table.tells_apart() for table in tables.values())
    assert (NOT_APART in found) is (NOT_APART in figure.description) is not apart
    assert all(name in figure.description for name in tables)
    assert figure.get_size_inches()[0] < 22


def test_the_filters_that_cost_most_are_named_and_their_banks_bold():
    tables = network(5, strength=0.4)
    found = plot_banks(tables)
    frame = tables.to_frame().sort_values("car", ascending=False, kind="stable")
    top = frame.iloc[0]
    line = next(t.get_text() for t in texts(found) if t.get_text().startswith("Do not prune"))
    assert f"filters {top['filter']} of {top.layer} ({100 * top.car:+.1f} points); " in line
    bold = {t.get_text() for t in texts(found) if t.get_weight() == "bold"}
    for name in tables:
        assert (name in bold) is (f" of {name} " in line)


def test_filled_dots_cost_and_hollow_ones_may_not():
    (one,) = network(1, sizes=(40,)).values()
    predictions = np.array(one.predictions)
    predictions[:] = one.baseline
    predictions[3, np.flatnonzero(one.baseline == one.targets)[:60]] += 1
    predictions[5, np.flatnonzero(one.baseline == one.targets)[:30]] += 1
    predictions %= 4
    planted = CarTables([dataclasses.replace(one, predictions=predictions)])
    figure = plot_banks(planted)
    assert (
        "Do not prune: filters 3 of layer1.0.conv1 (+30.0 points); 5 of layer1.0.conv1 (+15.0)."
        in words(figure)
    )
    dots = [
        (tuple(offset), tuple(c.get_facecolor()[0][:3]) == (1, 1, 1))
        for axes in figure.axes
        if axes.axison
        for c in axes.findobj(PathCollection)
        for offset in c.get_offsets().tolist()
    ]
    assert {round(x, 6) for (x, _), hollow in dots if not hollow} == {15.0, 30.0}
    assert {round(x, 6) for (x, _), hollow in dots if hollow} == {0.0}


def test_dots_that_would_hide_one_another_are_fewer_and_stand_in_their_strip():
    figure = plot_banks(network(3, sizes=(2048,), strength=0.0))
    (axes,) = [a for a in figure.axes if a.axison]
    heights = [y for c in axes.findobj(PathCollection) for _, y in c.get_offsets().tolist()]
    assert 3 * 10 < len(heights) < 3 * 60
    assert 0 < min(heights) < max(heights) < axes.get_ylim()[0]
    check_legible(figure)
    assert "No filter is shown to cost accuracy" in words(figure)


@pytest.mark.parametrize("banks", [4, 40])
def test_any_names_and_few_images_are_legible(banks):
    long = "backbone.stages.{}.a_block_with_a_very_long_name.of_some_kind.convolution_number.{}"
    check_legible(plot_banks(network(banks, name=long)))
    few = network(banks, images=3, total=1000, name="{} + {} $x$ \N{HIRAGANA LETTER A}")
    figure = plot_banks(few)
    check_legible(figure)
    assert "3 of 1,000 images so far" in words(figure)


def test_other_things_are_refused():
    (table,) = network(1).values()
    with pytest.raises(TypeError, match=r"plot_banks shows CarTables.*found CarTable"):
        plot_banks(table)
    assert carviz.plot_banks is plot_banks
