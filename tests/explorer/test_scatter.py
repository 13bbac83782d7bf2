"""The drawing of a bank; places on its axes are few, round and within it."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest
from support.gated import data, network
from support.results_examples import car_table, selectivity_table

import carviz
from carviz.explorer.scatter import bank_drawing, round_ticks


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (-3.2, 9.9, [-2, 0, 2, 4, 6, 8]),
        (1, 32, [5, 10, 15, 20, 25, 30]),
        (-0.04, 0.003, [-0.04, -0.03, -0.02, -0.01, 0]),
        (0, 0, [0]),
    ],
)
def test_ticks_are_few_round_and_within(low, high, ticks):
    assert round_ticks(low, high) == pytest.approx(ticks)


def test_there_are_eight_at_most_whatever_the_range():
    random = np.random.default_rng(0)
    for low, span in zip(random.normal(size=200), 10 ** random.uniform(-3, 3, 200), strict=True):
        ticks = round_ticks(low, low + span)
        assert 2 <= len(ticks) <= 8
        assert np.allclose(np.diff(ticks), ticks[1] - ticks[0])


@pytest.mark.parametrize("kinds", [None, selectivity_table()])
def test_the_drawing_is_whole_and_marks_the_chosen_filter(kinds):
    drawing = bank_drawing(car_table(), kinds, "conv <1>", 1)
    svg = ET.fromstring(drawing[drawing.index("<svg") : drawing.index("</svg>") + 6])
    dots = [e for e in svg.iter() if "cv-dot " in (e.get("class") or "") + " "]
    legend = 0 if kinds is None else 2
    assert len([e for e in dots if e.get("class").startswith("cv-dot cv")]) == 2 + legend
    assert len([e for e in svg.iter() if e.get("class") == "cv-ring"]) == 1
    assert "Chosen: filter 1" in svg.get("aria-label")
    assert "conv &lt;1&gt;" in drawing
    assert "press" in bank_drawing(None, kinds, "conv", 0)


def test_the_drawing_puts_dots_where_the_numbers_are():
    table = carviz.measure_car(network(), data(), "first", progress=False)
    kinds = carviz.measure_selectivity(network(), "first", data=data())
    drawing = bank_drawing(table, kinds, "first", 0)
    svg = ET.fromstring(drawing[drawing.index("<svg") : drawing.index("</svg>") + 6])
    errors = [e for e in svg.iter() if e.get("class") == "cv-err"]
    places = np.array([float(e.get("x1")) for e in errors])
    index = kinds.color_index[table.filters]
    far = np.abs(index[:, None] - index) > 0.1
    assert far.any()
    assert (np.sign(places[:, None] - places) == np.sign(index[:, None] - index))[far].all()
