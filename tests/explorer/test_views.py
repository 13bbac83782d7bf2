"""What is shown in words: tiles, the chosen filter, the header, the status line."""

import dataclasses
from html import escape
from html.parser import HTMLParser

import numpy as np
import pytest
from support.gated import data, network
from support.results_examples import car_table, selectivity_table
from support.shown import tiles
from support.waiting import WAIT

import carviz
from carviz.explorer import explore
from carviz.explorer.gallery import make_tile
from carviz.explorer.panels import filter_panel, header, status_line
from carviz.explorer.scatter import bank_drawing
from carviz.results import SelectivityTable
from carviz.wording import NOT_APART


@pytest.fixture(scope="module")
def measured():
    explorer = explore(network(), data())
    explorer.compute()
    explorer.wait(WAIT)
    return explorer


def test_the_sprite_holds_every_picture_where_the_browser_looks_for_it(measured):
    found = tiles(measured.panels.gallery)
    for filter, picture in enumerate(carviz.rgb_weights(network(), "first")):
        assert np.abs(found[filter] - picture).max() < 0.003, filter


def test_tiles_say_kind_and_car_in_letters_and_in_words(measured):
    table = measured.table
    for tile in measured.panels.gallery.tiles:
        car = 100 * table.car[tile["filter"]]
        assert float(tile["car"].replace("−", "-")) == pytest.approx(car, abs=0.0501)
        assert tile["mark"] in ("C", "S", "×")
        assert f"Filter {tile['filter']}" in tile["label"]
        assert "points" in tile["label"]
    assert make_tile(3, "", "")["label"] == "Filter 3, CAR not measured"


def test_sorting(measured):
    view, shown = measured.panels, measured.results()

    def order(name):
        view.sort.value = name
        return [tile["filter"] for tile in view.gallery.tiles]

    car, index = measured.table.car, shown.selectivity.color_index
    assert order("car") != list(range(6)), "else this test tries nothing"
    assert order("number") == list(range(6))
    assert np.all(np.diff(car[order("car")]) <= 0)
    assert np.all(np.diff(index[order("color")]) <= 0)
    order("number")


def test_a_log_p_that_was_left_out_reaches_no_browser():
    table = car_table()
    table = dataclasses.replace(table, log_prob_drop=np.full_like(table.log_prob_drop, np.nan))
    for filter in table.filters.tolist():
        assert "nan" not in filter_panel("conv", filter, 3, None, table).lower()
        assert "nan" not in bank_drawing(table, None, "conv", filter).lower()


class Checker(HTMLParser):
    """Collects tags, and sees that they close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.images: list[dict] = []

    def handle_starttag(self, tag, attrs):
        if tag in ("img", "br"):
            self.images.append(dict(attrs))
        else:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.mark.parametrize(
    "html",
    [
        header("<model>", "a & b", 3, "cpu", None, ""),
        header("m", "d", 3, "cpu", car_table(), "slow"),
        filter_panel("<x>", 1, 4, selectivity_table(), car_table()),
        filter_panel("conv", 2, 4, selectivity_table(), car_table()),
        filter_panel("conv", 0, 4, None, None),
        status_line(0.3, True, "<b>", ""),
        status_line(0.3, False, "no", "Traceback <module>"),
    ],
)
def test_html_closes_and_escapes(html):
    checker = Checker()
    checker.feed(html)
    assert checker.open == []
    assert all(image.get("alt") for image in checker.images)
    for forbidden in ("<model>", "<x>", "<module>", "a & b"):
        assert forbidden not in html


def test_the_panel_says_what_the_table_says():
    html = filter_panel("conv", 0, 2, selectivity_table(), car_table())
    assert "<b>+33.3</b>" in html
    assert "1 lost, 0 gained of 3 images" in html
    assert "3 of 4 images so far" in html
    assert escape(NOT_APART) in html
    assert "rank" not in html
    assert "colour index <b>0.10</b>" in html
    assert "shape" in html


def test_the_panel_says_that_the_two_disagree():
    table = SelectivityTable(
        "x", 0.5, np.array([0.8, 0.2]), np.array(["color", "shape"]), np.ones(2),
        np.array([0.1, 0.3]),
    )  # fmt: skip
    assert "disagree" in filter_panel("x", 0, 2, table, None)
    assert "disagree" not in filter_panel("x", 1, 2, table, None)
