"""What is alike, which two readings disagree, and what chance would give, in plain words."""

import dataclasses

import numpy as np
import pytest
from support.gated import data, network
from support.sibling_tables import kinds_in, random_siblings

import carviz
from carviz.results import SelectivityTable
from carviz.screen.bank import gallery
from carviz.screen.chosen import chosen
from carviz.screen.pruning import place
from carviz.screen.sight import siblings, sight
from carviz.wording import probability_words


@pytest.fixture(scope="module")
def shown():
    session = carviz.open_session(network(), data())
    yield session.snapshot()
    session.close()


def with_siblings(shown, table):
    looks = dataclasses.replace(shown.looks, siblings=True)
    seen = dataclasses.replace(shown.seen, siblings=table)
    return dataclasses.replace(shown, looks=looks, seen=seen)


def test_filters_that_are_not_alike_are_not_shown_as_such(shown):
    table = random_siblings(6, layer=shown.layer, seed=1)
    nearest = float(np.sort(table.by_activation[0])[-2])
    assert nearest < 0.5, "and this test would see it"
    found = siblings(with_siblings(shown, table))
    assert found["items"] == []
    assert found["words"] == f"None is alike; nearest {nearest:.2f}."


def test_those_that_are_alike_are_shown_and_no_others(shown):
    table = kinds_in(6, 3, layer=shown.layer)
    found = siblings(with_siblings(shown, table))
    assert [item["filter"] for item in found["items"]] == [3]
    assert found["words"] == ""


@pytest.mark.parametrize(
    ("index", "falls", "said"),
    [
        (0.9, 0.1, ["falls by 10%", "The weights say colour, the answers shape."]),
        (0.1, 0.9, ["falls by 90%", "The weights say shape, the answers colour."]),
        (0.1, 0.001, ["stays the same"]),
    ],
)
def test_which_two_disagree_is_said(shown, index, falls, said):
    kinds = SelectivityTable(
        shown.layer, threshold=0.5, color_index=[index] * 6,
        kind=["color" if index > 0.5 else "shape"] * 6, energy=[1.0] * 6,
        activation_index=[falls] * 6,
    )  # fmt: skip
    found = chosen(dataclasses.replace(shown, selectivity=kinds))
    lines = [f"Its answer {said[0]} on images made grey.", *said[1:]]
    assert ["".join(line) for line in found["reading"]] == lines


def test_the_gallery_and_the_tabs_have_the_same_words(shown):
    tabs = [[tab["name"], tab["words"]] for tab in sight(shown)["tabs"]]
    assert gallery(shown)["shows"] == tabs
    deep = dataclasses.replace(shown, pictures=None)
    assert gallery(deep)["shows"][0] == ["weights", "Effective weights"]
    assert sight(deep)["tabs"][0]["words"] == "Effective weights"


def test_a_share_of_colour_stands_beside_chance_and_its_p(shown):
    session = carviz.open_session(network(), data())
    session.prune(3)
    session.wait(60)
    pruned = session.snapshot()
    session.close()
    kinds = SelectivityTable(
        shown.layer, threshold=0.5, color_index=[0.9, 0.1] * 3, kind=["color", "shape"] * 3,
        energy=[1.0] * 6,
    )  # fmt: skip
    found = place(dataclasses.replace(pruned, selectivity=kinds, count=3))
    color = sum(int(n) % 2 == 0 for n in pruned.path.order[:3])
    p = {0: 1.0, 1: 0.95, 2: 0.5, 3: 0.05}[color]  # three of six, three of which select colour
    begin = f"Colour-selective among them: {color} of 3 ({color / 3:.0%}), by chance 50%"
    assert "".join(found["colours"][0]) == f"{begin}, {probability_words(p)}"
