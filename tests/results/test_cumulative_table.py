"""Cumulative curves as a record: accuracies, the band, areas, and what is refused."""

import dataclasses

import numpy as np
import pytest
from support.results_examples import cumulative_table

from carviz.results import CumulativeTable, RandomBand


def test_accuracies_and_the_band_follow_from_counts():
    table = cumulative_table()
    assert len(table) == 2
    assert table.up.tolist() == [1, 0.75, 0.5]
    assert table.down.tolist() == [1, 0.5, 0.25]
    assert table.random.tolist() == [[1, 0.5, 0.25], [1, 0.75, 0.75], [1, 0.25, 0]]
    assert table.mean.round(3).tolist() == [1, 0.5, 0.333]
    assert (table.lowest.tolist(), table.highest.tolist()) == ([1, 0.25, 0], [1, 0.75, 0.75])
    band = table.curves.band
    assert (len(band), band.steps, band.images, band.seed, band.covers) == (3, 2, 4, 3, 0.5)
    assert band.low.tolist() == pytest.approx([1, 0.275, 0.025])
    assert band.high.tolist() == pytest.approx([1, 0.725, 0.7])
    assert table.curves.one_answer == 0.5
    assert table.held_out.up.tolist() == [1, 1, 0.5]
    assert table.held_out.one_answer == 1
    assert table.filters_up == [("größer, Ж", 0), ("conv1", 1), ("conv1", 0)]


def test_areas_say_where_they_lie_among_the_random_orders():
    frame = cumulative_table().areas()
    assert frame.index.tolist() == ["up", "down", "up, held out", "down, held out"]
    assert frame.area.tolist() == pytest.approx([0.75, 7 / 12, 5 / 6, 0.5])
    assert frame.above.tolist() == [2, 1, 2, 1]  # 7/12 ties with a draw, and is not above it
    assert frame.draws.tolist() == [3] * 4
    assert frame.images.tolist() == [4, 4, 2, 2]
    assert frame.lowest["up"] == pytest.approx(1.25 / 3)
    assert frame.highest["up"] == pytest.approx(2.5 / 3)


def test_a_band_of_many_orders_covers_what_it_says():
    g = np.random.default_rng(0)
    inside = [
        low <= new <= high
        for *drawn, new in g.normal(size=(4000, 21))
        for low, high in [(min(drawn), max(drawn))]
    ]
    covers = RandomBand(np.zeros((20, 1), int), 1).covers
    assert np.mean(inside) == pytest.approx(covers, abs=0.02)


def test_a_row_a_place_with_what_went_last():
    frame = cumulative_table().to_frame()
    assert frame.step.tolist() == [0, 1, 2]
    assert frame.layer_up.tolist() == ["", "größer, Ж", "conv1"]
    assert frame.filter_down.tolist()[1:] == [0, 1]
    assert frame.filter_up.isna().tolist() == [True, False, False]
    assert frame.held_out_lowest.tolist() == [1, 0, 0]
    alone = dataclasses.replace(
        cumulative_table(), held_targets=[], held_up=[], held_down=[], held_random=np.zeros((0, 0))
    )
    assert alone.held_out is None
    assert not any("held" in name for name in alone.to_frame())
    assert len(alone.areas()) == 2


def test_it_is_read_as_it_was_saved(tmp_path):
    table = cumulative_table()
    assert CumulativeTable.load(table.save(tmp_path / "a.npz")) == table
    assert table.chosen_on == "no images"
    assert dataclasses.replace(table, passport={}).chosen_on == "unknown"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"right_up": [4, 3]}, "shape"),
        ({"right_up": [5, 3, 2]}, "counts of images"),
        ({"right_down": [3, 2, 1]}, "begin with the same network"),
        ({"held_up": [1, 1, 1]}, "begin with the same network"),
        ({"order": [0, 1, 1]}, "each filter of the banks once"),
        ({"random_orders": [[0, 0], [2, 0], [1, 2]]}, "names a filter once"),
        ({"random_orders": [[0, 3], [2, 0], [1, 2]]}, "places of filters"),
        ({"held_targets": []}, "shape"),
        ({"targets": []}, "counts|image"),
    ],
)
def test_what_contradicts_itself_is_refused(change, words):
    with pytest.raises(ValueError, match=words):
        dataclasses.replace(cumulative_table(), **change)
