"""head | bank | tail computes what the network computes, wherever it is cut."""

import pytest
import torch
from support.small import Residual, Twice, random_images
from support.woken import wake
from torch import nn

from carviz.ablation.steps import moves_into_head
from carviz.banks import cut, open_network, zero_channels

IMAGES = random_images()[0]
WHOLE = torch.full((len(IMAGES), 1), -1)


def parts_of(network, layer, *options):
    """Cut an opened network at the ends of a bank's units."""
    return cut(network.graph, layer, network.unit_ends(layer), *options)


@pytest.mark.parametrize("network", [Residual, Twice])
@pytest.mark.parametrize("may_move", [None, moves_into_head])
def test_head_and_tail_make_the_network(network, may_move):
    model = wake(network(), IMAGES).eval()
    opened = open_network(model)
    for layer in opened.layers():
        parts = parts_of(opened, layer, may_move)
        torch.testing.assert_close(
            parts.tail(WHOLE, 0, *parts.head(IMAGES)), model(IMAGES), rtol=1e-4, atol=1e-4
        )


def test_nothing_happens_in_place():
    model = wake(Residual(), IMAGES)
    opened = open_network(model)
    parts = parts_of(opened, "first")
    values = parts.head(IMAGES)
    kept = [v.clone() for v in values]
    parts.tail(WHOLE, 0, *values)
    assert all(torch.equal(a, b) for a, b in zip(values, kept, strict=True))
    assert model.relu.inplace


def test_in_place_steps_are_seen_by_those_who_read_later():
    class Sly(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 1)
            self.relu = nn.ReLU(inplace=True)

        def forward(self, images):
            maps = self.conv(images)
            maps.mul_(2)
            torch.nn.functional.leaky_relu(maps, 0.5, True)
            torch.nn.functional.hardtanh_(maps, -0.2, 3.0)
            self.relu(maps)
            return (maps + torch.nn.functional.relu(maps - 1, inplace=True)).mean((2, 3))

    model = Sly()
    parts = parts_of(open_network(model), "conv")
    torch.testing.assert_close(parts.tail(WHOLE, 0, *parts.head(IMAGES)), model(IMAGES))


def test_arguments_beside_the_image_keep_their_defaults():
    class Optional(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 1)

        def forward(self, images, mask=None, scale=2.0, deep=False):
            if mask is not None:
                images = images * mask
            maps = self.conv(images) * scale
            return maps.mean((2, 3)) if not deep else maps

    model = Optional()
    parts = parts_of(open_network(model), "conv")
    torch.testing.assert_close(parts.tail(WHOLE, 0, *parts.head(IMAGES)), model(IMAGES))


def test_each_row_loses_its_own_set():
    maps = torch.rand(3, 4, 2, 2)
    zeroed = zero_channels(maps, torch.tensor([[2, 3], [-1, -1], [0, -1]]))
    assert (zeroed[0, 2:] == 0).all()
    assert (zeroed[2, 0] == 0).all()
    assert torch.equal(zeroed[1], maps[1])
    assert int((zeroed != maps).sum()) == 12


@pytest.mark.parametrize("shape", [(6, 4, 2, 3), (4, 2, 3), (2, 3, 4, 2, 3)])
def test_one_set_goes_from_every_row_whatever_a_row_is(shape):
    maps = torch.rand(shape)
    zeroed = zero_channels(maps, torch.tensor([[1, -1, 3]]))
    assert (zeroed[..., [1, 3], :, :] == 0).all()
    assert torch.equal(zeroed[..., [0, 2], :, :], maps[..., [0, 2], :, :])


@pytest.mark.parametrize("channels", [[[2], [-1], [0]], [[1]]])
def test_another_value_stands_in_the_channels_place(channels):
    maps, channels = torch.rand(3, 4, 2, 2), torch.tensor(channels)
    means = maps.mean((0, 2, 3), keepdim=True)
    gone = zero_channels(torch.ones_like(maps), channels) == 0
    assert torch.equal(zero_channels(maps, channels, 0.5), torch.where(gone, 0.5, maps))
    assert torch.equal(zero_channels(maps, channels, means), torch.where(gone, means, maps))


@pytest.mark.parametrize(
    ("after", "where"),
    [
        ([nn.BatchNorm2d(4), nn.ReLU()], "'1'"),
        ([nn.Dropout(), nn.BatchNorm2d(4)], "'2'"),
        ([nn.ReLU(), nn.BatchNorm2d(4)], "'0'"),
        ([nn.GroupNorm(2, 4)], "'0'"),
        ([nn.Conv2d(4, 4, 1, groups=4), nn.BatchNorm2d(4)], "'0'"),
    ],
)
def test_the_unit_is_the_convolution_with_its_own_batch_norm(after, where):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), *after, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    assert f"output of {where}" in parts_of(open_network(model), "0").where
