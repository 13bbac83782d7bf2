"""What a bank answers: the output of its unit, before any activation, with a graph and without."""

import pytest
import torch
from torch import nn

from carviz.banks import answers, open_network


class Activated(nn.BatchNorm2d):
    """With an activation inside that maps 0 to 0, as timm's BatchNormAct2d has it."""

    def __init__(self, channels, activation):
        super().__init__(channels)
        self.act = activation

    def forward(self, x):
        return self.act(super().forward(x))


class Net(nn.Module):
    """A unit with an activation inside; torch.fx cannot follow it if `hidden`."""

    def __init__(self, activation, *, hidden):
        super().__init__()
        torch.manual_seed(0)
        self.hidden, self.conv, self.norm = hidden, nn.Conv2d(3, 4, 3), Activated(4, activation)
        for tensor in (self.norm.weight, self.norm.bias):
            nn.init.normal_(tensor)
        self.norm.running_mean.normal_()
        self.norm.running_var.uniform_(0.5, 2)

    def forward(self, x):
        if self.hidden and x.sum() > 1e9:
            x = x * 2
        return self.norm(self.conv(x)).mean((2, 3))


@pytest.mark.parametrize("activation", [nn.SiLU(), nn.ReLU(inplace=True), nn.Identity()])
@pytest.mark.parametrize("hidden", [False, True])
def test_the_answer_comes_before_the_activation_inside_a_norm(activation, hidden):
    model = Net(activation, hidden=hidden).eval()
    images = torch.randn(3, 3, 8, 8)
    with torch.no_grad():
        expected = nn.BatchNorm2d.forward(model.norm, model.conv(images))
        (found,) = answers(open_network(model), "conv", images[:1])(images)
    assert float(expected.min()) < -0.5  # where an activation would show
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
