"""A set of filters, told as if it were one filter."""

import numpy as np
import torch
from support.gated import data, network

import carviz
from carviz.results import as_one_filter


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
