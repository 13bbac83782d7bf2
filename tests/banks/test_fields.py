"""Receptive fields, checked against what really moves a bank's output."""

import math
import warnings

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from carviz.banks import field_of, open_network
from carviz.banks.geometry import WHOLE


class Around(nn.Module):
    """A 3 x 3 convolution on what `step` makes of the image."""

    def __init__(self, step, channels=3):
        super().__init__()
        torch.manual_seed(0)
        self.step, self.conv, self.last = step, nn.Conv2d(channels, 4, 3), nn.Linear(4, 2)

    def forward(self, x):
        maps = self.conv(self.step(x))
        return self.last(maps.mean((2, 3)).view(x.shape[0], -1, 4).mean(1))


class Blur(nn.Module):
    """A blur written as a function, whose kernel is stored once and made wide in forward."""

    def __init__(self, widen, padding=0):
        super().__init__()
        self.widen, self.padding = widen, padding
        self.register_buffer("kernel", torch.ones(1, 1, 5, 5) / 25)

    def forward(self, x):
        return F.conv2d(x, self.widen(self.kernel), padding=self.padding, groups=3)


class Weak(nn.Module):
    """Adds a trace of the mirrored map in a way that the graph does not tell."""

    def forward(self, x):
        return x + 0.01 * torch.index_select(x, 3, torch.arange(x.shape[3] - 1, -1, -1))


class Gate(nn.Module):
    """Squeeze and excite."""

    def __init__(self):
        super().__init__()
        self.squeeze = nn.Conv2d(3, 3, 1)

    def forward(self, x):
        return x * torch.sigmoid(20 * self.squeeze(F.adaptive_avg_pool2d(x, 1)))


@pytest.mark.parametrize(
    "widen",
    [
        lambda k: k.expand(3, 1, -1, -1),
        lambda k: k.repeat(3, 1, 1, 1),
        lambda k: k.float().expand(3, -1, 5, 5) * 2,
    ],
)
@pytest.mark.parametrize(("padding", "start"), [(0, 0), ("same", -2), ("valid", 0)])
def test_stored_kernels_that_are_made_wide(widen, padding, start):
    network = open_network(Around(Blur(widen, padding)).eval())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        field = field_of(network, "conv", (24, 24))
    assert (field.size, field.jump, field.start) == ((7, 7), (1, 1), (start, start))


class Scaled(Blur):
    """Its kernel is stored beside a learned scale, which stands first in the product."""

    def __init__(self, scale):
        super().__init__(None)
        self.scale = nn.Parameter(scale)

    def forward(self, x):
        return F.conv2d(x, self.scale * self.kernel.expand(3, 1, -1, -1), groups=3)


@pytest.mark.parametrize("scale", [torch.tensor(2.0), torch.full((3, 1, 1, 1), 2.0)])
def test_a_stored_scale_is_no_kernel(scale):
    network = open_network(Around(Scaled(scale)).eval())
    assert field_of(network, "conv").size == (7, 7)


def test_a_weak_slope_outside_is_found():
    network = open_network(Around(Weak()).eval())
    assert not field_of(network, "conv").whole
    with pytest.warns(UserWarning, match="beyond the receptive field"):
        assert field_of(network, "conv", (24, 24)) is WHOLE


@pytest.mark.parametrize("step", [Gate(), nn.GroupNorm(3, 3)])
def test_gates_and_norms_over_the_map_are_left_out(step):
    network = open_network(Around(step).eval())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert field_of(network, "conv", (24, 24)).size == (3, 3)


class Crops(nn.Module):
    """Lays four quarters of each image into the batch."""

    def forward(self, x):
        count, channels, height, width = x.shape
        x = x.reshape(count, channels, 2, height // 2, 2, width // 2).permute(0, 2, 4, 1, 3, 5)
        return x.reshape(-1, channels, height // 2, width // 2)


class Frames(nn.Module):
    """Takes the channels of an image for frames."""

    def forward(self, x):
        return x.reshape(-1, 1, 24, 24)


@pytest.mark.parametrize(("step", "channels"), [(Crops(), 3), (Frames(), 1)])
def test_folded_batches_show_whole_images_without_a_word(step, channels):
    model = Around(step, channels).eval()
    assert model(torch.rand(2, 3, 24, 24)).shape == (2, 2)
    network = open_network(model)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert math.isinf(field_of(network, "conv", (24, 24)).size[0])
