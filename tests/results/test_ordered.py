"""The order of a table's filters, how sure it is, and what a table without log p says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.tables import bank_table

from carviz.results import CarTable
from carviz.results.agreement import measure_agreement
from carviz.results.difference_test import difference_p_value


def planted(filters=5, images=600, seed=0):
    g = np.random.default_rng(seed)
    strength = g.permutation(np.linspace(0.02, 0.6, filters))[:, np.newaxis]
    right = g.random((filters, images)) >= strength
    return bank_table(right, strength + 0.2 * g.normal(size=right.shape), classes=3), strength[:, 0]


@pytest.mark.parametrize("order", ["car", "log_prob"])
def test_planted_differences_are_told_apart_and_their_ranks_found(order):
    table, strength = planted()
    found = table.agreement(order=order)
    assert found.told_apart
    assert table.tells_apart(order=order)
    assert (found.order, found.filters, found.images) == (order, 5, 600)
    assert found.alpha > 0.9
    assert found.halves > 0.9
    frame = table.ranks(order=order)
    best = np.argsort(-strength)
    assert frame["filter"].tolist() == best.tolist()
    assert frame["rank"].tolist() == [1, 2, 3, 4, 5]
    assert frame["rank_low"].tolist() == frame["rank_high"].tolist() == [1, 2, 3, 4, 5]
    assert frame["car"].tolist() == table.car[best].tolist()
    log_p = ["log_prob_drop"] if order == "log_prob" else []
    assert list(frame) == ["filter", "car", *log_p, "rank", "rank_low", "rank_high"]
    if log_p:
        assert frame["log_prob_drop"].tolist() == table.log_prob_drop_all[best].tolist()


def test_the_values_are_right_or_wrong_and_falls():
    table, _ = planted(8, 40)
    right = table.predictions == table.targets
    for order, values in (("car", right), ("log_prob", table.image_log_prob_drop)):
        expected = measure_agreement(values, table.targets, order, difference_p_value(values))
        found = table.agreement(order=order)
        assert found.alpha == pytest.approx(expected.alpha)
        assert found.halves == pytest.approx(expected.halves)
        assert found.p_value == expected.p_value
        assert table.agreement(order=order) is found


def test_what_the_whole_network_says_of_an_image_is_in_no_difference():
    g = np.random.default_rng(0)
    right = g.random((4, 50)) < 0.7
    one, other = bank_table(right), bank_table(right, baseline=g.random(50) < 0.5)
    assert one.agreement() == other.agreement()
    assert one.ranks()["rank_low"].tolist() == other.ranks()["rank_low"].tolist()


@pytest.mark.parametrize("order", ["car", "log_prob"])
@settings(max_examples=25, deadline=None)
@given(st.integers(1, 7), st.integers(1, 40), st.integers(0, 10**6))
def test_an_interval_holds_its_rank_and_images_come_in_any_order(order, filters, images, seed):
    g = np.random.default_rng(seed)
    right = g.random((filters, images)) < g.random((filters, 1))
    falls = (g.standard_t(2, right.shape) + 3 * g.random((filters, 1))).astype(np.float32)
    frame = bank_table(right, falls).ranks(order=order)
    assert (frame["rank_low"] >= 1).all()
    assert (frame["rank_high"] <= filters).all()
    assert frame["rank"].between(frame["rank_low"], frame["rank_high"]).all()
    moved = g.permutation(images)
    again = bank_table(right[:, moved], falls[:, moved]).ranks(order=order)
    columns = ["filter", "rank_low", "rank_high"]
    assert again[columns].to_numpy().tolist() == frame[columns].to_numpy().tolist()


def test_ties_in_falls_go_by_the_number():
    table = bank_table(np.ones((3, 4), bool), [[0.0] * 4, [1.0] * 4, [0.0] * 4])
    assert table.ranks(order="log_prob")["filter"].tolist() == [1, 0, 2]


def test_a_table_without_the_falls_of_images_is_asked_for_the_order_by_car():
    table, _ = planted()
    kept = {"predictions", "targets", "baseline", "log_prob_drop", "images", "classes", "filters"}
    old = CarTable("conv", total=600, **{name: getattr(table, name) for name in kept})
    assert not old.has_image_log_prob_drop
    assert old.agreement() == table.agreement()
    for asked in (old.agreement, old.ranks, old.tells_apart):
        with pytest.raises(ValueError, match=r"each image.*'conv' has none.*order='car'"):
            asked(order="log_prob")
        with pytest.raises(ValueError, match=r"'car' or 'log_prob'.*found 'l1'"):
            asked(order="l1")
