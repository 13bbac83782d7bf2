"""A set of filters, told as if it were one filter."""

import dataclasses

import numpy as np
import pytest
import torch
from support.gated import data, network

import carviz
from carviz.results import Beyond, JointTable, as_one_filter, beyond

NAMES = [field.name for field in dataclasses.fields(Beyond)]


def test_its_numbers_are_those_of_the_set():
    table = carviz.measure_joint(network(), data(), "first", [[0, 3], [2]], progress=False)
    for row in (0, 1):
        one = as_one_filter(table, row)
        assert one.car[0] == table.car[row]
        assert (one.lost_all[0], one.gained_all[0]) == (table.lost[row], table.gained[row])
        np.testing.assert_allclose(
            [np.nansum(one.log_prob_drop[0] * one.class_images) / len(one.images)],
            [table.log_prob_drop[row]], rtol=1e-6,
        )  # fmt: skip


def test_a_set_of_one_is_what_that_filter_is_alone():
    alone = carviz.measure_car(network(), data(), "first", filters=[2], progress=False)
    table = carviz.measure_joint(network(), data(), "first", [[2]], progress=False)
    one = as_one_filter(table, 0)
    np.testing.assert_array_equal(one.predictions, alone.predictions)
    np.testing.assert_array_equal(one.lost, alone.lost)
    np.testing.assert_allclose(one.log_prob_drop, alone.log_prob_drop, atol=1e-5)


def test_a_class_without_images_has_no_fall_of_log_p():
    images, labels = data()
    some = labels != 1
    pair = (images[some], labels[some])
    table = carviz.measure_joint(network(), pair, "first", [[0]], progress=False)
    one = as_one_filter(table, 0)
    assert np.isnan(one.log_prob_drop[0, 1])
    assert torch.tensor(one.log_prob_drop[0]).isnan().sum() == 1


def pair(baseline, together, first, second):
    """Return a table of one pair over images of class 0; answers are 0 (right) or 1."""
    none = np.zeros(len(baseline))
    return JointTable(
        "conv", banks=("conv",), bank=[0, 0], filters=[8, 9], members=[0, 1], sizes=[2],
        classes=("a", "b"), images=range(len(baseline)), targets=[0] * len(baseline),
        baseline=baseline, predictions=[together], image_log_prob_drop=[none],
        single_predictions=[first, second], single_image_log_prob_drop=[none, none],
    )  # fmt: skip


# Of each image: right with all filters (0), without both, without the first, without the second.
KINDS = {
    "stood_in": (0, 1, 0, 0), "shared": (0, 1, 1, 1), "made_up": (0, 0, 1, 0),
    "won_together": (1, 0, 1, 1),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_is_of_one_kind(kind):
    found = beyond(pair(*([answer] for answer in KINDS[kind])), 0)
    assert dataclasses.asdict(found) == {**dict.fromkeys(NAMES, 0), kind: 1}
    assert kind in (found.more, found.less)


@pytest.mark.parametrize("images", [(1, 0, 0, 0), (1, 1, 0, 1)])
def test_filters_that_spoil_the_same_images_do_not_stand_in_for_one_another(images):
    table = pair(*([answer] * 40 for answer in images))
    assert table.excess[0] > 0
    assert table.p_value[0] < 0.001
    found = beyond(table, 0)
    assert (found.more, found.stood_in, found.too_much) == ("too_much", 0, 40)


def test_the_kinds_add_up_to_the_excess():
    rng = np.random.default_rng(0)
    sets = [[0, 3], [1, 2, 4], [2]]
    table = carviz.measure_joint(network(), data(), "first", sets, progress=False)
    worse = pair(*rng.integers(0, 2, (4, 200)))
    for one, row in [(table, 0), (table, 1), (table, 2), (worse, 0)]:
        found = beyond(one, row)
        more, less = found.stood_in + found.too_much, found.shared + found.made_up
        assert more - less - found.won_together == round(one.excess[row] * len(one.images))
    assert beyond(table, 0).stood_in + beyond(table, 0).shared > 0
