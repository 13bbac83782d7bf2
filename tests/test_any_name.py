"""Figures and the screen survive any name of a class and of a layer, without a warning."""

import dataclasses
import json
import re
import warnings

import numpy as np
import pytest
from matplotlib import rc_context
from support.cumulative import cumulative_of
from support.legible import check_legible, texts, words
from support.paths import random_path
from support.pictures import patches_of, pictures_of
from support.results_examples import car_table, pair_table
from support.selectivity_tables import kinds_of, random_readings
from support.sibling_tables import kinds_in, random_siblings
from support.snapshots import snapshot_of
from support.tables import random_table

from carviz import CarTables, plots
from carviz.pictures import ActivationMaps
from carviz.plots.letters import STAND_IN, drawable
from carviz.screen import make_picture, sections

NAMES = (
    "$", "$x", "$5 bill, $10 bill", r"$\frac{1}{2}$", r"$\notacommand{$", "a_b^c", "100%", "\\",
    r"C:\new\table", "line\nbreak\r\ttab", "\N{GRINNING FACE} \N{FAMILY}\u200d\ufe0f", "שלום",
    "\u202eمرحبا\u202c", "नमस्ते", "鶴", "", " ", "x" * 300, "<script>alert(1)</script>",
    "bell\x07 null\x00", "lone \ud800", "e\u0301 \u0489", "crane", "crane", "{braces} {0}", "&amp;",
)  # fmt: skip
LAYERS = (r"$\notacommand{$_^ 100%", "line\nbreak, 鶴", "", "x" * 300)


def with_layer(record, layer):
    """Return a record of another bank."""
    changes = {"layer": layer}
    if hasattr(record, "layers"):
        changes = {"banks": (layer,), "layers": (layer,) * len(record.layers)}
    elif hasattr(record, "banks"):
        changes["banks"] = (layer,)
    return dataclasses.replace(record, **changes)


def figures(names, layer):
    """Return every figure that carviz draws, of classes and a bank of these names."""
    table = with_layer(random_table(names=names, strength=4.0), layer)
    kinds, pictures = kinds_of(8, layer), pictures_of(8)
    path = with_layer(random_path(names=names, sizes=(8,)), layer)
    siblings = with_layer(random_siblings(8), layer)
    pairs, curves = with_layer(pair_table(), layer), cumulative_of(path)
    patches = patches_of(classes=names)
    patches = dataclasses.replace(patches, layer=layer)
    return {
        "plot_filter": plots.plot_filter(table, 3, picture=pictures[0], selectivity=kinds),
        "plot_classes": plots.plot_classes(table, 2, k=len(names)),
        "plot_banks": plots.plot_banks(CarTables([table, with_layer(table, f"{layer}, another")])),
        "plot_bank": plots.plot_bank(table, selectivity=kinds, pictures=pictures),
        "plot_cumulative": plots.plot_cumulative(curves),
        "plot_joint": plots.plot_joint(pairs),
        "plot_pairs": plots.plot_pairs(pairs),
        "plot_ranks": plots.plot_ranks(table),
        "plot_lost": plots.plot_lost(path, 4, k=len(names)),
        "plot_maps": plots.plot_maps(
            ActivationMaps(
                layer,
                3,
                images=[2],
                maps=np.ones((1, 2, 2)),
                pictures=np.zeros((1, 4, 4, 3)),
                field=[2, 2, 2, 2, 0, 0],
            )
        ),
        "plot_order": plots.plot_order(path, pictures, selectivity=kinds),
        "plot_paths": plots.plot_paths(path, count=3, floor=0.3),
        "plot_seen": plots.plot_seen(patches, [2, 5], table=table, selectivity=kinds),
        "plot_agreement": plots.plot_agreement(random_readings(layer=layer)),
        "plot_siblings": plots.plot_siblings(siblings, pictures, range(4), selectivity=kinds),
        "plot_clusters": plots.plot_clusters(
            kinds_in(8, 2, layer), pictures, path=path, selectivity=kinds
        ),
    }


def test_every_figure_is_among_them():
    assert set(figures(("a", "b"), "conv")) == {n for n in plots.__all__ if n.startswith("plot_")}


@pytest.mark.parametrize("layer", LAYERS, ids=range(len(LAYERS)))
def test_every_figure_is_legible_and_gives_no_warning(layer):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for figure in figures(NAMES, layer).values():
            check_legible(figure)


def test_a_long_name_leaves_a_heading_what_it_says():
    drawn = figures(("cat", "dog"), "x" * 300)
    drawn["plot_ranks"] = plots.plot_ranks(with_layer(random_table(1), "x" * 300))
    for figure, fact in (
        ("plot_ranks", "…x+: 1 filter by CAR, and how sure its rank is"),
        ("plot_pairs", r"…x+: \d pairs? of filters, beyond the sum of both"),
        ("plot_joint", r"…x+: \d sets? of filters, together and one by one"),
        ("plot_cumulative", "^Removing filters of x+…x+ by CAR, ranked once"),
    ):
        assert any(re.search(fact, t.get_text()) for t in texts(drawn[figure])), figure


def test_what_is_drawn_is_what_the_name_is():
    drawn = words(plots.plot_classes(random_table(names=NAMES), 0, k=len(NAMES)))
    for name in NAMES[:9]:
        assert f"\n{' '.join(name.split())}" in f"\n{drawn}"
    for name in ("crane (22)", "crane (23)", "(15)", "(16)", "line break tab", "&amp;"):
        assert f"\n{name}" in drawn
    (long,) = [line for line in drawn.splitlines() if line.startswith("xxx")]
    assert "…" in long


def test_a_letter_that_no_font_has_is_drawn_as_a_square():
    assert drawable("größer, Ж, שלום $x_1$") == "größer, Ж, שלום $x_1$"
    assert drawable("鶴") == STAND_IN
    assert drawable("a\x07b\tc") == f"a{STAND_IN}b c"
    assert drawable("two\nlines") == "two\nlines"
    with rc_context({"font.family": "monospace"}):
        assert drawable("鶴") == STAND_IN


def test_names_in_a_script_that_no_font_has_are_told_apart_by_number():
    names = ("鶴", "犬", "cat", "鶴")
    table, path = random_table(names=names, strength=4.0), random_path(names=names, sizes=(8,))
    patches = patches_of(classes=names)
    for figure in (
        plots.plot_classes(table, 0),
        plots.plot_lost(path, 7),
        plots.plot_seen(patches, 4, table=table),
    ):
        drawn = words(figure)
        assert f"{STAND_IN} (1)" in drawn
        assert f"{STAND_IN} (0)" in drawn
        assert "cat (2)" not in drawn
        assert f"{STAND_IN} (3) (3)" not in drawn
        assert "鶴 (0)" in figure.description
    assert {0, 1, 3} <= set(patches.labels[4].tolist())


def test_two_cranes_are_two_rows_each_with_its_own_number():
    targets = np.repeat([0, 1, 2], 4)
    changes = {"targets": targets, "baseline": targets, "images": range(12), "total": 12}
    predictions = np.stack([targets, targets])
    predictions[0, :3], predictions[0, 8] = 1, 1
    table = dataclasses.replace(
        car_table(), classes=("crane", "dog", "crane"), predictions=predictions,
        log_prob_drop=np.zeros((2, 3)), **changes,
    )  # fmt: skip
    figure = plots.plot_classes(table, 0)
    shown = [text.get_text() for text in texts(figure)]
    assert "crane (0)" in shown
    assert "crane (2)" in shown
    assert "crane (0) +75.0 points" in figure.description
    assert "crane (2) +25.0 points" in figure.description
    shown = sections(snapshot_of(table=table))
    assert shown["names"]["classes"] == ["crane (0)", "dog", "crane (2)"]
    (block,) = shown["classes"]["blocks"]
    assert [(row["number"], row["car"]) for row in block["rows"]] == [(0, 0.75), (2, 0.25), (1, 0)]


@pytest.mark.parametrize("layer", [*LAYERS, '<b>x</b> a"onmouseover="x $&amp;$'])
def test_the_screen_has_every_name_as_plain_text(layer):
    """A browser puts it into the page as text; a test in a browser clicks through such names."""
    table = with_layer(random_table(names=NAMES, strength=4.0), layer)
    path = with_layer(random_path(names=NAMES, sizes=(8,)), layer)
    shown = snapshot_of(
        table=table, path=path, kinds=kinds_of(8, layer), filter=3, count=4, own_data=True,
        model="<script>alert(1)</script>", data=f"caf\udce9 {layer}",
    )  # fmt: skip
    found = sections(shown)
    assert json.loads(json.dumps(found["names"], ensure_ascii=False).encode()) == found["names"]
    assert found["choice"]["layer"] == found["names"]["banks"][0]["layer"] == layer
    assert found["head"]["facts"][0][1] == "<script>alert(1)</script>"
    assert found["names"]["classes"][:9] == list(NAMES[:9])
    assert len(set(found["names"]["classes"])) == len(NAMES)
    assert found["place"]["lost"]
    for key, _ in found["gallery"]["sheets"]:
        assert make_picture(shown, key)
