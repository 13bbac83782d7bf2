"""What explore() shows first: of what was given, of saved tables, of what is not known."""

import torch
from support.gated import data, network
from support.shown import numbers, send, text
from support.small import planted
from support.waiting import WAIT

import carviz
from carviz.explorer import explore
from carviz.wording import NOT_APART


def test_nothing_given_is_the_bundled_network_with_its_images():
    explorer = explore()
    assert explorer.layer == explorer.shown_choice["layer"] == "features.0"
    assert explorer.table is None
    banks = explorer.session.subject.banks()
    assert [bank["layer"] for bank in explorer.shown_names["banks"]] == [b.layer for b in banks]
    assert "model shapes" in text(explorer.shown_head["facts"])
    assert explorer.shown_gallery["sheets"][0][1] == list(range(banks[0].filters))
    row = explorer.shown_chooser
    assert (row["model"], row["data"], row["limit"]) == ("shapes", "shapes", "50")
    send(explorer, {"load": {"model": "shapes", "data": "shapes", "limit": "2"}})
    explorer.wait(WAIT)
    assert len(explorer.results().images) == 32
    explorer.close()


def test_layer_may_be_a_name_or_the_module_and_device_is_shown():
    model = network()
    explorer = explore(model, data(), layer="third", device="cpu")
    assert explorer.layer == explorer.shown_choice["layer"] == "third"
    assert "on cpu" in text(explorer.shown_head["facts"])
    if not torch.cuda.is_available():
        assert explorer.shown_names["devices"] == ["cpu"]
    assert explore(model, data(), layer=model.second).shown_choice["layer"] == "second"


def test_saved_tables_are_shown_without_computing(tmp_path):
    model = network()
    for layer in ("second", "third"):
        carviz.measure_car(model, data(), layer, progress=False).save(tmp_path / f"{layer}.npz")
    explorer = explore(model, data(), tables=tmp_path)
    assert explorer.layer == "second"
    assert not explorer.busy
    assert "4 filters measured on 80 images" in explorer.shown_work["status"]
    assert explorer.shown_chosen["car"]
    assert (numbers(explorer.shown_numbers["tiles"]) == explorer.table.car).all()
    explorer.layer = "third"
    assert explorer.table == carviz.CarTable.load(tmp_path / "third.npz")
    explorer.layer = "first"
    assert explorer.table is None
    assert all(car != car for car in numbers(explorer.shown_numbers["tiles"]))


def test_images_of_other_data_are_not_shown_beside_a_table(tmp_path):
    carviz.measure_car(network(), data(0), "first", progress=False).save(tmp_path / "t.npz")
    explorer = explore(network(), data(1), tables=tmp_path)
    send(explorer, {"look": {"opened": 0}})
    explorer.session.settle(WAIT)
    assert "measured on other images" in explorer.shown_changed["problem"]
    assert explorer.shown_classes["blocks"]
    assert explorer.shown_classes["faces"] == {}


def test_a_network_that_reads_no_rgb_has_no_pictures_and_says_so():
    explorer = explore(*planted())
    gallery = explorer.shown_gallery
    assert (gallery["sheets"], gallery["pictured"]) == ([], False)
    assert "reads no RGB" in gallery["note"]
    assert explorer.shown_bank["marks"] == ""
    explorer.compute()
    explorer.wait(WAIT)
    explorer.session.settle(WAIT)
    seen = explorer.results().seen
    assert (seen.weights, seen.sheets, seen.synthesised, seen.failed) == ({}, {}, {}, {}), (
        "what cannot be made is not tried"
    )
    send(explorer, {"look": {"view": "bank"}})
    drawn = explorer.shown_numbers["bank"]
    assert NOT_APART in drawn["doubt"].replace("These", "these"), "eight images"
    assert (numbers(drawn["car"]) == explorer.table.car).all()
    explorer.prune()
    explorer.wait(WAIT)
    explorer.count = 2
    assert explorer.shown_place["colours"] == []
