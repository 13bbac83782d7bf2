"""The rows of the classes say what the table says; a class opens to the images that changed."""

import dataclasses
import json

import numpy as np
import pytest
from support.results_examples import car_table
from support.snapshots import snapshot_of
from support.tables import random_table

from carviz.evaluate import Normalization
from carviz.screen.classes import CHANGES, MOST, NO_IMAGES, changed, changed_images, classes
from carviz.screen.faces import choose_faces
from carviz.screen.keys import image_key
from carviz.wording import SIGNIFICANT


def test_rows_agree_with_the_table(measured):
    shown = dataclasses.replace(measured, filter=4)
    found, table = classes(shown), measured.table
    rows = [row for block in found["blocks"] for row in block["rows"]]
    assert sorted(row["number"] for row in rows) == [0, 1, 2, 3, 4]
    expected, scale = table.top_classes(4, 5).set_index("number"), found["scale"]
    for row in rows:
        of_class = expected.loc[row["number"]]
        for name in ("car", "low", "high", "lost", "gained", "images", "tied"):
            assert row[name] == of_class[name], name
        assert row["sure"] == (of_class["q_value"] <= SIGNIFICANT)
        assert scale["low"] <= min(row["low"], row["car"])
        assert max(row["high"], row["car"]) <= scale["high"]
    assert any(tick["words"] == "0" for tick in scale["ticks"])
    assert 2 <= len(scale["ticks"]) <= 6
    assert all(scale["low"] <= tick["at"] <= scale["high"] for tick in scale["ticks"])


def test_a_class_has_an_image_beside_it_where_the_images_are_at_hand(measured):
    found = classes(measured)["faces"]
    for number, face in choose_faces(measured.table, measured.filter, range(5)).items():
        assert found[str(number)] == [image_key(measured, face.image), face.words]
    assert len(found) == 5
    assert classes(dataclasses.replace(measured, own_data=False))["faces"] == {}


def test_a_filter_that_is_not_measured_has_no_rows():
    found = classes(snapshot_of(table=car_table(), filter=3, filters=4))
    assert found["blocks"] == []
    assert "once the filter is measured" in found["empty"]


def test_a_log_p_that_was_left_out_is_no_number_in_json():
    table = car_table()
    table = dataclasses.replace(table, log_prob_drop=np.full_like(table.log_prob_drop, np.nan))
    for filter in table.filters.tolist():
        json.dumps(classes(snapshot_of(table=table, filter=filter)), allow_nan=False)


def opened(shown, number, **more):
    return dataclasses.replace(shown, looks=shown.looks.changed(opened=number), **more)


def test_a_class_opens_to_the_images_that_changed(measured):
    table = measured.table
    filter, number = divmod(int(np.argmax(table.lost)), len(table.classes))
    found = changed(opened(measured, number, filter=filter))
    flips = table.flips(filter, number).set_index("image")
    assert (found["filter"], found["number"]) == (filter, number)
    assert len(found["items"]) + found["more"] == len(flips) > 0
    names = table.classes
    for key, image, before, after, change in found["items"]:
        assert key == image_key(measured, image)
        assert (names[before], names[after]) == (flips.before[image], flips.after[image])
        assert CHANGES[change] == flips.change[image]
    assert changed(opened(measured, -1))["items"] == []


@pytest.mark.parametrize("number", range(10))
def test_lost_images_come_first_and_the_rest_is_counted(number):
    shown = snapshot_of(table=random_table(n=90, strength=6.0), filter=1, own_data=True)
    whole = changed_images(shown, shown.table, 1, number)
    ranks = [item[4] for item in whole]
    assert ranks == sorted(ranks)
    assert len(whole) == len(shown.table.flips(1, number))
    found = changed(opened(shown, number))
    assert found["items"] == whole[:MOST]
    assert found["more"] == max(len(whole) - MOST, 0)


def test_images_of_other_data_are_not_shown_beside_a_table():
    found = changed(opened(snapshot_of(table=car_table()), 1))
    assert (found["problem"], found["items"]) == (NO_IMAGES, [])


def test_colours_of_unknown_preprocessing_are_told_as_stretched():
    shown = opened(snapshot_of(table=car_table(), own_data=True), 1)
    assert "colours stretched" in changed(shown)["note"]
    known = Normalization((0.4,) * 3, (0.2,) * 3, "a test")
    assert changed(dataclasses.replace(shown, normalization=known))["note"] == ""
