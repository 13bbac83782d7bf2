"""Cumulative curves and bands in figures: they say what the records say, legibly."""

import dataclasses

import numpy as np
import pytest
from support.cumulative import cumulative_of, held_out
from support.legible import check_legible, words
from support.paths import SURVIVAL, random_path, two_banks

from carviz.plots import plot_cumulative, plot_paths

PATH = random_path()


CASES = {
    "whole": lambda: plot_cumulative(cumulative_of()),
    "held out": lambda: plot_cumulative(cumulative_of(held=77, draws=1000)),
    "first steps, high above zero": lambda: plot_cumulative(
        cumulative_of(random_path(sizes=(400,)), steps=3, criterion="given", chosen_on="unknown")
    ),
    "two banks": lambda: plot_cumulative(cumulative_of(two_banks(), held=9)),
    "one filter": lambda: plot_cumulative(cumulative_of(random_path(sizes=(1,)), draws=2)),
    "paths in a band": lambda: plot_paths(PATH, band=cumulative_of()),
    "everything": lambda: plot_paths(
        [random_path(c) for c in SURVIVAL], count=16, floor=0.6, band=cumulative_of(),
        held_out=held_out(PATH),
    ),
    "a short band": lambda: plot_paths(
        two_banks(), count=9, held_out=held_out(two_banks()),
        band=cumulative_of(two_banks(), steps=4),
    ),
    "held out below the floor": lambda: plot_paths(
        PATH, floor=0.9, held_out=held_out(PATH, wrong=30)
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_every_word_is_legible_whole_and_by_itself(case):
    check_legible(CASES[case]())


def lines(figure):
    """Lines with marks in the first axes, those on top last."""
    found = [line for line in figure.axes[0].lines if line.get_marker() not in ("None", None)]
    return [line for line in found if line.get_linestyle() != "None"]


def edges(figure, step):
    (band,) = figure.axes[0].collections
    at = band.get_paths()[0].vertices
    at = at[at[:, 0] == step, 1]
    return [at.min(), at.max()]


def test_three_lines_and_the_band_are_the_table_s():
    table = cumulative_of()
    figure = plot_cumulative(table)
    random, down, up = lines(figure)
    for line, expected in ((up, table.up), (down, table.down), (random, table.mean)):
        assert np.allclose(line.get_ydata(), 100 * expected)
    for step in (0, 7, 32):
        assert np.allclose(edges(figure, step), 100 * np.sort(table.random[:, step])[[0, -1]])
    said = words(figure)
    areas = table.areas()
    assert f"{areas.area['up']:.1%}" in said
    assert f"{areas.above['down']} of 20" in said
    assert "Band: lowest to highest of 20 random orders" in said
    assert "a chance of 90% or more" in said
    assert "chosen on these same images" in said
    assert "held out" not in said
    blind = words(plot_cumulative(cumulative_of(chosen_on="no images", criterion="l1")))
    assert "chosen" not in blind


@pytest.mark.parametrize("share", [0, 0.5, 1])
def test_the_axis_of_curves_that_are_flat_spans_a_point_and_its_name_is_whole(share):
    table = cumulative_of(random_path(sizes=(6,)), steps=3)
    flat = np.full_like(table.right_up, round(share * len(table.targets)))
    drawn = np.tile(flat, (len(table.right_random), 1))
    flat = dataclasses.replace(table, right_up=flat, right_down=flat, right_random=drawn)
    figure = plot_cumulative(flat)
    low, high = figure.axes[0].get_ylim()
    assert 1 <= high - low <= 1.1 + 1e-9
    assert low <= 100 * flat.up[0] <= high
    check_legible(figure)
    ticks = [round(tick, 6) for tick in figure.axes[0].get_yticks() if low <= tick <= high]
    assert max(ticks) <= 100
    assert all(round(tick, 1) == tick for tick in ticks)
    assert figure.axes[0].yaxis.label.get_window_extent().x0 >= 0


def test_held_out_lines_are_dashed_in_the_same_colours():
    table = cumulative_of(held=60)
    found = lines(plot_cumulative(table))
    assert len(found) == 6
    for held, own, expected in zip(found[:3], found[3:], ("mean", "down", "up"), strict=True):
        assert held.get_color() == own.get_color()
        assert held.is_dashed()
        assert not own.is_dashed()
        curves = table.held_out
        at = curves.band.mean if expected == "mean" else getattr(curves, expected)
        assert np.allclose(held.get_ydata(), 100 * at)
    assert "60 held-out images" in words(plot_cumulative(table))


def test_paths_stand_in_the_band_and_beside_their_held_out_lines():
    table, judged = cumulative_of(), held_out(PATH)
    figure = plot_paths(PATH, band=table, held_out=judged, count=16)
    random, held, own = lines(figure)
    assert np.allclose(own.get_ydata(), 100 * PATH.accuracy)
    assert np.allclose(held.get_ydata(), 100 * judged.accuracy)
    assert held.get_color() == own.get_color()
    assert held.get_linewidth() < own.get_linewidth()
    assert np.allclose(random.get_ydata(), 100 * table.mean)
    assert np.allclose(edges(figure, 9), 100 * np.array([table.lowest[9], table.highest[9]]))
    said = words(figure)
    assert f"{judged.accuracy[16]:.1%}" in said
    assert "CAR, greedy, held out" in said
    assert "random (mean of 20)" in said
    assert "110 held-out images" in said
    assert plot_paths(PATH, band=table.curves.band).description


def test_what_does_not_belong_together_is_refused():
    table = cumulative_of()
    with pytest.raises(TypeError, match=r"CumulativeTable.*found PruningPath"):
        plot_cumulative(PATH)
    with pytest.raises(TypeError, match=r"CumulativeTable.*found float"):
        plot_paths(PATH, band=0.5)
    with pytest.raises(ValueError, match="banks that the paths prune"):
        plot_paths(two_banks(), band=table)
    with pytest.raises(ValueError, match="same images"):
        plot_paths(random_path(n=19), band=table)
    with pytest.raises(ValueError, match="same network"):
        plot_paths(random_path(n=19), band=table.curves.band)
    with pytest.raises(ValueError, match="follows the orders"):
        plot_paths(PATH, held_out=random_path(n=9, seed=9))
    with pytest.raises(ValueError, match="follows the orders"):
        plot_paths(PATH, held_out=held_out(random_path("l1")))
    others = dataclasses.replace(held_out(PATH), classes=PATH.classes[::-1])
    with pytest.raises(ValueError, match=r"labels mean the same; label 0 is '.*' there"):
        plot_paths(PATH, held_out=others)
    for twice in ({"paths": [PATH, PATH]}, {"paths": PATH, "held_out": [held_out(PATH)] * 2}):
        with pytest.raises(ValueError, match=r"named once each; found one by CAR, greedy twice"):
            plot_paths(**twice)
    same = dataclasses.replace(PATH, passport={"data": "abc"})
    with pytest.raises(ValueError, match="other images"):
        plot_paths(same, held_out=same)
