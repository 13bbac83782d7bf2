"""A bank's filters: what is known of each, as bytes, and their pictures on sheets."""

import dataclasses

import numpy as np
from support.gated import network
from support.results_examples import car_table
from support.shown import numbers, tiles
from support.small import planted
from support.snapshots import snapshot_of
from support.tables import bank_table, random_table

import carviz
from carviz.pictures import weight_pictures
from carviz.screen import bank
from carviz.screen.keys import SHEET
from carviz.wording import KIND_LETTERS, NOT_APART, SIGNIFICANT


def test_a_filter_has_its_letter_its_index_and_its_car(measured):
    kinds, table = measured.selectivity, measured.table
    found = bank.bank(measured)
    assert list(found["marks"]) == [KIND_LETTERS[kind] for kind in kinds.kind]
    assert np.array_equal(numbers(found["index"]), kinds.color_index, equal_nan=True)
    assert (found["threshold"], found["title"]) == (kinds.threshold, "6 filters of first")
    assert np.array_equal(numbers(bank.numbers(measured)["tiles"]), table.car)
    assert bank.bank(dataclasses.replace(measured, selectivity=None))["marks"] == ""


def test_the_whole_bank_has_intervals_where_it_is_looked_at(measured):
    pruning = measured.looks.changed(view="pruning")
    assert bank.numbers(dataclasses.replace(measured, looks=pruning))["bank"] is None
    looks = measured.looks.changed(view="bank")
    found = bank.numbers(dataclasses.replace(measured, looks=looks))["bank"]
    table = measured.table
    for name, expected in zip(("low", "high"), table.interval_all, strict=True):
        assert np.array_equal(numbers(found[name]), expected)
    assert list(found["sure"]) == (table.q_value_all <= SIGNIFICANT).astype(int).tolist()


def test_filters_that_are_not_measured_are_no_number_at_their_place():
    shown = snapshot_of(table=random_table(filters=[1, 3, 4], count=3), filters=6)
    found = bank.bank_numbers(shown)
    for name in ("car", "low", "high"):
        there = np.flatnonzero(~np.isnan(numbers(found[name])))
        assert there.tolist() == [1, 3, 4]
    assert np.array_equal(numbers(found["car"])[[1, 3, 4]], shown.table.car)
    assert len(found["sure"]) == 6
    assert bank.bank_numbers(dataclasses.replace(shown, table=None, tables=())) is None


def test_the_table_of_most_filters_is_drawn():
    one, all_ = random_table(filters=[2], count=1, n=90), random_table(count=8)
    found = bank.bank_numbers(snapshot_of(table=one, filters=8, tables=(one, all_)))
    assert np.array_equal(numbers(found["car"]), all_.car)


def test_filters_that_the_images_do_not_tell_apart_are_told_as_such():
    assert "3 of 4 images so far" in bank.bank_numbers(snapshot_of(table=car_table()))["seen"]
    sure = np.arange(300)[np.newaxis] >= np.array([[200], [0]])
    for right, doubt in ((np.ones((2, 300)), NOT_APART), (sure, "")):
        said = bank.bank_numbers(snapshot_of(table=bank_table(right)))["doubt"]
        assert (doubt in said.replace("These", "these")) if doubt else said == ""


def test_every_picture_stands_on_its_sheet(measured, deep):
    looks = deep.looks.changed(gallery="weights")
    deep = dataclasses.replace(deep, looks=looks)
    for shown, expected in (
        (measured, carviz.rgb_weights(network(), "first")),
        (deep, deep.seen.weights.values()),
    ):
        found = tiles(shown)
        assert sorted(found) == list(range(shown.bank.filters))
        for filter, picture in enumerate(expected):
            picture = picture / 255 if picture.dtype == np.uint8 else picture
            assert np.abs(found[filter] - picture).max() < 0.003, filter


def test_a_large_bank_has_several_sheets_and_one_is_renewed_by_its_pictures_only():
    shown = snapshot_of(table=random_table(count=2 * SHEET + 3), pictures=None)
    picture = weight_pictures(np.ones((1, 3, 3, 3)))[0]
    for filter in (0, SHEET + 1):
        shown.seen.put("weights", filter, picture)
    before = bank.sheets(shown, "weights")
    assert [filters for _, filters in before] == [[0], [SHEET + 1]]
    shown.seen.put("weights", 5, picture)
    after = bank.sheets(shown, "weights")
    assert [filters for _, filters in after] == [[0, 5], [SHEET + 1]]
    assert before[0][0] != after[0][0]
    assert before[1] == after[1]


def test_a_network_that_reads_no_rgb_says_that_it_has_no_pictures():
    session = carviz.open_session(*planted())
    found = bank.gallery(session.snapshot())
    assert (found["pictured"], found["sheets"]) == (False, [])
    assert "reads no RGB" in found["note"]
    session.close()
