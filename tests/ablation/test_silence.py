"""A silent filter is exactly zero for good, in a copy's graph, whatever its unit ends with."""

import copy

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from support.reference import reference_logits
from support.small import Fork, Pooled, Residual, Stubborn, Twice, random_images
from support.woken import wake
from torch import nn
from torch.nn.utils import parametrizations

from carviz.ablation.silence import lone_modules, silence
from carviz.banks import copy_network, hooked_ends, open_network

IMAGES, _ = random_images(8)


def silenced(model, layer, filters):
    """Return the copy with filters silenced one after another."""
    network = copy_network(open_network(model))
    for filter in filters:
        silence(network, layer, [filter])
    return network


def agree_with_reference(model, layer, site):
    filters = list(range(3))
    expected = reference_logits(model, IMAGES, site, filters)
    for filter in filters:
        network = silenced(model, layer, [filter])
        with torch.inference_mode():
            torch.testing.assert_close(network.graph(IMAGES), expected[filter], atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("kind", "layer", "site"),
    [
        (Residual, "first", "first"),
        (Residual, "second", "norm"),
        (Fork, "first", "first"),
        (Pooled, "first", "norm"),
        (Pooled, "depthwise", "depthwise"),
        (Twice, "shared", "shared"),
    ],
)
def test_it_is_what_the_reference_ablates(kind, layer, site):
    agree_with_reference(wake(kind(), IMAGES), layer, site)


@given(st.sets(st.integers(0, 5), min_size=1), st.sampled_from(["first", "second"]))
@settings(deadline=None, max_examples=12)
def test_any_set_is_exactly_zero(filters, layer):
    network = silenced(wake(Residual(), IMAGES), layer, sorted(filters))
    outputs = []
    module = network.graph.get_submodule(str(network.unit_ends(layer)[0].target))
    module.register_forward_hook(lambda _m, _i, output: outputs.append(output))
    with torch.inference_mode():
        network.graph(IMAGES)
    zero = (outputs[0] == 0).flatten(2).all(2).all(0)
    assert set(torch.nonzero(zero).flatten().tolist()) == filters


def test_a_batch_norm_without_weights():
    model = nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6, affine=False), nn.ReLU(),
        nn.Conv2d(6, 5, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
    ).eval()  # fmt: skip
    agree_with_reference(model, "0", "1")


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
        logits = network.graph(IMAGES)
    own = copy_network(network)
    weight = network.graph.get_submodule("first").weight
    assert own.graph.get_submodule("first").weight is weight
    silence(own, "first", [0, 1])
    silence(own, "second", [2])
    with torch.inference_mode():
        assert torch.equal(network.graph(IMAGES), logits)
        assert not torch.equal(own.graph(IMAGES), logits)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    assert network.graph.get_submodule("first").weight is weight


class Shared(nn.Module):
    """One BatchNorm behind two convolutions, or the same written as a function."""

    def __init__(self, function=False):
        super().__init__()
        self.function = function
        self.a, self.b = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.last = nn.Linear(8, 5)

    def normalised(self, maps):
        norm = self.norm
        if not self.function:
            return norm(maps)
        return F.batch_norm(maps, norm.running_mean, norm.running_var, norm.weight, norm.bias)

    def forward(self, images):
        both = torch.cat([self.normalised(self.a(images)), self.normalised(self.b(images))], 1)
        return self.last(torch.relu(both).mean((2, 3)))


@pytest.mark.parametrize("function", [False, True])
def test_a_batch_norm_that_serves_two_banks_goes_on_serving_the_other(function):
    model = wake(Shared(), IMAGES)
    model.function = function
    assert silenced(model, "a", [1]).graph is not None
    with torch.inference_mode():
        maps = [model.norm(model.a(IMAGES)), model.norm(model.b(IMAGES))]
        maps[0][:, [1, 3]] = 0
        expected = model.last(torch.relu(torch.cat(maps, 1)).mean((2, 3)))
        found = silenced(model, "a", [1, 3]).graph(IMAGES)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_a_step_more_is_told_once():
    network = copy_network(open_network(wake(Shared(), IMAGES)))
    assert silence(network, "a", [1])
    assert not silence(network, "a", [2])
    plain = copy_network(open_network(wake(Residual(), IMAGES)))
    assert not silence(plain, "first", [1])


def test_modules_that_serve_others_are_refused_by_name():
    model = wake(Shared(), IMAGES)
    network = open_network(model)
    ends = hooked_ends(network.model, "a", IMAGES, network.norms)
    with pytest.raises(ValueError, match="'a' ends with 'norm', which other layers use"):
        lone_modules(ends)
    stubborn = open_network(wake(Stubborn(), IMAGES))
    ends = hooked_ends(stubborn.model, "conv", IMAGES, stubborn.norms)
    assert lone_modules(ends) == ["norm"]
