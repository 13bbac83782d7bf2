"""The pinned filter beside the chosen one."""

import dataclasses
import json

import numpy as np
import pytest

from carviz.results import two_filters
from carviz.screen.beside import beside
from carviz.screen.chosen import chosen
from carviz.screen.sight import sight
from carviz.session.picks import Picks


def pinning(shown, pinned, **more):
    return dataclasses.replace(shown, picks=Picks((), pinned), **more)


def test_none_or_the_chosen_one_is_no_pair(measured):
    assert beside(measured) == {}
    assert beside(pinning(measured, measured.filter)) == {}
    bank = dataclasses.replace(measured, looks=measured.looks.changed(view="bank"))
    assert beside(pinning(bank, 3)) == {}


def test_it_has_the_sections_of_the_pinned_filter_and_rows_of_both(measured):
    shown = pinning(measured, 3, filter=0)
    found, table = beside(shown), measured.table
    json.dumps(found, allow_nan=False)
    other = dataclasses.replace(measured, filter=3)
    assert found["chosen"] == chosen(other)
    assert found["sight"] == sight(other)
    for row in found["rows"]:
        for filter, cell in zip((0, 3), row["of"], strict=True):
            assert cell["car"] == table.class_car[table.row(filter), row["number"]]
            assert cell["lost"] == table.lost[table.row(filter), row["number"]]
            assert found["scale"]["low"] <= cell["car"] <= found["scale"]["high"]
    two = two_filters(table, 0, 3)
    counts = [len(two.only_first), len(two.only_second), len(two.both)]
    assert [each["images"] for each in found["only"]] == counts
    assert [item[1] for item in found["only"][0]["items"]] == two.only_first[:12].tolist()


def test_the_sentence_names_the_one_of_higher_car_whoever_is_pinned(measured):
    table = measured.table
    high, low = int(table.order[0]), int(table.order[-1])
    for chosen_one, pinned in ((high, low), (low, high)):
        words = beside(pinning(measured, pinned, filter=chosen_one))["sentence"]
        assert f"filter {high} is" in words
        assert f"that of {low}" in words


def test_what_is_not_measured_is_not_compared(measured):
    table = measured.table
    some = dataclasses.replace(
        table, filters=table.filters[:3], predictions=table.predictions[:3],
        log_prob_drop=table.log_prob_drop[:3], image_log_prob_drop=table.image_log_prob_drop[:3],
    )  # fmt: skip
    shown = pinning(measured, 4, filter=1, table=some, tables=(some,))
    assert beside(shown)["problem"] == "Filter 4 is not measured yet."
    assert "rows" not in beside(shown)


def test_of_several_tables_that_of_most_images_is_read_and_no_image_of_other_data_shown(measured):
    table = measured.table
    few = dataclasses.replace(
        table, images=table.images[:5], total=5, targets=table.targets[:5],
        baseline=table.baseline[:5], predictions=table.predictions[:, :5],
        image_log_prob_drop=table.image_log_prob_drop[:, :5],
        log_prob_drop=np.where(
            np.bincount(table.targets[:5], minlength=5)[None] > 0, table.log_prob_drop, np.nan
        ),
    )  # fmt: skip
    both = pinning(measured, 3, filter=0, table=few, tables=(few, table))
    assert sum(row["images"] for row in beside(both)["rows"]) > 5
    other = dataclasses.replace(table, passport={**table.passport, "data": "another"})
    shown = pinning(measured, 3, filter=0, table=few, tables=(few, other), own_data=True)
    found = beside(shown)
    assert found["note"]
    assert not any(each["items"] for each in found["only"])


@pytest.mark.parametrize("own", [True, False])
def test_images_are_shown_where_they_are_at_hand(measured, own):
    found = beside(pinning(measured, 3, filter=0, own_data=own))
    assert bool(found["note"]) != own
    assert any(each["items"] for each in found["only"]) == own
