"""The closed table: what it lets into the head is channel-wise and maps 0 to 0, exactly."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from carviz.ablation.steps import moves_into_head
from carviz.banks import open_network

INSIDE = [
    nn.ReLU(), nn.ReLU6(), nn.LeakyReLU(), nn.PReLU(4), nn.ELU(), nn.GELU(), nn.SiLU(), nn.Mish(),
    nn.Hardswish(), nn.Tanh(), nn.MaxPool2d(3, 2, 1), nn.MaxPool2d(2, ceil_mode=True),
    nn.AvgPool2d(3, 2, 1), nn.AvgPool2d(2, ceil_mode=True, count_include_pad=False),
    nn.AdaptiveAvgPool2d(3), nn.AdaptiveMaxPool2d(2), nn.Upsample(scale_factor=2),
    nn.Upsample(scale_factor=2, mode="bilinear"), nn.Dropout(), nn.Dropout2d(), nn.Identity(),
]  # fmt: skip
OUTSIDE = [
    nn.Sigmoid(), nn.Softplus(), nn.Softmax(1), nn.BatchNorm2d(4), nn.GroupNorm(2, 4),
    nn.InstanceNorm2d(4), nn.ChannelShuffle(2), nn.Conv2d(4, 4, 1, groups=4), nn.Hardsigmoid(),
    nn.LogSigmoid(), nn.CELU(), nn.Threshold(0.1, 20), nn.LocalResponseNorm(2),
    nn.Upsample(scale_factor=2, mode="bicubic"),
]  # fmt: skip


class Functional(nn.Module):
    def __init__(self, step):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.step = step

    def forward(self, images):
        return self.step(self.conv(images)).flatten(1)


def node_after(step):
    network = open_network(Functional(step))
    call = network.calls("conv")[0]
    return network.graph, next(iter(call.users))


@pytest.mark.parametrize("step", INSIDE, ids=str)
def test_steps_in_the_table_commute_with_zeroing_a_channel(step):
    assert moves_into_head(*node_after(step))
    maps = torch.randn(2, 4, 7, 7)
    zeroed = maps.clone()
    zeroed[:, 1] = 0
    after = step.eval()(maps)
    after[:, 1] = 0
    assert torch.equal(step(zeroed), after)


@pytest.mark.parametrize("step", OUTSIDE, ids=str)
def test_other_steps_stay_outside(step):
    assert not moves_into_head(*node_after(step))


@pytest.mark.parametrize(
    ("step", "inside"),
    [
        (F.relu, True),
        (torch.relu, True),
        (lambda x: x.relu(), True),
        (lambda x: F.max_pool2d(x, 2), True),
        (lambda x: F.avg_pool2d(x, 2), True),
        (lambda x: F.dropout(x, training=False), True),
        (lambda x: F.interpolate(x, scale_factor=2), True),
        (lambda x: F.interpolate(x, scale_factor=2, mode="bicubic"), False),
        (torch.sigmoid, False),
        (lambda x: x + 1, False),
        (lambda x: x.flip(1), False),
    ],
)
def test_functions(step, inside):
    assert moves_into_head(*node_after(step)) is inside
