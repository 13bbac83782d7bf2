"""The engine against the slow reference, on fourteen families of networks woken up."""

import pytest
import torch
from families import ROWS, Row
from reference import agree, baseline, own_log_probs, reference_logits
from woken import family

from carviz.ablation import run_chunk
from carviz.car import prepare_car


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_the_engine_agrees_with_the_slow_reference(row: Row):
    model, images, targets = family(row.family)
    filters = list(row.filters)
    measurement = prepare_car(model, (images, targets), row.bank, filters=filters)
    assert measurement.plan.how == "graph"
    assert repr(row.site) in measurement.plan.where
    facts = run_chunk(
        measurement.plan, images, targets, filters, numbers=range(len(images)), batch_size=13
    )
    before = own_log_probs(baseline(model, images), targets)
    agree(
        reference_logits(model, images, row.site, filters),
        facts.predictions,
        before - torch.as_tensor(facts.drop),
        targets,
        filters=filters,
    )
