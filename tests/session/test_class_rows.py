"""The rows of the classes say what the table says."""

import dataclasses
import json

import numpy as np
from support.gated import data, network
from support.results_examples import car_table

import carviz
from carviz.session.class_rows import class_content


def test_rows_of_classes_agree_with_the_table():
    table = carviz.measure_car(network(), data(), "first", progress=False)
    content = class_content(table, 4)
    rows = [row for block in content["blocks"] for row in block["rows"]]
    assert len(rows) == 5
    scale = content["scale"]
    for row in rows:
        assert row["car"] == table.class_car[table.row(4), row["number"]]
        assert table.classes[row["number"]] == row["name"]
        assert scale["low"] <= row["low"] <= row["car"] + 0.2
        assert row["high"] <= scale["high"]
        assert row["name"] in row["label"]
        assert "95% interval" in row["label"]
    assert any(tick["at"] == 0 for tick in scale["ticks"])
    assert all(scale["low"] <= tick["at"] <= scale["high"] for tick in scale["ticks"])


def test_a_row_says_whether_pictures_come():
    assert not class_content(car_table(), 0)["faced"]
    assert class_content(car_table(), 0, faced=True)["faced"]


def test_a_log_p_that_was_left_out_is_no_number_in_json():
    table = car_table()
    table = dataclasses.replace(table, log_prob_drop=np.full_like(table.log_prob_drop, np.nan))
    for filter in table.filters.tolist():
        json.dumps(class_content(table, filter), allow_nan=False)
