"""What compress leaves alone, what it refuses, and the networks that are not quite ordinary."""

import copy

import numpy as np
import pytest
import torch
from support.compression_judge import (
    ablated_logits,
    assert_equal,
    awake,
    logits,
    relative,
    sequence,
)
from support.compression_networks import Dense, Depthwise, Plain, Skipping, example
from support.small import Stubborn, Twice
from torch import fx, nn
from torch.nn import functional

from carviz.banks import open_network
from carviz.car import measure_car
from carviz.compression import compress


def test_the_given_model_is_untouched_and_shares_nothing():
    model, data = example(Skipping)
    model.train()
    model.a1.eval()
    model.b1.weight.requires_grad_(False)
    seen = []
    model.a1.register_forward_hook(lambda *_: seen.append(1))
    before = copy.deepcopy(model.state_dict())
    flags = {n: (p.requires_grad, id(p), p._version) for n, p in model.named_parameters()}
    small = compress(model, {"a1": [0, 2], "b1": [1]}, data)
    assert {n: (p.requires_grad, id(p), p._version) for n, p in model.named_parameters()} == flags
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert model.training
    assert not model.a1.training
    assert all(p.grad is None for p in model.parameters())
    assert len(model.a1._forward_hooks) == 1
    with torch.no_grad():
        for tensor in [*small.parameters(), *small.buffers()]:
            tensor.zero_()
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


def test_the_result_keeps_modes_names_hooks_and_what_learns():
    model, data = example(Dense)
    model.train()
    model.a_before.eval()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(not name.startswith(("a.", "c.")))
    model.c.register_forward_hook(lambda *_: None)
    small = compress(model, {"a": [1]}, data)
    modes = {name: module.training for name, module in model.named_modules()}
    assert {name: module.training for name, module in small.named_modules()} == modes
    learns = {name: p.requires_grad for name, p in small.named_parameters()}
    # `b` took up a constant in a bias of its own, which learns as its weights do.
    assert learns.pop("b.bias") is True
    assert learns == {name: p.requires_grad for name, p in model.named_parameters()}
    assert len(small.c._forward_hooks) == 1
    assert all(p.is_leaf and not p.is_inference() for p in small.parameters())


def test_frozen_models_and_inference_tensors():
    model, data = example(Dense)
    plan, sites = {"a": [0], "c": [1, 2]}, {"a": [0], "c_norm": [1, 2]}
    frozen = copy.deepcopy(model).requires_grad_(False)
    assert not any(p.requires_grad for p in assert_equal(frozen, plan, sites, data).parameters())
    with torch.inference_mode():
        made = copy.deepcopy(model)
        for module in made.modules():
            for name, tensor in module._buffers.items():
                module._buffers[name] = tensor.clone()
            for name, tensor in module._parameters.items():
                if tensor is not None:
                    module._parameters[name] = nn.Parameter(tensor.clone())
        inside = compress(made, plan, (data[0].clone(), data[1]))
    assert made.a.weight.is_inference()
    outside = compress(made, plan, data)
    expected = ablated_logits(model, sites, data[0])
    for small in (inside, outside):
        assert relative(logits(small, data[0]), expected) < 1e-6
        small(data[0]).sum().backward()


def test_half_of_a_plan_by_module_numpy_numbers_and_one_image():
    model, (images, labels) = example(Plain)
    plan = {model.first: np.array([1, 4]), "third": torch.tensor([0])}
    small = compress(model, plan, (images[:1], labels[:1]))
    expected = ablated_logits(model, {"norm": [1, 4], "third": [0]}, images)
    assert relative(logits(small, images), expected) < 1e-6


def test_no_filters_give_a_copy():
    model, data = example(Plain)
    for plan in ({}, {"first": []}):
        twin = compress(model, plan, data)
        assert twin is not model
        assert torch.equal(logits(twin, data[0]), logits(model, data[0]))


def test_the_result_can_be_measured_and_agrees_with_the_ablation():
    model, data = example(Skipping)
    small = compress(model, {"a1": [0]}, data)
    table = measure_car(small, data, "a1", progress=False)
    assert table.filters.tolist() == [0, 1, 2]
    sites = {"a1_norm": [0, 2]}  # the second filter that is left was number 2
    expected = ablated_logits(model, sites, data[0]).argmax(1)
    assert table.predictions[1].tolist() == expected.tolist()


def test_an_opened_network_is_compressed_without_tracing_it_again(monkeypatch):
    for model, data, plan, sites in (
        (*example(Skipping), {"a1": [0, 2]}, {"a1_norm": [0, 2]}),
        (*awake(Stubborn(own=True)), {"conv": [1, 3]}, {"norm": [1, 3]}),
    ):
        network, before = open_network(model), copy.deepcopy(model.state_dict())
        with monkeypatch.context() as patched:
            patched.setattr(fx.Tracer, "trace", None)
            small = compress(network, plan, data)
        assert relative(logits(small, data[0]), ablated_logits(model, sites, data[0])) < 1e-6
        by_module = {network.model.get_submodule(bank): gone for bank, gone in plan.items()}
        again = compress(network, by_module, data)
        assert torch.equal(logits(again, data[0]), logits(small, data[0]))
        with torch.no_grad():
            for tensor in small.parameters():
                tensor.zero_()
        assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


def test_a_network_that_cannot_be_traced():
    for own, site in ((True, "norm"), (False, "conv")):
        model, data = awake(Stubborn(own=own))
        assert_equal(model, {"conv": [1, 3]}, {site: [1, 3]}, data)


def test_a_bank_that_is_used_twice_reads_itself():
    model, data = awake(Twice())
    # Its filters are read by itself, and the stem's filters go where its own go.
    with pytest.raises(ValueError, match="filters of 'stem' would go too"):
        compress(model, {"shared": [1]}, data)
    small = compress(model, {"shared": [1], "stem": [1]}, data)
    expected = ablated_logits(model, {"shared": [1], "stem": [1]}, data[0])
    assert relative(logits(small, data[0]), expected) < 1e-6


def test_groups_of_one_size_lose_filters_evenly_or_not_at_all():
    def network():
        return sequence(
            nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 6, 3, groups=2),
            nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 5, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        )  # fmt: skip

    model, data = network()
    assert_equal(model, {"3": [0, 5]}, {"4": [0, 5]}, data)
    assert_equal(model, {"0": [1, 5]}, {"1": [1, 5]}, data)
    for plan in ({"3": [0, 1]}, {"0": [1, 2]}, {"0": [1]}):
        with pytest.raises(ValueError, match=r"groups are all of one size.*'3' \(2 groups"):
            compress(model, plan, data)


class Mixing(nn.Module):
    """A step that mixes channels, which is no layer that Torch-Pruning knows."""

    def __init__(self, mix) -> None:
        super().__init__()
        self.first, self.last, self.mix = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 1), mix

    def forward(self, images):
        return self.last(self.mix(self.first(images))).mean((2, 3))


@pytest.mark.parametrize(("mix", "reason"), [
    (nn.GroupNorm(2, 4), "GroupNorm behind '0'|GroupNorm behind 'first'"),
    (nn.Softmax(1), "'last' reads something else"),
    (nn.LocalResponseNorm(3, alpha=1.0), "local_response_norm in .mix."),
    (lambda maps: maps - maps.mean(1, keepdim=True), "cannot|must"),
    (lambda maps: maps.detach(), "cannot|logits"),
    (lambda maps: maps.view(len(maps), 4, -1).view(len(maps), 4, 10, 10), "numbers of channels"),
], ids=["group norm", "softmax", "response norm", "centring", "detach", "sizes"])  # fmt: skip
def test_steps_that_mix_channels_are_refused(mix, reason):
    torch.manual_seed(0)
    model, data = awake(Mixing(mix))
    with pytest.raises(ValueError, match=reason):
        compress(model, {"first": [1]}, data)


def test_weights_that_two_layers_share_are_refused():
    model, data = example(Skipping)
    model.a1.weight = nn.Parameter(model.a1.weight[[0, 1, 2, 3, 0]].detach())
    model.a1.bias = nn.Parameter(model.a1.bias[[0, 1, 2, 3, 0]].detach())
    model.a1.out_channels = 5
    model.a1_norm, model.a2 = nn.BatchNorm2d(5), nn.Conv2d(5, 6, 3, padding=1)
    model.eval()
    model.b1.weight = model.a1.weight
    with pytest.raises(ValueError, match="'a1' and 'b1' share theirs"):
        compress(model, {"a1": [0]}, data)


def test_a_batchnorm_that_serves_two_banks_is_refused():
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3)
            self.norm, self.last = nn.BatchNorm2d(4), nn.Conv2d(8, 5, 1)

        def forward(self, images):
            both = [self.norm(self.one(images)), self.norm(self.two(images))]
            return self.last(functional.relu(torch.cat(both, 1))).mean((2, 3))

    model, data = awake(Shared())
    with pytest.raises(ValueError, match="unit of 'one' ends with 'norm', which other layers use"):
        compress(model, {"one": [0]}, data)


def test_parametrized_weights_are_refused():
    model, data = example(Plain)
    nn.utils.parametrizations.weight_norm(model.second)
    with pytest.raises(ValueError, match="'second' are parametrized"):
        compress(model, {"first": [0]}, data)


def test_an_expansion_goes_with_its_depthwise_convolution():
    model, data = example(Depthwise)
    small = assert_equal(model, {"depthwise": [0, 7]}, {"depthwise_norm": [0, 7]}, data)
    assert small.expand.out_channels == small.depthwise.groups == 6
    with pytest.raises(ValueError, match="would lose all 8"):
        compress(model, {"depthwise": [0, 1, 2, 3], "expand": [4, 5, 6, 7]}, data)


@pytest.mark.parametrize(("layers", "kind", "reason"), [
    ([("first", [0])], TypeError, "maps banks to the filters"),
    ({"frist": [0]}, ValueError, "Nearest: 'first'"),
    ({"norm": [0]}, ValueError, "names a convolution"),
    ({"first": 0}, TypeError, "of 'first' are .*; found 0, not a list of whole numbers"),
    ({"first": [0.5]}, TypeError, "whole numbers"),
    ({"first": [True]}, TypeError, "whole numbers"),
    ({"first": "01"}, TypeError, "whole numbers"),
    ({"first": [6]}, ValueError, "filters 0 to 5; found 6"),
    ({"first": [-1]}, ValueError, "found -1"),
    ({"first": [1, 1]}, ValueError, "once"),
    ({"first": [0, 1, 2, 3, 4, 5]}, ValueError, "'first' would lose all 6"),
])  # fmt: skip
def test_arguments_are_checked_by_name(layers, kind, reason):
    model, data = example(Plain)
    with pytest.raises(kind, match=reason):
        compress(model, layers, data)


def test_a_bank_named_twice_is_refused():
    model, data = example(Plain)
    with pytest.raises(ValueError, match="'first' twice"):
        compress(model, {"first": [0], model.first: [1]}, data)
