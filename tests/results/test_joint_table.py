"""What is told of sets derives from the facts of sets and of single filters."""

import dataclasses

import numpy as np
import pytest
from support.results_examples import joint_table, pair_table

from carviz.results import CarTable, JointTable


def test_numbers_follow_from_the_facts():
    table = joint_table()
    assert table.sets == [{"a": [1], "b": [1]}, {"a": [1, 4], "b": [1]}]
    assert table.lost.tolist() == [1, 2]
    assert table.gained.tolist() == [0, 1]
    np.testing.assert_allclose(table.car, [1 / 3, 1 / 3])
    np.testing.assert_allclose(table.single_car, [0, 1 / 3, -1 / 3])
    np.testing.assert_allclose(table.sum_of_cars, [-1 / 3, 0], atol=1e-15)
    np.testing.assert_allclose(table.excess, table.car - table.sum_of_cars)
    np.testing.assert_allclose(table.log_prob_drop, [0.5, 1.0])
    np.testing.assert_allclose(table.log_prob_excess, [0.5, 0.5])
    low, high = table.car_interval
    assert (low < table.car).all()
    assert (table.car < high).all()
    assert repr(table) == "<JointTable of 2 banks: 2 sets of 3 filters, 3 images, accuracy 0.667>"


def test_the_frame_never_has_a_sum_without_what_is_lost_together():
    columns = list(joint_table().to_frame())
    assert columns.index("car") < columns.index("sum_of_cars") < columns.index("excess")
    assert columns[:2] == ["set", "filters"]
    assert columns[-7:] == [
        "log_prob_drop", "sum_of_log_prob_drops", "log_prob_excess", "log_prob_low",
        "log_prob_high", "log_prob_p_value", "log_prob_q_value",
    ]  # fmt: skip


def test_a_set_is_found_by_its_filters():
    table = joint_table()
    assert table.row({"b": [1], "a": [4, 1]}) == 1
    assert pair_table().row([7, 2]) == 1
    with pytest.raises(ValueError, match=r"holds none of \{'a': \[4\]\}"):
        table.row({"a": [4]})
    assert table.flips(1)["change"].tolist() == ["lost", "lost", "gained"]
    assert table.flips(1)["image"].tolist() == [0, 1, 5]
    with pytest.raises(ValueError, match="row is 0 to 1"):
        table.flips(2)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sizes": [2, 2]}, "`members` has shape"),
        ({"members": [0, 0, 0, 1, 2]}, "a set has each filter once"),
        ({"sizes": [5], "members": [0, 2, 0, 1, 2]}, "has shape"),
        ({"members": [0, 3, 0, 1, 2]}, "are places of filters"),
        ({"bank": [0, 0, 2]}, "are places of banks"),
        ({"filters": [1, 1, 1]}, "each filter appears once"),
        ({"layer": "a"}, "the bank `layer` alone"),
        ({"predictions": [[1, 1, 2], [1, 0, 1]]}, "are classes"),
        ({"images": [0, 5, 1]}, "`images` ascend"),
        ({"image_log_prob_drop": [[1.0, 0.5, np.nan], [2.0, 1.5, -0.5]]}, "are numbers"),
    ],
)
def test_facts_that_do_not_fit_together_are_refused(change, words):
    with pytest.raises(ValueError, match=words):
        dataclasses.replace(joint_table(), **change)


def test_a_set_that_repeats_is_refused():
    with pytest.raises(ValueError, match="each set appears once"):
        dataclasses.replace(joint_table(), sizes=[2, 2], members=[0, 2, 2, 0])


def test_a_set_of_one_filter_is_that_filter():
    table = joint_table()
    rows = {"sizes": [1, 1], "members": [0, 2]}
    with pytest.raises(ValueError, match="of a set of one filter are that filter's"):
        dataclasses.replace(table, **rows)
    same = {
        "predictions": table.single_predictions[[0, 2]],
        "image_log_prob_drop": table.single_image_log_prob_drop[[0, 2]],
    }
    assert dataclasses.replace(table, **rows, **same).excess.tolist() == [0.0, 0.0]


def test_it_says_of_single_filters_what_a_car_table_says():
    table = pair_table()
    alone = CarTable(
        "conv", filters=table.filters, classes=table.classes, images=table.images, total=40,
        targets=table.targets, baseline=table.baseline, predictions=table.single_predictions,
        log_prob_drop=np.zeros((3, 2)),
    )  # fmt: skip
    np.testing.assert_array_equal(table.single_car, alone.car)
    assert isinstance(table, JointTable)
