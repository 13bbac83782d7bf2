"""The tables of several banks: which belong together, and a folder of them."""

import dataclasses
import os
import pickle

import numpy as np
import pytest

import carviz
from carviz.results import CarTable, CarTables, SelectivityTable
from carviz.results.statistics import benjamini_hochberg

NAMES = ("features.0", "a + b", "odd/name \\ with: signs?", "Features.0", ".", "n" * 300, "n" * 301)


def table(layer="conv", filters=3, **changes):
    g = np.random.default_rng(len(layer))
    targets = np.repeat([0, 1], 20)
    fields = {
        "layer": layer, "filters": np.arange(filters), "classes": ("cat", "dog"),
        "images": np.arange(40), "total": 40, "targets": targets,
        "baseline": np.where(g.random(40) < 0.8, targets, 1 - targets),
        "predictions": np.where(g.random((filters, 40)) < 0.7, targets, 1 - targets),
        "log_prob_drop": g.normal(0, 0.1, (filters, 2)),
        "passport": {"model": "m", "data": "d", "definition": 2},
    }  # fmt: skip
    return CarTable(**{**fields, **changes})


def several(names=NAMES):
    return CarTables([table(name) for name in names])


def test_it_is_a_mapping_that_cannot_be_changed():
    tables = several()
    assert list(tables) == list(NAMES)
    assert tables["a + b"] == table("a + b")
    assert tables == dict(tables)
    assert CarTables(dict(tables)) == tables == pickle.loads(pickle.dumps(tables))
    assert "conv" not in tables
    assert tables.get("conv") is None
    with pytest.raises(
        KeyError, match=r"no bank 'feature\.0' among these 7; nearest: 'features\.0'"
    ):
        tables["feature.0"]
    with pytest.raises(TypeError):
        tables["conv"] = table()
    with pytest.raises(AttributeError):
        tables.others = 1
    assert repr(tables) == "<CarTables of 7 banks: 21 filters, 40 images, 2 classes>"
    part = CarTables([table(total=90)])
    assert repr(part) == "<CarTables of 1 bank: 3 filters, 40 of 90 images, 2 classes>"
    assert (tables.complete, part.complete) == (True, False)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"passport": {"model": "n", "data": "d", "definition": 2}}, "another network"),
        ({"passport": {"model": "m", "data": "e", "definition": 2}}, "other images"),
        (
            {"passport": {"model": "m", "data": "d", "definition": 1}},
            "another definition of removing a filter",
        ),
        (
            {"passport": {"model": "m", "data": "d", "definition": 2, "value": {"set": "mean"}}},
            "another value in a filter's place",
        ),
        ({"total": 41}, "other images"),
        ({"images": np.arange(1, 41), "total": 50}, "other images"),
        ({"targets": np.repeat([1, 0], 20)}, "other images"),
        ({"classes": ("cat", "cow")}, "other classes"),
    ],
)
def test_tables_of_others_are_refused_and_so_are_their_files(changes, words, tmp_path):
    stranger = table("b", **changes)
    with pytest.raises(ValueError, match=rf"the table of 'b' is of {words} than that of 'a'"):
        CarTables([table("a"), stranger])
    table("a").save(tmp_path / "a.npz")
    stranger.save(tmp_path / "b.npz")
    with pytest.raises(ValueError, match=rf"b\.npz in .* is of {words}.* than a\.npz"):
        CarTables.load(tmp_path)


def test_where_a_value_is_set_may_differ_and_what_is_set_may_not():
    def of(layer, given):
        passport = {"model": "m", "value": {"set": given, "where": f"the output of {layer!r}"}}
        return table(layer, passport=passport)

    assert list(CarTables([of("a", 0.5), of("b", 0.5)])) == ["a", "b"]
    with pytest.raises(ValueError, match="another value in a filter's place"):
        CarTables([of("a", "mean"), of("b", 0.5)])


def test_other_wrong_tables_are_refused():
    with pytest.raises(ValueError, match="found none"):
        CarTables([])
    with pytest.raises(ValueError, match="found two of 'conv'"):
        CarTables([table(), table()])
    with pytest.raises(ValueError, match="goes by its bank's name, 'conv'; found 'other'"):
        CarTables({"other": table()})
    with pytest.raises(TypeError, match="CarTables holds CarTable; found dict"):
        CarTables([table(), {}])


@pytest.mark.parametrize("by", ["filter", "class"])
def test_the_frame_has_all_banks_and_q_over_all_of_them(by):
    tables = several(("bbb", "a"))
    frame = tables.to_frame(by=by)
    assert frame.columns[0] == "layer"
    for name in ("bbb", "a"):
        part = frame[frame.layer == name].drop(columns=["layer", "q_value"])
        if by == "filter":
            assert (part.pop("told_apart") == tables[name].tells_apart()).all()
        own = tables[name].to_frame(by=by).drop(columns="q_value")
        assert part.reset_index(drop=True).equals(own)
    assert frame.layer.iloc[0] == "bbb"
    np.testing.assert_array_equal(frame.q_value, benjamini_hochberg(frame.p_value))
    alone = np.concatenate([tables[name].to_frame(by=by).q_value for name in ("bbb", "a")])
    assert not np.array_equal(frame.q_value, alone)
    with pytest.raises(ValueError, match="'filter' or 'class'"):
        tables.to_frame(by="bank")


def test_a_folder_keeps_any_name_and_the_order(tmp_path):
    tables = several()
    folder = tables.save(tmp_path / "all")
    assert folder == tmp_path / "all"
    found = CarTables.load(str(folder))
    assert list(found) == list(NAMES)
    assert found == tables
    files = [path.name for path in folder.iterdir()]
    assert len({name.lower() for name in files}) == len(NAMES)  # also where case does not count
    assert all(len(name) < 160 and name[:3].isdecimal() for name in files)
    assert not any(sign in name for name in files for sign in '\\/:*?"<>| ')


def test_saving_again_replaces_the_same_banks_whatever_their_place(tmp_path):
    several(("a", "b", "c")).save(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    again = several(("c", "a"))
    again.save(tmp_path)
    found = CarTables.load(tmp_path)
    assert sorted(found) == ["a", "b", "c"]
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert len(list(tmp_path.glob("*.npz"))) == 3


def test_more_than_a_thousand_banks_keep_their_order(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda _: None)  # a disk is waited for 2,002 times, for order
    small = table("b")
    names = [f"layer{i}" for i in range(1001)]
    tables = CarTables([dataclasses.replace(small, layer=name) for name in names])
    assert list(CarTables.load(tables.save(tmp_path))) == names


def test_tables_that_were_saved_one_by_one_are_loaded_in_the_order_of_numbers(tmp_path):
    for name in ("features.10", "features.3", "features.0"):
        table(name).save(tmp_path / f"{name}.npz")
    assert list(CarTables.load(tmp_path)) == ["features.0", "features.3", "features.10"]


def test_two_files_of_one_bank_are_refused(tmp_path):
    table("a").save(tmp_path / "one.npz")
    table("a").save(tmp_path / "two.npz")
    with pytest.raises(ValueError, match=r"one\.npz and two\.npz in .* are both of 'a'"):
        CarTables.load(tmp_path)


def test_what_is_no_table_is_left_out_and_what_is_damaged_is_told(tmp_path, recwarn):
    several(("a", "b")).save(tmp_path)
    kinds = SelectivityTable("a", threshold=0.5, color_index=[0.1], kind=["shape"], energy=[1.0])
    kinds.save(tmp_path / "kinds.npz")
    assert list(CarTables.load(tmp_path)) == ["a", "b"]
    assert not recwarn.list
    file = tmp_path / "001-b.npz"
    file.write_bytes(file.read_bytes()[:-30])
    np.savez(tmp_path / "foreign.npz", a=np.arange(3))
    with pytest.warns(UserWarning, match=r"Left out of the tables .*001-b\.npz.*foreign\.npz"):
        found = CarTables.load(tmp_path)
    assert list(found) == ["a"]


def test_a_folder_without_tables_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no"):
        CarTables.load(tmp_path / "none")
    with pytest.raises(FileNotFoundError, match="holds none"):
        CarTables.load(tmp_path)
    (tmp_path / "bad.npz").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"holds no table that can be read.*bad\.npz"):
        CarTables.load(tmp_path)


def test_a_folder_that_cannot_be_made_is_told_before_anything_is_written(tmp_path):
    with pytest.raises(FileNotFoundError, match="exists, or can be made in one that does"):
        several().save(tmp_path / "none" / "all")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(NotADirectoryError, match="is a file"):
        several().save(tmp_path / "file")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_door_has_it():
    assert carviz.CarTables is CarTables
