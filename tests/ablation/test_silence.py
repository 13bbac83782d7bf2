"""A silent filter is exactly zero for good, in a copy, whatever its module is."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import reference_logits
from small import Fork, Pooled, Residual, Stubborn, Twice, random_images
from torch import nn
from torch.nn.utils import parametrizations
from woken import wake

from carviz.ablation import make_plan
from carviz.ablation.silence import places_of, silence
from carviz.banks import copy_network, open_network

IMAGES, _ = random_images(8)


def silenced(model, layer, filters):
    """Return the copy's model and graph with filters silenced, and the places."""
    network = copy_network(open_network(model))
    plan, _ = make_plan(network, layer, IMAGES)
    places = places_of(network, layer, plan)
    for filter in filters:
        silence(network, places, [filter])
    return network, places


def agree_with_reference(model, layer, site):
    filters = list(range(3))
    expected = reference_logits(model, IMAGES, site, filters)
    for filter in filters:
        network, places = silenced(model, layer, [filter])
        assert places == [site]
        with torch.inference_mode():
            torch.testing.assert_close(network.model(IMAGES), expected[filter], atol=1e-4, rtol=0)
            if network.graph is not None:
                torch.testing.assert_close(
                    network.graph(IMAGES), expected[filter], atol=1e-4, rtol=0
                )


@pytest.mark.parametrize(
    ("kind", "layer", "site"),
    [
        (Residual, "first", "first"),
        (Residual, "second", "norm"),
        (Fork, "first", "first"),
        (Pooled, "first", "norm"),
        (Pooled, "depthwise", "depthwise"),
        (Twice, "shared", "shared"),
        (Stubborn, "conv", "norm"),
    ],
)
def test_it_is_what_the_reference_ablates(kind, layer, site):
    agree_with_reference(wake(kind(), IMAGES), layer, site)


@given(st.sets(st.integers(0, 5), min_size=1), st.sampled_from(["first", "second"]))
@settings(deadline=None, max_examples=12)
def test_any_set_is_exactly_zero(filters, layer):
    model = wake(Residual(), IMAGES)
    network, places = silenced(model, layer, sorted(filters))
    outputs = []
    module = network.model.get_submodule(places[0])
    module.register_forward_hook(lambda _m, _i, output: outputs.append(output))
    with torch.inference_mode():
        network.model(IMAGES)
    zero = (outputs[0] == 0).flatten(2).all(2).all(0)
    assert set(torch.nonzero(zero).flatten().tolist()) == filters


def test_a_batch_norm_without_weights_and_a_module_with_hooks():
    model = nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6, affine=False), nn.ReLU(),
        nn.Conv2d(6, 5, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
    ).eval()  # fmt: skip
    agree_with_reference(model, "0", "1")
    model[1].register_forward_hook(lambda _m, _i, output: output + 1)
    agree_with_reference(model, "0", "1")
    network, _ = silenced(model, "0", [1, 4])
    assert len(network.model[1]._forward_hooks) == 2  # one hook for both filters


def test_a_subclass_and_a_parametrised_weight():
    class Shifted(nn.Conv2d):
        def forward(self, images):
            return super().forward(images) + 1

    tail = [nn.ReLU(), nn.Conv2d(4, 5, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    agree_with_reference(nn.Sequential(Shifted(3, 4, 3), *tail).eval(), "0", "0")
    normed = parametrizations.weight_norm(nn.Conv2d(3, 4, 3))
    agree_with_reference(nn.Sequential(normed, *tail).eval(), "0", "0")


def test_tied_weights_stay_with_the_other_layer():
    model = nn.Sequential(
        nn.Conv2d(3, 3, 3), nn.ReLU(), nn.Conv2d(3, 3, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    ).eval()
    model[2].weight = model[0].weight
    agree_with_reference(model, "0", "0")
    agree_with_reference(model, "2", "2")


def test_the_given_model_and_the_opened_network_stay_as_they_are():
    model = wake(Residual(), IMAGES)
    before = copy.deepcopy(model.state_dict())
    network = open_network(model)
    with torch.inference_mode():
        logits = network.model(IMAGES)
    own = copy_network(network)
    assert own.model.first.weight is network.model.first.weight
    assert own.graph.get_submodule("first") is own.model.first
    silence(own, ["first"], [0, 1])
    silence(own, ["norm"], [2])
    with torch.inference_mode():
        assert torch.equal(network.model(IMAGES), logits)
        assert not torch.equal(own.model(IMAGES), logits)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    assert not model.first._forward_hooks


def test_a_batch_norm_that_serves_two_banks_is_refused_by_name():
    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3)
            self.norm = nn.BatchNorm2d(4)
            self.last = nn.Linear(8, 5)

        def forward(self, images):
            both = torch.cat([self.norm(self.a(images)), self.norm(self.b(images))], 1)
            return self.last(torch.relu(both).mean((2, 3)))

    with pytest.raises(ValueError, match="'a' ends with 'norm', which other layers use"):
        silenced(wake(Shared(), IMAGES), "a", [0])
