"""What a plan costs, counted against what can be counted by hand."""

import pytest
import torch
from support.small import Stubborn, random_images
from torch import nn

import carviz

IMAGES, LABELS = random_images(8, size=6)


def network():
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 5, 3), nn.ReLU(), nn.Flatten(),
        nn.Linear(20, 5),
    )  # fmt: skip


def test_multiply_adds_by_hand():
    plan = carviz.plan_car(network(), (IMAGES, LABELS), "0")
    first, second, last = 4 * 16 * 27, 5 * 4 * 36, 100
    assert plan.network == first + second + last
    assert plan.head == first + second  # the next layer's whole output runs once too
    assert plan.tail == second / 4 + last
    # The bank once more, laid out for the next layer's windows.
    assert plan.cached == 4 * (4 * 16 + 4 * 16 + 5 * 4)
    assert plan.loop_cost == 5 * plan.network
    assert plan.plan_cost == pytest.approx(plan.head + plan.tail * (1 + plan.active * 4))


def test_it_tells_of_images_that_are_skipped():
    model = network()
    with torch.no_grad():
        model[0].bias[:2] = -100
    assert carviz.plan_car(model, (IMAGES, LABELS), "0").active <= 0.5
    assert carviz.plan_car(model, (IMAGES, LABELS), "0", filters=[0]).active == 0


def test_it_reads_well():
    told = str(carviz.plan_car(network(), (IMAGES, LABELS), "0", filters=[1, 2]))
    assert "CAR of 0: 2 filters, 8 images" in told
    assert "times as much" in told
    assert max(len(line) for line in told.splitlines()) <= 120


def test_means_and_choosing_are_counted():
    data = IMAGES, LABELS
    half, mean, best = (
        carviz.plan_car(network(), data, "0", value=v) for v in (5.0, "mean", "optimal")
    )
    first = 4 * 16 * 27
    assert (half.finding, mean.finding) == (0, first)  # up to the ReLU, which the mean is behind
    assert mean.plan_cost == half.plan_cost + first
    assert mean.loop_cost == half.loop_cost + first
    assert "one pass for the means" in str(mean)
    assert half.chosen_on == mean.chosen_on == 0
    assert (best.images, best.chosen_on) == (4, 4)
    assert best.plan_cost == first + 10 * (best.head + best.tail * (1 + best.active * 4))
    assert best.loop_cost == first + 10 * 5 * best.network
    assert "each filter 9 times on 4 other images" in str(best)
    assert "once  " not in str(half)


def test_a_network_without_a_graph_saves_nothing():
    plan = carviz.plan_car(Stubborn(), (IMAGES, LABELS), "conv")
    assert plan.how == "hooks"
    assert plan.head == 0
    assert plan.tail == plan.network
