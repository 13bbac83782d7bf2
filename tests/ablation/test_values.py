"""What stands in a channel's place: names, partners, families of networks.

`tests/test_values.py` judges what the engine makes of it by a loop of hooks.
"""

import numpy as np
import pytest
import torch
from support.families import ROWS
from support.woken import NAMES, family

from carviz.ablation.values import ZERO, Value, check_value, partner_order
from carviz.car import Question, prepare_car


@pytest.mark.parametrize("count", [2, 3, 32, 256])
def test_every_image_has_another_one_for_a_partner_and_each_serves_once(count):
    for first in range(20):
        numbers = list(range(first, first + count))
        partner = partner_order(numbers)
        assert (partner != np.arange(count)).all()
        assert sorted(partner.tolist()) == list(range(count))
        assert np.array_equal(partner, partner_order(numbers))
    assert count < 4 or not np.array_equal(partner, partner_order([*range(99, 99 + count)]))


def test_values_as_they_are_asked_for():
    assert check_value("zero") == ZERO == Value()
    assert check_value(2) == check_value(np.float32(2)) == Value("number", 2.0)
    assert check_value(check_value("mean")).given == "mean"
    assert check_value(torch.tensor(1.0).item()).given == 1.0
    assert [check_value(v).is_found for v in ("mean", "optimal", "resample", 1)] == [
        True, True, False, False
    ]  # fmt: skip


GATES = ("fc1", "fc2")
PARTS = [
    next(row for row in ROWS if row.family == name and not row.bank.endswith(GATES))
    for name in NAMES
]
SMALL = ("alexnet", "resnet18", "mobilenet_v3_small", "shufflenet_v2_x0_5")
"""Families that are tried also where there is little time."""


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(row, id=row.id, marks=() if row.family in SMALL else pytest.mark.slow)
        for row in PARTS
    ],
)
def test_families_are_measured_by_their_graph(row):
    """The audit judges each, strictly; where one may be wrong the graph is not used."""
    model, images, targets = family(row.family)
    for value in ("mean", "resample"):
        found = prepare_car(
            model, (images, targets), row.bank, question=Question(value=check_value(value))
        )
        assert found.plan.how == "graph"
        assert found.plan.rows_independent
        assert "changes the logits as in the network itself" in found.audit.words
