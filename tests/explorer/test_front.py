"""What explore() shows first: of what was given, of saved tables, of what is not known."""

import numpy as np
import torch
from support.gated import data, network
from support.small import planted
from support.waiting import WAIT

import carviz
from carviz.explorer import explore
from carviz.wording import NOT_APART


def test_nothing_given_is_the_bundled_network():
    explorer = explore()
    assert explorer.layer == "features.0"
    assert explorer.table is None
    subject = explorer.session.subject
    assert [bank.layer for bank in subject.banks()] == [
        value for _, value in explorer.panels.layer.options
    ]
    assert "<b>shapes</b>" in explorer.panels.header.value
    assert explorer.panels.gallery.sprite.startswith(b"\x89PNG")
    explorer.close()


def test_layer_may_be_a_name_or_the_module_and_device_is_shown():
    model = network()
    explorer = explore(model, data(), layer="third", device="cpu")
    assert explorer.layer == "third"
    assert explorer.panels.layer.value == "third"
    assert "on <b>cpu</b>" in explorer.panels.header.value
    shown = [type(c).__name__ for c in explorer.panels.controls.children]
    if not torch.cuda.is_available():
        assert shown == ["Dropdown", *4 * ["Button"]], "one device: no choice"
    assert explore(model, data(), layer=model.second).panels.layer.value == "second"


def test_saved_tables_are_shown_without_computing(tmp_path):
    model = network()
    for layer in ("second", "third"):
        carviz.measure_car(model, data(), layer, progress=False).save(tmp_path / f"{layer}.npz")
    explorer = explore(model, data(), tables=tmp_path)
    assert explorer.layer == "second"
    assert not explorer.busy
    assert "4 filters measured on 80 images" in explorer.panels.status.value
    assert "CAR" in explorer.panels.panel.value
    assert explorer.panels.gallery.tiles[0]["car"]
    explorer.layer = "third"
    assert explorer.table == carviz.CarTable.load(tmp_path / "third.npz")
    explorer.layer = "first"
    assert explorer.table is None
    assert explorer.panels.gallery.tiles[0]["car"] == ""


def test_images_of_other_data_are_not_shown_beside_a_table(tmp_path):
    carviz.measure_car(network(), data(0), "first", progress=False).save(tmp_path / "t.npz")
    explorer = explore(network(), data(1), tables=tmp_path)
    explorer.listener.hear({"open": 0})
    explorer.session.settle(WAIT)
    assert "measured on other images" in explorer.panels.classes.changed["problem"]
    assert not explorer.panels.classes.content["faced"]
    assert explorer.panels.classes.faces["of"] == {}


def test_a_network_that_reads_no_rgb_has_number_tiles_and_says_so():
    explorer = explore(*planted())
    gallery = explorer.panels.gallery
    assert gallery.sprite == b""
    assert not gallery.pictured
    assert "reads no RGB" in gallery.note
    assert [t["mark"] for t in gallery.tiles] == [""] * 4
    explorer.compute()
    explorer.wait(WAIT)
    explorer.session.settle(WAIT)
    seen = explorer.results().seen
    assert (seen.weights, seen.sheets, seen.synthesised, seen.failed) == ({}, {}, {}, {}), (
        "what cannot be made is not tried"
    )
    explorer.panels.view.value = "bank"
    drawn = explorer.panels.drawing.value
    assert "highest CAR first" in drawn
    assert NOT_APART in drawn.lower().replace("&#x27;", "'"), "eight images"
    assert "rank" not in drawn
    assert np.isfinite(explorer.table.car).all()
