"""The engine against the slow reference, on fourteen families of networks woken up."""

import pytest
import torch
from support.families import Row, cases, truth
from support.reference import agree, own_log_probs
from support.woken import family

from carviz.ablation import run_chunk
from carviz.car import prepare_car


@pytest.mark.parametrize("row", cases())
def test_the_engine_agrees_with_the_slow_reference(row: Row):
    model, images, targets = family(row.family)
    filters, expected = list(row.filters), truth(row)
    measurement = prepare_car(model, (images, targets), row.bank, filters=filters)
    assert measurement.plan.how == "graph"
    assert repr(row.site) in measurement.plan.where
    facts = run_chunk(
        measurement.plan, images, targets, filters, numbers=range(len(images)), batch_size=13
    )
    before = own_log_probs(expected.unablated, targets)
    agree(
        expected.ablated,
        facts.predictions,
        before - torch.as_tensor(facts.drop),
        targets,
        filters=filters,
    )
