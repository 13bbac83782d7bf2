"""Parameters that belong to no layer are cut along; weights made anew at each call are refused."""

import pytest
import torch
from support.compression_judge import assert_equal, awake
from support.compression_networks import Plain, example
from torch import Tensor, nn
from torch.nn.utils import (
    prune,
    remove_spectral_norm,
    remove_weight_norm,
    spectral_norm,
    weight_norm,
)

from carviz.compression import compress


class Scaled(nn.Module):
    """A block as ConvNeXt's: what a branch gives is scaled channel by channel, then added."""

    def __init__(self, shape: tuple[int, ...] = (6, 1, 1)) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.depthwise = nn.Conv2d(6, 6, 3, padding=1, groups=6)
        self.wide, self.narrow = nn.Conv2d(6, 9, 1), nn.Conv2d(9, 6, 1)
        self.layer_scale = nn.Parameter(torch.linspace(0.5, 2.0, 6).reshape(shape))
        self.last = nn.Conv2d(6, 5, 1)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.stem(images)
        branch = self.narrow(nn.functional.gelu(self.wide(self.depthwise(maps))))
        scale = self.layer_scale.view(1, -1, 1, 1)
        return self.last(maps + scale * branch).mean((2, 3))


class Inside(nn.Module):
    """A scale and a shift for each channel between two convolutions, under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 7, 1)
        self.layer_scale = self.again = nn.Parameter(torch.rand(6, 1, 1) + 0.5)
        self.shift = nn.Parameter(torch.randn(1, 6, 1, 1))
        self.last = nn.Conv2d(7, 5, 1)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.first(images) * self.layer_scale + self.shift
        return self.last(torch.relu(self.second(torch.relu(maps)))).mean((2, 3))


@pytest.mark.parametrize("shape", [(6, 1, 1), (6,), (1, 6, 1, 1)])
def test_a_layer_scale_is_cut_with_its_stream(shape):
    torch.manual_seed(0)
    model, data = awake(Scaled(shape))
    assert_equal(model, {"wide": [0, 4]}, {"wide": [0, 4]}, data)
    plan = {"stem": [1, 4], "narrow": [1, 4], "depthwise": [1, 4]}
    small = assert_equal(model, plan, plan, data)
    assert small.layer_scale.numel() == 4
    assert torch.equal(small.layer_scale.flatten(), model.layer_scale.flatten()[[0, 2, 3, 5]])
    assert model.layer_scale.numel() == 6
    with pytest.raises(ValueError, match="would go too"):
        compress(model, {"narrow": [2]}, data)


def test_scale_and_shift_are_cut_and_what_the_shift_gives_is_kept():
    torch.manual_seed(0)
    model, data = awake(Inside())
    model.layer_scale.requires_grad_(False)
    small = assert_equal(model, {"first": [0, 3]}, {"first": [0, 3]}, data)
    assert small.layer_scale is small.again
    assert small.layer_scale.shape == (4, 1, 1)
    assert small.shift.shape == (1, 4, 1, 1)
    assert not small.layer_scale.requires_grad
    assert small.shift.requires_grad


def test_a_parameter_with_a_value_for_each_place_is_refused():
    class Placed(Inside):
        def __init__(self) -> None:
            super().__init__()
            self.shift = nn.Parameter(torch.randn(1, 6, 10, 10))

    torch.manual_seed(0)
    model, data = awake(Placed())
    with pytest.raises(ValueError, match=r"'shift' behind 'first' has shape \(1, 6, 10, 10\)"):
        compress(model, {"first": [0]}, data)


def masked(model):
    prune.l1_unstructured(model.second, "weight", 0.3)
    return lambda: prune.remove(model.second, "weight")


def masked_twice(model):
    prune.l1_unstructured(model.second, "weight", 0.3)
    prune.random_unstructured(model.second, "weight", 0.3)
    return lambda: prune.remove(model.second, "weight")


def older_weight_norm(model):
    weight_norm(model.second)
    return lambda: remove_weight_norm(model.second)


def older_spectral_norm(model):
    spectral_norm(model.second)
    return lambda: remove_spectral_norm(model.second)


@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
@pytest.mark.parametrize(("make", "words"), [
    (masked, r"a mask of torch.nn.utils.prune of 'second' .*prune.remove\(module, 'weight'\)"),
    (masked_twice, r"a mask of torch.nn.utils.prune of 'second' .*prune.remove\(module, 'weight'"),
    (older_weight_norm, r"the older weight_norm of 'second' .*remove_weight_norm"),
    (older_spectral_norm, r"the older spectral_norm of 'second' .*remove_spectral_norm\(module"),
])  # fmt: skip
def test_weights_that_are_made_anew_are_the_reason_and_the_way_out_works(make, words):
    model, data = example(Plain)
    take_off = make(model)
    model.eval()
    for plan in ({"first": [1]}, {"second": [1]}):
        with pytest.raises(ValueError, match=words):
            compress(model, plan, data)
    plan = {"third": [0]}  # which neither makes nor reads them
    assert compress(model, plan, data).third.out_channels == 6
    take_off()
    assert_equal(model, {"first": [1], "second": [1]}, {"norm": [1], "second": [1]}, data)
