"""Files that are whole or not there, and never run what they hold."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from results_examples import car_table, pruning_path, selectivity_table, sibling_table

from carviz.results import CarTable, SelectivityTable
from carviz.results.record import SCHEMA

RECORDS = [
    car_table(),
    pruning_path(),
    pruning_path().prefix(0),
    selectivity_table(),
    sibling_table(),
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


def test_a_later_schema_is_refused(tmp_path):
    path = car_table().save(tmp_path / "r.npz")
    content = dict(np.load(path))
    np.savez(path, **(content | {"schema": np.asarray(SCHEMA + 1)}))
    with pytest.raises(ValueError, match="Upgrade carviz"):
        CarTable.load(path)


def test_nothing_half_written_is_left(tmp_path, monkeypatch):
    path = tmp_path / "r.npz"
    path.write_bytes(b"old")

    def fail(self, content):
        with self.open("wb") as file:
            file.write(content[:10])
        raise OSError("disk full")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(OSError, match="disk full"):
        car_table().save(path)
    assert [p.name for p in tmp_path.iterdir()] == ["r.npz"]
    assert path.read_bytes() == b"old"


def test_a_missing_folder_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not"):
        car_table().save(tmp_path / "no" / "r.npz")


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
