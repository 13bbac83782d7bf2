"""Constants that BatchNorms answer a zero with: folded where that is exact, refused elsewhere."""

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
from torch import nn

from carviz.compression import compress


def behind_a_foreign_norm(kernel: int, padding: int, mode: str = "zeros"):
    """Return a network whose first bank, behind no BatchNorm of its own, is read through one."""
    stem = nn.Conv2d(3, 6, 3, padding=1)
    # A ReLU between them makes the BatchNorm nobody's own.
    reader = nn.Conv2d(6, 4, kernel, padding=padding, padding_mode=mode)
    return sequence(
        stem, nn.ReLU(), nn.BatchNorm2d(6), nn.ReLU6(), reader,
        nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5),
    )  # fmt: skip


@pytest.mark.parametrize(("kernel", "padding", "mode"), [
    (1, 0, "zeros"), (3, 0, "zeros"), (3, 1, "reflect"), (3, 1, "circular"),
])  # fmt: skip
def test_constants_are_folded_where_that_is_exact(kernel, padding, mode):
    model, data = behind_a_foreign_norm(kernel, padding, mode)
    small = assert_equal(model, {"0": [0, 2, 5]}, {"0": [0, 2, 5]}, data)
    assert not torch.allclose(small[4].bias, model[4].bias, atol=1e-3), "nothing was folded"


@pytest.mark.parametrize(("kernel", "padding"), [(3, 1), (1, 1), (3, "same")])
def test_padded_readers_of_a_constant_are_refused(kernel, padding):
    model, data = behind_a_foreign_norm(kernel, padding)
    with pytest.raises(ValueError, match=r"of '0' cannot be removed.*'4'.* pads it with zeros"):
        compress(model, {"0": [0, 2, 5]}, data)


def test_a_padded_reader_of_a_constant_that_a_relu_makes_zero_is_no_trouble():
    model, data = behind_a_foreign_norm(3, 1)
    with torch.no_grad():  # the constant of filter 2 is below zero
        model[2].bias[2] = -9.0
        model[2].weight[2], model[2].running_mean[2] = 8.0, 0.2
    small = compress(model, {"0": [2]}, data)
    expected = ablated_logits(model, {"0": [2]}, data[0])
    assert relative(logits(small, data[0]), expected) < 1e-6


def test_a_padded_depthwise_reader_of_a_constant_is_refused_at_its_place():
    model, data = sequence(
        nn.Conv2d(3, 4, 1), nn.ReLU(), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3, padding=1, groups=4),
        nn.Conv2d(4, 5, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
    )  # fmt: skip
    with pytest.raises(ValueError, match=r"Filter 1 of '0' cannot be removed.*'3'.* pads it"):
        compress(model, {"0": [1]}, data)


def test_a_constant_before_a_flattening_and_a_linear_layer():
    """Padded average pooling makes another constant at the edges, each a feature of its own."""
    model, data = _flattened()
    small = assert_equal(model, {"0": [1, 2]}, {"0": [1, 2]}, data)
    assert small[6].in_features == 18
    assert small[6].bias is not None


def _flattened():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.BatchNorm2d(4), nn.GELU(),
        nn.AvgPool2d(4, 3, padding=1), nn.Flatten(), nn.Linear(36, 5),
    )  # fmt: skip
    model, data = awake(model)
    model[6].bias = None
    return model, data


class Accident(nn.Module):
    """A skip whose sum is below zero on every image that is likely to be seen."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.branch = nn.Conv2d(4, 4, 3, padding=1)
        self.last = nn.Conv2d(4, 5, 1)

    def forward(self, images):
        maps = self.stem(images)
        return self.last(torch.relu(maps + self.branch(maps))).mean((2, 3))


def test_a_channel_that_is_zero_by_accident_is_not_taken_for_a_constant():
    model, data = awake(Accident())
    with torch.no_grad():
        model.stem.bias[2] = -60.0
        assert not torch.relu(model.stem(data[0]))[:, 2].any()
    with pytest.raises(ValueError, match="filters of 'stem' would go too"):
        compress(model, {"branch": [2]}, data)


def test_a_constant_before_a_grouped_convolution():
    model, data = sequence(
        nn.Conv2d(3, 8, 3), nn.ReLU(), nn.BatchNorm2d(8), nn.Conv2d(8, 6, 3, groups=2), nn.ReLU(),
        nn.Conv2d(6, 5, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
    )  # fmt: skip
    assert_equal(model, {"0": [1, 5]}, {"0": [1, 5]}, data)
