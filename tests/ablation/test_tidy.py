"""Rewriting a network: fewer passes over memory, the same numbers."""

import operator

import pytest
import torch
from support.random_networks import Active, Sites
from support.small import random_images
from support.woken import wake
from torch import nn

from carviz.ablation import choose_plan
from carviz.ablation.tidy import add_into, fold, tidy
from carviz.banks import open_network

IMAGES, _ = random_images(8, size=12)


def normed():
    """Two units of convolution and BatchNorm; a third BatchNorm is nobody's own."""
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 6, 3), nn.BatchNorm2d(6),
        nn.ReLU(), nn.MaxPool2d(2), nn.BatchNorm2d(6), nn.Flatten(), nn.LazyLinear(5),
    )  # fmt: skip
    model(IMAGES)
    return wake(model.eval(), IMAGES)


def folded(network, layer):
    """Return the graph with its BatchNorms folded, but for those of a bank."""
    return fold(network.graph, set(network.calls(layer)))[0]


def kinds(graph):
    """Return the types of the modules that a graph calls, in order."""
    called = [graph.get_submodule(n.target) for n in graph.graph.nodes if n.op == "call_module"]
    return [type(m).__name__ for m in called]


@torch.inference_mode()
def test_batch_norms_are_folded_but_for_the_banks_own():
    network = open_network(normed())
    for layer, left in (("0", 2), ("3", 2)):
        graph = folded(network, layer)
        assert kinds(graph).count("BatchNorm2d") == left
        torch.testing.assert_close(graph(IMAGES), network.model(IMAGES), atol=1e-5, rtol=0)
    assert kinds(network.graph).count("BatchNorm2d") == 3


def test_folding_leaves_the_given_weights_alone():
    network = open_network(normed())
    kept = {name: value.clone() for name, value in network.model.state_dict().items()}
    folded(network, "0")
    for name, value in network.model.state_dict().items():
        assert torch.equal(value, kept[name])


@torch.inference_mode()
def test_a_batch_norm_with_a_second_reader_of_its_convolution_stays():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.conv = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 1)
            self.norm = nn.BatchNorm2d(4)
            self.last = nn.Linear(4, 5)

        def forward(self, images):
            maps = self.conv(self.first(images))
            return self.last((self.norm(maps) + maps).mean((2, 3)))

    model = wake(Two().eval(), IMAGES)
    assert "BatchNorm2d" in kinds(folded(open_network(model), "first"))


@torch.inference_mode()
def test_a_normalisation_with_an_activation_inside_is_not_folded():
    """torch's `fuse_conv_bn_eval` takes it, being a subclass, and leaves the activation out."""
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.Conv2d(4, 6, 3), Active(6, Sites(), "", torch.relu), nn.Flatten(),
        nn.LazyLinear(5),
    ).eval()  # fmt: skip
    model(IMAGES)
    network = open_network(model)
    torch.testing.assert_close(folded(network, "0")(IMAGES), model(IMAGES), atol=1e-5, rtol=0)


def test_half_precision_is_not_folded():
    network = open_network(normed().bfloat16())
    assert kinds(folded(network, "0")).count("BatchNorm2d") == 3


@torch.inference_mode()
def test_pooling_comes_before_relu_with_the_same_bits():
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(3, 2, padding=1, ceil_mode=True), nn.Flatten(),
        nn.LazyLinear(5),
    ).eval()  # fmt: skip
    model(IMAGES)
    network = open_network(model)
    expected = network.graph(IMAGES)
    tail = tidy(network.graph)
    assert kinds(tail)[1:3] == ["MaxPool2d", "ReLU"]
    assert torch.equal(tail(IMAGES), expected)


@torch.inference_mode()
def test_a_relu_that_something_else_reads_stays_before_the_pooling():
    class Skip(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.relu, self.pool = nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(10)
            self.last = nn.Linear(4, 5)

        def forward(self, images):
            maps = self.relu(self.conv(images))
            return self.last(self.pool(maps).flatten(1) + maps.mean((2, 3)))

    model = Skip().eval()
    network = open_network(model)
    expected = network.graph(IMAGES)
    tail = tidy(network.graph)
    assert kinds(tail)[:3] == ["Conv2d", "ReLU", "MaxPool2d"]
    assert torch.equal(tail(IMAGES), expected)


@pytest.mark.parametrize("activation", [nn.ReLU, nn.LeakyReLU, nn.SiLU, nn.Hardswish])
@torch.inference_mode()
def test_only_fresh_tensors_are_overwritten(activation):
    model = nn.Sequential(activation(), nn.Conv2d(3, 5, 12), activation(), nn.Flatten()).eval()
    network = open_network(model)
    expected, images = network.graph(IMAGES), IMAGES.clone()
    tail = tidy(network.graph)
    assert torch.equal(tail(images), expected)
    assert torch.equal(images, IMAGES)  # the tail's input belongs to others
    inside = [m.inplace for n, m in tail.named_modules() if n.startswith("tidied")]
    assert inside == [True]
    assert not any(m.inplace for m in model if isinstance(m, activation))


@torch.inference_mode()
def test_a_sum_overwrites_its_branch_and_never_the_skip():
    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.branch = nn.Conv2d(3, 5, 3), nn.Conv2d(5, 5, 1)

        def forward(self, images):
            skip = self.first(images)
            return ((skip + self.branch(skip)) + skip).mean((2, 3))

    network = open_network(Residual())
    expected = network.graph(IMAGES)
    tail = tidy(network.graph)
    sums = [n for n in tail.graph.nodes if n.target in (add_into, operator.add)]
    assert [n.target for n in sums] == [add_into, add_into]
    assert torch.equal(tail(IMAGES), expected)


@torch.inference_mode()
def test_a_sum_of_other_shapes_or_types_is_a_new_tensor():
    into, other = torch.ones(2, 1), torch.ones(1, 3)
    assert add_into(into, other).shape == (2, 3)
    assert add_into(torch.ones(2).half(), torch.ones(2)).dtype == torch.float32
    assert torch.equal(into, torch.ones(2, 1))
    same = torch.ones(2)
    assert add_into(same, torch.ones(2)) is same


@torch.inference_mode()
def test_a_plan_is_tidied_and_agrees():
    plan, audit = choose_plan(open_network(normed()), "0", IMAGES[:3])
    assert audit.remark == ""
    assert any(name.startswith("tidied") for name, _ in plan.cut_tail.named_modules())
