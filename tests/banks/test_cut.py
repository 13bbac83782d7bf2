"""head | bank | tail computes what the network computes, wherever it is cut."""

import pytest
import torch
from small import Residual, Twice, random_images
from torch import nn
from woken import wake

from carviz.ablation.steps import moves_into_head
from carviz.banks import cut, open_network, zero_filters

IMAGES = random_images()[0]
WHOLE = torch.full((len(IMAGES),), -1)


@pytest.mark.parametrize("network", [Residual, Twice])
@pytest.mark.parametrize("may_move", [None, moves_into_head])
def test_head_and_tail_make_the_network(network, may_move):
    model = wake(network(), IMAGES).eval()
    opened = open_network(model)
    for layer in opened.layers():
        parts = cut(opened, layer, may_move)
        torch.testing.assert_close(
            parts.tail(WHOLE, *parts.head(IMAGES)), model(IMAGES), rtol=1e-4, atol=1e-4
        )


def test_nothing_happens_in_place():
    model = wake(Residual(), IMAGES)
    opened = open_network(model)
    parts = cut(opened, "first")
    values = parts.head(IMAGES)
    kept = [v.clone() for v in values]
    parts.tail(WHOLE, *values)
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
            self.relu(maps)
            return (maps + torch.nn.functional.relu(maps - 1, inplace=True)).mean((2, 3))

    model = Sly()
    parts = cut(open_network(model), "conv")
    torch.testing.assert_close(parts.tail(WHOLE, *parts.head(IMAGES)), model(IMAGES))


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
    parts = cut(open_network(model), "conv")
    torch.testing.assert_close(parts.tail(WHOLE, *parts.head(IMAGES)), model(IMAGES))


def test_zero_filters():
    maps = torch.rand(3, 4, 2, 2)
    zeroed = zero_filters(maps, torch.tensor([2, -1, 0]))
    assert (zeroed[0, 2] == 0).all()
    assert (zeroed[2, 0] == 0).all()
    assert torch.equal(zeroed[1], maps[1])
    assert int((zeroed != maps).sum()) == 8


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
    assert f"output of {where}" in cut(open_network(model), "0").where
