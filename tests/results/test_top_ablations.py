"""A table that knows the first classes: what derives from them, and what contradicts itself."""

import dataclasses

import numpy as np
import pytest
from support.damage import rewrite
from support.results_examples import car_table

from carviz.results import CarTable


def table(**changes) -> CarTable:
    values = {
        "layer": "conv", "filters": [0, 3], "classes": ("a", "b", "c"), "images": [0, 1, 2, 3],
        "total": 4, "targets": [0, 1, 2, 2], "baseline": [0, 1, 0, 1],
        "predictions": [[0, 1, 0, 1], [1, 1, 2, 0]], "log_prob_drop": [[0.0] * 3, [0.1] * 3],
        "top": 2, "top_baseline": [True, True, True, False],
        "top_predictions": [[True, True, True, False], [False, True, True, True]],
    }  # fmt: skip
    return CarTable(**{**values, **changes})


def test_the_fall_of_the_first_classes_is_that_of_their_counts():
    found = table()
    assert found.top_accuracy == 0.75
    assert found.top_lost.tolist() == [0, 1]
    assert found.top_gained.tolist() == [0, 1]
    assert found.top_car.tolist() == [0.0, 0.0]
    low, high = found.top_interval
    assert (low < 0).all()
    assert (high > 0).all()
    assert found.top_q_value.tolist() == [1.0, 1.0]
    frame = found.to_frame()
    assert frame["top2_lost"].tolist() == [0, 1]
    assert "top2_car" not in found.to_frame("class")


def test_without_first_classes_they_are_the_first_one():
    found = car_table()
    assert found.top == 1
    assert np.array_equal(found.top_car, found.car)
    assert [name for name in found.to_frame().columns if name.startswith("top")] == []


def test_it_is_saved_and_read_and_a_table_of_before_is_read(tmp_path):
    path = table().save(tmp_path / "t.npz")
    assert CarTable.load(path) == table()
    path = car_table().save(tmp_path / "old.npz")
    rewrite(path, "top", "top_baseline", "top_predictions")
    assert CarTable.load(path) == car_table()


def test_tables_with_first_classes_merge():
    whole = table()
    parts = [
        dataclasses.replace(
            whole, filters=whole.filters[i : i + 1], predictions=whole.predictions[i : i + 1],
            log_prob_drop=whole.log_prob_drop[i : i + 1],
            top_predictions=whole.top_predictions[i : i + 1],
        )
        for i in (1, 0)
    ]  # fmt: skip
    assert parts[0].merged(parts[1]) == whole
    with pytest.raises(ValueError, match="differ in `top`"):
        parts[0].merged(
            dataclasses.replace(
                parts[1], top=1, top_baseline=np.zeros(0, bool),
                top_predictions=np.zeros((0, 0), bool),
            )
        )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"top": 3}, "`top` is 1 to 2"),
        ({"top": 1}, "`top_baseline` has shape"),
        ({"top_baseline": [False, True, True, False]}, "is among the first classes"),
        ({"top_predictions": [[True] * 4]}, "`top_predictions` has shape"),
    ],
)
def test_what_contradicts_itself_is_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        table(**changes)
