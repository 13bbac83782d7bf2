"""Other values than zero in a channel's place: against a naive loop, end to end."""

import warnings

import numpy as np
import pytest
import torch
from support.reference import agree, own_log_probs
from support.value_judge import CLASSES, NETWORKS, SIZE, means_at, valued_logits
from support.woken import smooth_images, wake

import carviz
from carviz.ablation import Value, partner_order
from carviz.car import Question, prepare_car

IMAGES = smooth_images(37, SIZE)
LABELS = torch.arange(37) % CLASSES
HOW = {"hooks": "hooks", "one by one": "hooks", "out of hooks' reach": "reference"}


def network(name):
    """Return a network that is awake, its bank, and where a value is set in it."""
    make, bank, place, calls = NETWORKS[name]
    torch.manual_seed(3)
    model = make()
    with torch.no_grad():
        model.eval()(IMAGES[:2].clone())
    return wake(model, IMAGES), bank, place, calls


def measured(model, bank, value, data=(IMAGES, LABELS), **more):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="carviz: ")  # how it is measured
        return carviz.measure_car(model, data, bank, value=value, progress=False, **more)


def partners_of(count):
    """Return the partner of each image, by the chunks of a stratified order."""
    model, bank, *_ = network("conv-relu")
    data = IMAGES[:count], LABELS[:count]
    chunks = prepare_car(model, data, bank, question=Question(value=Value("resample"))).chunks()
    partner = np.empty(count, np.int64)
    for numbers in chunks:
        partner[numbers] = np.array(numbers)[partner_order(numbers)]
    return partner


@pytest.mark.parametrize("value", [0.7, "mean", "resample"])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_value_does_what_a_loop_of_hooks_does(name, value):
    model, bank, place, calls = network(name)
    constants = partners = None
    if value == "mean":
        constants = means_at(model, IMAGES, place, calls)
        if name == "one by one":
            constants = constants.mean(0, keepdim=True)
    elif value == "resample":
        partners = IMAGES[partners_of(len(IMAGES))]
    else:
        constants = torch.full((1, 6), value)
    expected = valued_logits(
        model, IMAGES, place, range(6), constants=constants, partners=partners, calls=calls
    )
    with torch.no_grad():
        whole = model(IMAGES.clone())
    assert float((expected - whole).abs().amax()) > 0.02 * float(whole.abs().amax())
    table = measured(model, bank, value)
    before = own_log_probs(whole, LABELS)
    agree(expected, table.predictions, before - table.image_log_prob_drop, LABELS)
    assert table.passport["engine"] == HOW.get(name, "graph")
    assert table.passport["value"]["set"] == value
    if value == "mean":
        np.testing.assert_allclose(table.values, constants.T, rtol=1e-5, atol=1e-6)
