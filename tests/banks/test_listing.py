"""Every convolution is a bank: order, receptive field, who reads RGB, which are gates."""

import math

import pytest
import torch
from support.small import Residual, Stubborn, Twice
from torch import nn

import carviz
from carviz.banks import open_network
from carviz.banks.geometry import receptive_fields


def torchvision_model(name):
    import torchvision

    return torchvision.models.get_model(name, weights=None)


def test_alexnet_by_hand():
    banks = carviz.list_banks(torchvision_model("alexnet"))
    assert banks.layer.tolist() == [f"features.{i}" for i in (0, 3, 6, 8, 10)]
    assert banks.filters.tolist() == [64, 192, 384, 256, 256]
    assert banks.in_channels.tolist() == [3, 64, 192, 384, 256]
    assert banks.kernel_size.tolist() == [(11, 11), (5, 5), (3, 3), (3, 3), (3, 3)]
    # 11; pool 3/2 at jump 4: 19; 5 at jump 8: 51; pool: 67; 3 at jump 16: 99, 131, 163
    assert [f[0] for f in banks.receptive_field] == [11, 51, 99, 131, 163]
    assert banks.reads_rgb.tolist() == [True, False, False, False, False]
    assert not banks.gate.any()


def test_squeeze_and_excite_convolutions_are_gates():
    banks = carviz.list_banks(torchvision_model("mobilenet_v3_small"))
    assert banks[banks.gate].layer.str.contains("fc").all()
    assert banks.gate.sum() == 2 * 9
    maps = banks[~banks.gate].receptive_field
    assert all(math.isfinite(f[0]) for f in maps)
    assert all(math.isinf(f[0]) for f in banks[banks.gate].receptive_field)


def test_forward_order_is_not_the_order_of_definition():
    class Backwards(nn.Module):
        def __init__(self):
            super().__init__()
            self.second = nn.Conv2d(4, 2, 1)
            self.first = nn.Conv2d(3, 4, 1)
            self.never = nn.Conv2d(3, 4, 1)

        def forward(self, images):
            return self.second(self.first(images)).mean((2, 3))

    banks = carviz.list_banks(Backwards())
    assert banks.layer.tolist() == ["first", "second"]
    with pytest.raises(ValueError, match="never called"):
        carviz.measure_car(
            Backwards(), (torch.rand(2, 3, 4, 4), torch.tensor([0, 1])), "never", progress=False
        )


def test_who_reads_rgb():
    grey = nn.Sequential(nn.Conv2d(1, 3, 3), nn.Conv2d(3, 4, 3))
    assert carviz.list_banks(grey).reads_rgb.tolist() == [False, False]
    depthwise = nn.Sequential(nn.Conv2d(3, 3, 3, groups=3))
    assert carviz.list_banks(depthwise).reads_rgb.tolist() == [False]
    assert carviz.list_banks(Residual()).reads_rgb.tolist() == [True, False, False]


def test_a_network_without_a_graph_is_listed_as_it_is_defined():
    banks = carviz.list_banks(Stubborn())
    assert banks.layer.tolist() == ["conv"]
    assert banks.receptive_field.tolist() == [None]
    assert banks.reads_rgb.tolist() == [True]


@pytest.mark.parametrize("name", ["resnet18", "googlenet", "shufflenet_v2_x0_5", "squeezenet1_1"])
def test_receptive_fields_hold_the_gradients_support(name):
    """The gradient of one place of a map reaches no further than the field, and nearly as far."""
    model = torchvision_model(name).eval()
    network = open_network(model)
    fields = receptive_fields(network.graph)
    layers = [layer for layer in network.layers() if fields[network.calls(layer)[0]].size[0] < 90]
    layer = layers[-1]
    size = fields[network.calls(layer)[0]].size[0]
    images = torch.rand(1, 3, 256, 256, requires_grad=True)
    kept = []
    hook = model.get_submodule(layer).register_forward_hook(lambda m, a, out: kept.append(out))
    model(images)
    hook.remove()
    maps = kept[0]
    maps[0, :, maps.shape[2] // 2, maps.shape[3] // 2].sum().backward()
    rows = images.grad[0].abs().sum((0, 2)).nonzero().flatten()
    reach = int(rows[-1] - rows[0]) + 1
    assert 0.5 * size <= reach <= size


def test_a_shared_bank_is_listed_once():
    assert carviz.list_banks(Twice()).layer.tolist() == ["stem", "shared"]


class Stem(nn.Module):
    """A sum of a 1 x 1 and a 3 x 3 convolution of the image."""

    def __init__(self):
        super().__init__()
        self.one, self.three = nn.Conv2d(3, 2, 1), nn.Conv2d(3, 2, 3, padding=1)

    def forward(self, images):
        return (self.one(images) + self.three(images)).relu().mean((2, 3))


def test_a_sum_is_listed_as_its_widest_branch_and_reads_rgb():
    banks = carviz.list_banks(Stem()).set_index("layer")
    assert banks.index.tolist() == ["one", "three", "one + three"]
    assert banks.kernel_size["one + three"] == (3, 3)
    assert banks.receptive_field["one + three"] == (3, 3)
    assert banks.reads_rgb["one + three"]
