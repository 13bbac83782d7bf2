"""The chosen filter in words."""

import dataclasses
import json

import numpy as np
from support.results_examples import car_table, selectivity_table
from support.shown import text
from support.snapshots import snapshot_of
from support.tables import random_table

from carviz.results import SelectivityTable
from carviz.screen.chosen import NOT_MEASURED, chosen
from carviz.wording import NOT_APART


def test_it_says_what_the_table_says():
    found = chosen(snapshot_of(table=car_table(), kinds=selectivity_table()))
    assert (found["title"], found["among"]) == ("Filter 0", "of 4 in conv")
    assert (found["car"], found["kind"], found["mark"]) == ("+33.3", "shape", "S")
    assert "3 of 4 images so far" in found["partial"]
    facts = text(found["facts"])
    assert "1 lost, 0 gained of 3 images" in facts
    assert NOT_APART in facts.replace("These", "these")
    assert "rank" not in facts
    assert "".join(found["index"]) == "colour index 0.10"


def test_a_filter_that_is_not_measured_is_told_as_such():
    found = chosen(snapshot_of(table=car_table(), kinds=selectivity_table(), filter=2))
    assert (found["car"], found["kind"]) == ("", "dead")
    assert text(found["facts"]) == NOT_MEASURED
    assert chosen(snapshot_of(table=car_table(), filters=4, filter=3))["kind"] == ""


def test_one_filter_has_no_rank():
    found = chosen(snapshot_of(table=random_table(filters=[2], count=1), filter=2, filters=8))
    assert "compute the bank to compare" in text(found["facts"])


def test_it_says_that_the_two_readings_of_colour_disagree():
    kinds = SelectivityTable(
        "x", 0.5, np.array([0.8, 0.2]), np.array(["color", "shape"]), np.ones(2),
        np.array([0.1, 0.3]),
    )  # fmt: skip
    said = [text(chosen(snapshot_of(kinds=kinds, filter=filter))["reading"]) for filter in (0, 1)]
    assert "falls by 10% on images made grey" in said[0]
    assert "The weights say colour, the answers shape." in said[0]
    assert "say" not in said[1]


def test_a_log_p_that_was_left_out_is_said_nowhere():
    table = car_table()
    table = dataclasses.replace(table, log_prob_drop=np.full_like(table.log_prob_drop, np.nan))
    for filter in table.filters.tolist():
        assert "nan" not in json.dumps(chosen(snapshot_of(table=table, filter=filter))).lower()
