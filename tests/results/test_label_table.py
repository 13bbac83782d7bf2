"""A table of labels: what derives from it, and what it refuses."""

import dataclasses

import numpy as np
import pytest
from support.results_examples import label_table

from carviz.results.statistics import paired_columns


def test_what_is_read_from_it():
    table = label_table()
    assert table.label_car.tolist() == pytest.approx(np.array([[1, 0, 0], [-1, 2, 1]]) / 3)
    assert table.car.tolist() == pytest.approx([1 / 9, 2 / 9])
    assert table.accuracy == pytest.approx(8 / 9)
    assert table.recall[:2].tolist() == [0.5, 1.0]
    assert np.isnan(table.recall[2])
    assert table.recall_fall[:, :2].tolist() == [[0.5, 0.0], [-0.5, 1.0]]
    assert table.order.tolist() == [1, 4]
    assert table.label_number("dog") == 1
    assert "3 of 5 images, 3 labels, accuracy 0.889" in repr(table)


def test_intervals_and_q_are_those_of_paired_counts():
    table = label_table()
    columns = paired_columns(table.lost, table.gained, np.full((2, 3), 3))
    assert np.array_equal(table.interval[0], columns["low"])
    assert np.array_equal(table.q_value, columns["q_value"])
    frame = table.to_frame("label")
    assert len(frame) == 6
    assert frame["lost_positives"].tolist() == [1, 0, 0, 0, 1, 0]
    assert table.to_frame()["car"].tolist() == table.car.tolist()
    with pytest.raises(ValueError, match="'filter' or 'label'"):
        table.to_frame("class")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"right_without": [[3, 3, 2], [2, 2, 2]]}, "count the same answers"),
        ({"right_labels": [3, 3, 3]}, "count the same answers"),
        ({"lost_positives": [[1, 1, 0], [0, 1, 0]]}, "no more than those of the whole"),
        ({"positives": [2, 1]}, r"`positives` has shape \(3,\)"),
        ({"lost": [[1, 0, 0], [0, 4, 1]]}, "counts of images, 0 to 3"),
        ({"log_prob_drop": [[np.nan, 0.0, 0.1], [0.0, 0.0, 0.0]]}, "numbers; found NaN"),
    ],
)
def test_what_contradicts_itself_is_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        dataclasses.replace(label_table(), **changes)
