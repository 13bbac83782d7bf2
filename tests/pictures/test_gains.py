"""The norm's gain is in a unit's weights, whether torch.fx can trace the network or not."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import carviz
from carviz.banks import open_network
from carviz.pictures.filters import unit_weights


class Head(nn.Module):
    """A convolution, what follows it, and logits; with a branch on numbers if `hidden`."""

    def __init__(self, norm, *, hidden):
        super().__init__()
        torch.manual_seed(0)
        self.hidden, self.conv, self.norm = hidden, nn.Conv2d(3, 4, 3, padding=1), norm
        self.last = nn.Linear(4, 3)

    def forward(self, x):
        if self.hidden and x.sum() > 1e9:  # torch.fx cannot follow this
            x = x * 2
        return self.last(self.norm(self.conv(x)).relu().mean((2, 3)))


class Functional(nn.Module):
    """A batch normalisation that is no module."""

    def __init__(self, inner):
        super().__init__()
        self.mean, self.var = inner.running_mean, inner.running_var
        self.weight, self.bias = inner.weight, inner.bias

    def forward(self, x):
        # Without the names by which a normalisation module is known.
        return F.batch_norm(x, self.mean, self.var, self.weight, self.bias, eps=1e-3)


class Activated(nn.BatchNorm2d):
    """With an activation inside that does not map 0 to 0."""

    def forward(self, x):
        return torch.sigmoid(super().forward(x))


class Silent(nn.BatchNorm2d):
    """With an activation inside that maps 0 to 0, which torch.fx keeps whole."""

    def forward(self, x):
        return F.silu(super().forward(x))


def batch_norm(kind=nn.BatchNorm2d):
    norm = kind(4)
    norm.weight.data = torch.tensor([1.0, -2.0, 0.5, 3.0])
    norm.bias.data = torch.tensor([0.3, -0.2, 0.1, 0.4])
    norm.running_var = torch.tensor([1.0, 4.0, 0.25, 9.0])
    norm.running_mean = torch.tensor([0.1, 0.2, -0.3, 0.4])
    return norm


GAIN = np.array([1.0, -1.0, 1.0, 1.0])


@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize(
    "norm",
    [
        batch_norm,
        lambda: Functional(batch_norm()),
        lambda: batch_norm(Activated),
        lambda: batch_norm(Silent),
    ],
)
def test_the_gain_and_its_sign_are_in_the_weights(norm, hidden):
    model = Head(norm(), hidden=hidden).eval()
    network = open_network(model)
    assert (network.graph is None) >= hidden
    expected = model.conv.weight.detach().numpy() * GAIN[:, None, None, None]
    assert unit_weights(network, "conv") == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize("hidden", [False, True])
def test_a_unit_without_a_norm_has_the_convolutions_weights(hidden):
    model = Head(nn.Identity(), hidden=hidden).eval()
    assert unit_weights(open_network(model), "conv") == pytest.approx(
        model.conv.weight.detach().numpy()
    )


def test_colours_are_the_same_with_a_graph_and_without():
    pictures = [
        carviz.rgb_weights(Head(batch_norm(), hidden=hidden).eval(), "conv")
        for hidden in (False, True)
    ]
    assert pictures[0] == pytest.approx(pictures[1])


class Small(nn.Module):
    """Takes images of one size only, and cannot be traced."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.last = nn.Conv2d(3, 4, 3), batch_norm(), nn.Linear(4 * 81, 3)

    def forward(self, x):
        if x.sum() > 1e9:
            x = x * 2
        return self.last(self.norm(self.conv(x)).flatten(1))


def test_a_network_that_takes_no_tried_size_wants_data():
    model = Small().eval()
    with pytest.raises(ValueError, match="Give data: images that it takes"):
        carviz.rgb_weights(model, "conv")
    data = (torch.rand(2, 3, 11, 11), torch.tensor([0, 1]))
    pictures = carviz.rgb_weights(model, "conv", data=data)
    weights = model.conv.weight.detach().numpy() * GAIN[:, None, None, None]
    largest = np.abs(weights).max(axis=(1, 2, 3), keepdims=True)
    assert pictures == pytest.approx(0.5 + 0.5 * np.moveaxis(weights / largest, 1, -1), abs=2e-3)
