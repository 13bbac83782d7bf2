"""Files that are whole or not there, and never run what they hold."""

import dataclasses
import json
import os
import pickle
import time

import numpy as np
import pytest
from support.damage import contents, rewrite, with_member
from support.results_examples import (
    car_table,
    exciting,
    joint_table,
    label_table,
    pair_table,
    pruning_path,
    score_table,
    selectivity_table,
    sibling_table,
)

from carviz.results import CarTable, SelectivityTable
from carviz.results.record import SCHEMA

RECORDS = [
    car_table(),
    label_table(),
    score_table(),
    pruning_path(),
    pruning_path().prefix(0),
    selectivity_table(),
    sibling_table(),
    exciting(),
    joint_table(),
    pair_table(),
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda r: type(r).__name__)
def test_what_is_saved_comes_back(record, tmp_path):
    path = record.save(tmp_path / "record.npz")
    assert type(record).load(path) == record
    assert [p.name for p in tmp_path.iterdir()] == ["record.npz"]


@pytest.mark.parametrize("record", RECORDS, ids=lambda r: type(r).__name__)
def test_records_travel_between_processes(record):
    assert pickle.loads(pickle.dumps(record)) == record


def test_a_record_of_another_kind_is_refused(tmp_path):
    path = car_table().save(tmp_path / "r.npz")
    with pytest.raises(ValueError, match="holds CarTable, not a SelectivityTable"):
        SelectivityTable.load(path)


def test_what_is_no_record_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing\.npz"):
        CarTable.load(tmp_path / "nothing.npz")
    path = tmp_path / "r.npz"
    path.write_bytes(b"PK\x03\x04 something else")
    with pytest.raises(ValueError, match="damaged"):
        CarTable.load(path)
    np.savez(path, a=np.zeros(3))
    with pytest.raises(ValueError, match="no carviz record"):
        CarTable.load(path)


def test_a_pickle_is_never_executed(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (exec, ("raise SystemExit('executed')",))

    path = tmp_path / "r.npz"
    np.savez(path, record=np.array([Bomb()], dtype=object))
    with pytest.raises(ValueError, match="damaged"):
        CarTable.load(path)


def test_a_truncated_file_is_refused(tmp_path):
    path = car_table().save(tmp_path / "r.npz")
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ValueError, match="damaged"):
        CarTable.load(path)


@pytest.mark.parametrize(
    "change",
    [
        {"passport": "[1]"},
        {"passport": "{"},
        {"passport": "[" * 100_000},
        {"passport": 3},
        {"passport": ["{}"]},
        {"schema": [1, 2]},
        {"schema": "x"},
        {"record": ["CarTable"]},
        {"record": "C" * 1000},
        {"layer": 3},
        {"layer": ["conv"]},
        {"classes": "ab"},
        {"classes": [1, 2]},
        {"total": "x"},
        {"total": -5},
        {"total": 2},
        {"total": 4.0},
        {"total": [4]},
        {"images": [0, 0, 1]},
        {"images": [2, 1, 0]},
        {"images": [-1, 0, 1]},
        {"targets": [0.9, 1.2, 1.0]},
        {"targets": ["0", "1", "1"]},
        {"targets": [2**32, 1, 1]},
        {"predictions": np.zeros((2, 3, 1), int)},
        {"log_prob_drop": [[0.0, np.nan], [0.0, 0.0]]},
        {"other": [1]},
    ],
    ids=str,
)
def test_what_contradicts_itself_is_refused_by_name_at_once(change, tmp_path):
    path = rewrite(car_table().save(tmp_path / "mine.npz"), **change)
    begun = time.perf_counter()
    with pytest.raises(ValueError, match=r"mine\.npz"):
        CarTable.load(path)
    assert time.perf_counter() - begun < 1


@pytest.mark.parametrize("record", RECORDS, ids=lambda r: type(r).__name__)
def test_a_field_that_is_missing_or_of_another_record_is_refused(record, tmp_path):
    first, path = tmp_path / "first.npz", tmp_path / "mine.npz"
    other = dataclasses.replace(record, passport={"model": "another"})
    kept = contents(other.save(first))
    for field in dataclasses.fields(record):
        rewrite(record.save(path), field.name)
        if field.name not in record._later:
            with pytest.raises(ValueError, match=rf"mine\.npz.*{field.name} missing"):
                type(record).load(path)
    rewrite(record.save(path), sealed=False, digest=contents(path)["digest"])
    assert type(record).load(path) == record
    rewrite(path, sealed=False, digest=kept["digest"])
    with pytest.raises(ValueError, match=r"mine\.npz.*do not belong together"):
        type(record).load(path)
    rewrite(path, sealed=False)
    with pytest.raises(ValueError, match=r"mine\.npz.*digest missing"):
        type(record).load(path)


def test_a_member_that_is_no_array_is_refused(tmp_path):
    for name, content, words in (
        ("total.npy", b"no array", "'total' is no array"),
        ("evil.npy", b"", "'evil' not a part"),
        ("evil.py", b"", "a name of its own"),
    ):
        path = with_member(car_table().save(tmp_path / "mine.npz"), name, content)
        with pytest.raises(ValueError, match=rf"mine\.npz.*{words}"):
            CarTable.load(path)


def test_a_file_that_may_not_be_read_is_no_damaged_one(tmp_path, monkeypatch):
    path = car_table().save(tmp_path / "r.npz")

    def refuse(self, mode="r"):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(type(path), "open", refuse)
    with pytest.raises(PermissionError, match=r"r\.npz"):
        CarTable.load(path)


@pytest.mark.parametrize("layer", ["", "größer, Ж", "a + b"])
def test_any_name_of_a_bank_comes_back(layer, tmp_path):
    record = dataclasses.replace(car_table(), layer=layer)
    assert CarTable.load(record.save(tmp_path / "r.npz")).layer == layer


def test_files_of_before_the_digest_are_read(tmp_path):
    for schema in (1, 2):
        path = rewrite(car_table().save(tmp_path / "r.npz"), sealed=False, schema=schema)
        assert CarTable.load(path) == car_table()


def test_a_later_schema_is_refused(tmp_path):
    path = car_table().save(tmp_path / "r.npz")
    content = dict(np.load(path))
    np.savez(path, **(content | {"schema": np.asarray(SCHEMA + 1)}))
    with pytest.raises(ValueError, match="Upgrade carviz"):
        CarTable.load(path)


def test_nothing_half_written_is_left(tmp_path, monkeypatch):
    path = tmp_path / "r.npz"
    path.write_bytes(b"old")

    def fail(_number):
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        car_table().save(path)
    assert [p.name for p in tmp_path.iterdir()] == ["r.npz"]
    assert path.read_bytes() == b"old"


def test_a_missing_folder_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not"):
        car_table().save(tmp_path / "no" / "r.npz")


@pytest.mark.parametrize("passport", [{"model": object()}, {"sizes": {1, 2}}, {("a", "b"): 1}])
def test_a_passport_that_json_cannot_hold_is_refused(passport):
    with pytest.raises(ValueError, match="CarTable: a passport is what JSON can hold; found"):
        dataclasses.replace(car_table(), passport=passport)


def test_a_passport_is_plain_and_read_only():
    table = car_table()
    json.dumps(dict(table.passport))
    with pytest.raises(TypeError):
        table.passport["model"] = "other"


def test_a_table_of_the_first_definition_of_removal_says_so(tmp_path):
    made = {
        "filters": [0], "classes": ("a", "b"), "images": [0], "total": 1, "targets": [0],
        "baseline": [0], "predictions": [[1]], "log_prob_drop": [[0.5, float("nan")]],
    }  # fmt: skip
    first = {"ablation": "zero at the output of 'conv'", "remark": "It ran by night."}
    old = CarTable("conv", **made, passport=first)
    loaded = CarTable.load(old.save(tmp_path / "old.npz"))
    assert loaded.passport["definition"] == 1
    assert loaded.passport["remark"].startswith("It ran by night. Measured by carviz's first")
    new = CarTable("conv", **made, passport={**first, "definition": 2})
    assert CarTable.load(new.save(tmp_path / "new.npz")) == new
    assert CarTable.load(CarTable("conv", **made).save(tmp_path / "none.npz")).passport == {}
