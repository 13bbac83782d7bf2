"""What filters cost together, in words and rows."""

import dataclasses
import json

import numpy as np
import pytest
from support.gated import data, network

import carviz
from carviz.results import as_one_filter, beyond
from carviz.screen.head import names
from carviz.screen.several import NOT_MEASURED, PICK, several
from carviz.session.picks import Picks
from carviz.wording import excess_words, flips_words, points


def picking(shown, filters, **more):
    looks = shown.looks.changed(view="several")
    return dataclasses.replace(shown, looks=looks, picks=Picks(tuple(filters)), **more)


@pytest.fixture(scope="module")
def joint():
    return carviz.measure_joint(network(), data(), "first", [[0, 3]], progress=False)


def test_nobody_looks_and_nothing_is_picked(measured):
    assert several(measured) == {}
    found = several(picking(measured, []))
    assert (found["hint"], found["press"], found["members"]) == (PICK, "", [])


def test_picked_filters_have_their_own_car_before_they_are_removed(measured):
    found = several(picking(measured, [3, 0]))
    assert [member["filter"] for member in found["members"]] == [3, 0]
    cars = [points(measured.table.car[n], unit=False) for n in (3, 0)]
    assert [member["car"] for member in found["members"]] == cars
    assert (found["hint"], found["press"]) == (NOT_MEASURED, "Remove these 2 together")
    assert "car" not in found


def test_numbers_are_those_of_the_table(measured, joint):
    found = several(picking(measured, [3, 0], joint=joint))
    json.dumps(found, allow_nan=False)
    assert found["car"] == points(joint.car[0], unit=False)
    words = ["".join(line) for line in found["facts"]]
    assert flips_words(int(joint.lost[0]), int(joint.gained[0]), 80) in words
    assert any(points(joint.sum_of_cars[0]) in line for line in words)
    why = beyond(joint, 0)
    excess = joint.excess[0], joint.low[0], joint.high[0], joint.p_value[0]
    assert excess_words(*excess, why) in words
    assert "when only one of them is missing" not in words[-1]
    assert found["answer"].startswith(("No sign that 0", "Yes: 0", "No: 0"))
    one = as_one_filter(joint, 0)
    rows = [row for block in found["classes"]["blocks"] for row in block["rows"]]
    for row in rows:
        assert row["lost"] == one.lost[0, row["number"]]
        assert row["car"] == one.class_car[0, row["number"]]
    titles = " ".join(block["title"] for block in found["classes"]["blocks"])
    assert "without the filter" not in titles


def test_the_classes_of_a_set_have_names_before_a_table_or_the_data_gives_them(measured, joint):
    shown = picking(measured, [3, 0], joint=joint, table=None, tables=(), path=None)
    assert names(shown)["classes"] == list("01234")


def test_how_many_images_need_any_of_them_is_told(measured):
    joint = carviz.measure_joint(network(), data(), "first", [[0, 1, 5]], progress=False)
    found = several(picking(measured, [5, 1, 0], joint=joint))
    assert joint.lost[0] == 13
    right = (joint.single_predictions == joint.targets).all(axis=0)
    assert (right & (joint.predictions[0] != joint.targets)).sum() == 3
    last = "".join(found["facts"][-1])
    assert last == "3 of the 13 lost are right when only one of them is missing."
    assert found["answer"] == ""


def test_an_opened_class_has_the_images_that_the_set_changes(measured, joint):
    number = int(np.argmax(as_one_filter(joint, 0).lost[0]))
    shown = picking(measured, [3, 0], joint=joint)
    shown = dataclasses.replace(shown, looks=shown.looks.changed(opened=number))
    found = several(shown)["changed"]
    changed = (joint.predictions[0] != joint.baseline) & (joint.targets == number)
    assert len(found["items"]) + found["more"] == changed.sum()
    assert sum(count for _, _, count in found["became"]) == changed.sum()


def test_a_single_filter_has_no_sum(measured):
    joint = carviz.measure_joint(network(), data(), "first", [[2]], progress=False)
    found = several(picking(measured, [2], joint=joint))
    assert found["car"] == points(measured.table.car[2], unit=False)
    assert len(found["facts"]) == 2
    assert (found["press"], found["title"]) == ("Remove 2", "Without 1 filter")
