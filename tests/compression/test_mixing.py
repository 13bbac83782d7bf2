"""Steps that mix channels by where they stand are named before Torch-Pruning meets them."""

import pytest
import torch
from support.compression_judge import assert_equal, awake
from torch import Tensor, nn
from torch.nn import functional as F

from carviz.compression import compress, groups
from carviz.compression.mixing import find_mixing


class Steps(nn.Module):
    """A convolution, a step, and a convolution that reads what it gives."""

    def __init__(self, step) -> None:
        super().__init__()
        self.first, self.step, self.last = nn.Conv2d(3, 8, 3), step, nn.LazyConv2d(5, 1)
        with torch.no_grad():
            self(torch.zeros(2, 3, 12, 12))  # tells the last one how many channels it reads

    def forward(self, images: Tensor) -> Tensor:
        return self.last(self.step(torch.relu(self.first(images)))).mean((2, 3))


class Channels(nn.Module):
    """Efficient channel attention: a window slides over the channels."""

    def __init__(self) -> None:
        super().__init__()
        self.window = nn.Conv1d(1, 1, 3, padding=1)

    def forward(self, maps: Tensor) -> Tensor:
        mean = F.adaptive_avg_pool2d(maps, 1).squeeze(-1).transpose(-1, -2)
        return maps * torch.sigmoid(self.window(mean).transpose(-1, -2).unsqueeze(-1))


def gather(maps: Tensor) -> Tensor:
    return torch.gather(maps, 1, torch.zeros_like(maps, dtype=torch.int64))


MIX = {
    "response norm": (nn.LocalResponseNorm(3), "_norm in 'step', a LocalResponseNorm"),
    "response norm, called": (lambda x: F.local_response_norm(x, 2), "local_response_norm in the"),
    "shuffle": (nn.ChannelShuffle(2), "channel_shuffle in 'step'"),
    "to places": (nn.PixelShuffle(2), "pixel_shuffle in 'step'"),
    "from places": (nn.PixelUnshuffle(2), "pixel_unshuffle in 'step'"),
    "unfold": (lambda x: F.unfold(x, 3).unflatten(2, (8, 8)), "unfold in the model"),
    "fold": (lambda x: F.fold(x.flatten(2)[:, :, :25], (6, 6), 2), "fold in the model"),
    "attention": (Channels(), "conv1d in 'step.window', a Conv1d"),
    "cumsum": (lambda x: x.cumsum(1), "cumsum"),
    "cumsum by name": (lambda x: torch.cumsum(x, dim=-3), "cumsum"),
    "roll": (lambda x: x.roll(1, 1), "roll"),
    "roll of several": (lambda x: torch.roll(x, (1, 2), dims=(3, 1)), "roll"),
    "roll of all": (lambda x: x.roll(1), "roll"),
    "flip": (lambda x: x.flip(1), "flip"),
    "flip of two": (lambda x: x.flip(2, 1), "flip"),
    "sort": (lambda x: x.sort(1).values, "sort"),
    "topk": (lambda x: x.topk(4, 1).values, "topk"),
    "fourier": (lambda x: torch.fft.fft(x, dim=1).real, "fft_fft"),
    "fourier of all": (lambda x: torch.fft.fftn(x).real, "fft_fftn"),
    "picked": (lambda x: x[:, [3, 1, 2, 0, 7, 6, 5, 4]], "picking channels by number"),
    "picked from the end": (lambda x: x[..., torch.arange(8).flip(0), :, :], "picking channels"),
    "index_select": (lambda x: x.index_select(1, torch.arange(8)), "index_select"),
    "gather": (gather, "gather"),
    "pooled": (lambda x: F.avg_pool3d(x[:, None], (3, 1, 1)).squeeze(1), "avg_pool3d"),
    "flat": (lambda x: x.flatten(1).cumsum(1).view_as(x), "cumsum"),
    "behind a skip": (lambda x: (x + x.flip(3)).cumsum(1), "cumsum"),
    "behind a depthwise one": (
        nn.Sequential(nn.Conv2d(8, 8, 3, groups=8), nn.LocalResponseNorm(3)),
        "local_response_norm in 'step.1'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", MIX)
def test_what_mixes_channels_is_named_before_torch_pruning_sees_it(case, monkeypatch):
    step, words = MIX[case]
    torch.manual_seed(0)
    model, data = awake(Steps(step))
    monkeypatch.setattr(groups.tp, "DependencyGraph", None)
    with pytest.raises(ValueError, match="treats its channel apart") as told:
        compress(model, {"first": [1]}, data)
    assert words in str(told.value)
    assert "behind 'first'" in str(told.value)
    assert "Keep the filters ablated" in str(told.value)


LET = {
    "roll over places": lambda x: x.roll(1, 3),
    "cumsum over places": lambda x: x.cumsum(2),
    "flip": lambda x: x.flip(3),
    "flip of the last": lambda x: x.flip(-1, -2),
    "sort over places": lambda x: x.sort(-1).values,
    "some places": lambda x: x[:, :, [0, 2, 4]],
    "some images": lambda x: x[torch.arange(len(x))],
    "fourier over places": lambda x: torch.fft.fft(x).real,
    "fourier over both": lambda x: torch.fft.fft2(x).real,
    "one place behind another": lambda x: x.permute(0, 2, 3, 1).cumsum(1).permute(0, 3, 1, 2),
    "the last channels aside": nn.Sequential(nn.Conv2d(8, 6, 1), nn.LocalResponseNorm(3)),
}


@pytest.mark.parametrize("case", LET)
def test_what_keeps_channels_apart_is_let_through(case):
    torch.manual_seed(0)
    model, data = awake(Steps(LET[case]))
    for parameter in model.parameters():
        parameter.requires_grad_(True)
    assert find_mixing(model, data[0][:2], {"first": [1]}) is None


@pytest.mark.parametrize("case", ["roll over places", "flip", "cumsum over places"])
def test_and_it_is_removed_rightly(case):
    torch.manual_seed(0)
    model, data = awake(Steps(LET[case]))
    assert_equal(model, {"first": [1, 6]}, {"first": [1, 6]}, data)


def test_what_mixes_other_channels_says_nothing_of_this_bank():
    """The original AlexNet normalises behind its first convolutions only."""
    model, data = awake(
        nn.Sequential(
            nn.Conv2d(3, 6, 3), nn.ReLU(), nn.LocalResponseNorm(3), nn.Conv2d(6, 8, 3), nn.ReLU(),
            nn.Conv2d(8, 5, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        )
    )  # fmt: skip
    assert_equal(model, {"3": [0, 7]}, {"3": [0, 7]}, data)
    with pytest.raises(ValueError, match="LocalResponseNorm, behind '0'"):
        compress(model, {"3": [0], "0": [1]}, data)


def test_looking_leaves_the_network_as_it_was():
    model, data = awake(Steps(nn.LocalResponseNorm(3)))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    find_mixing(model, data[0][:2], {"first": [0]})
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    for module in model.modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks
