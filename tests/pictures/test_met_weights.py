"""Weights read off a convolution's answers: grouped ones, and sums of branches."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import carviz
from carviz.banks import open_network
from carviz.pictures.filters import unit_weights


class Standardised(nn.Conv2d):
    """Standardises its weight in its forward pass."""

    def met(self):
        w = self.weight
        return (w - w.mean((1, 2, 3), keepdim=True)) / w.std((1, 2, 3), keepdim=True)

    def forward(self, x):
        return F.conv2d(
            x, self.met(), self.bias, self.stride, self.padding, self.dilation, self.groups
        )


@pytest.mark.parametrize("groups", [1, 2, 6])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("dilation", [1, 2])
def test_standardised_weights_of_any_groups(groups, stride, dilation):
    torch.manual_seed(0)
    convolution = Standardised(
        6, 12, (3, 5), stride=stride, padding=(2, 1), dilation=dilation, groups=groups
    )
    convolution.weight.data += 3
    model = nn.Sequential(convolution, nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    found = unit_weights(open_network(model), "0")
    assert found == pytest.approx(convolution.met().detach().numpy(), abs=1e-4)


class Branches(nn.Module):
    """RepVGG's sum: a 3 x 3, a 1 x 1 and the input itself, each normalised."""

    def __init__(self, groups=1):
        super().__init__()
        torch.manual_seed(1)
        self.three = nn.Conv2d(4, 4, 3, padding=1, groups=groups, bias=False)
        self.one = nn.Conv2d(4, 4, 1, groups=groups, bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(4) for _ in range(3))
        for norm in self.norms:
            norm.weight.data.normal_()
            norm.running_var.uniform_(0.5, 2)
            norm.running_mean.normal_()
        self.last = nn.Linear(4, 3)

    def forward(self, x):
        three, one, itself = self.norms
        total = three(self.three(x)) + one(self.one(x)) + itself(x)
        return self.last(total.relu().mean((2, 3)))

    def merged(self):
        """The kernel of the one convolution that the sum is."""
        three, one, itself = (
            (n.weight / (n.running_var + n.eps).sqrt()).detach()[:, None, None, None]
            for n in self.norms
        )
        kernel = torch.zeros(4, 4, 3, 3)
        each = self.three.weight.shape[1]
        for row in range(4):
            first = row // each * each
            kernel[row, first : first + each] = three[row] * self.three.weight.data[row]
            kernel[row, first : first + each, 1:2, 1:2] += one[row] * self.one.weight.data[row]
            kernel[row, row, 1, 1] += itself[row, 0, 0, 0]
        return kernel.numpy()


@pytest.mark.parametrize("groups", [1, 4])
def test_a_sum_of_branches_weighs_what_its_merged_convolution_does(groups):
    model = Branches(groups).eval()
    network = open_network(model)
    name = next(n for n in network.layers() if " + " in n)
    assert unit_weights(network, name) == pytest.approx(model.merged(), abs=1e-4)


def test_siblings_of_a_sum():
    model = Branches().eval()
    name = next(n for n in open_network(model).layers() if " + " in n)
    merged = torch.from_numpy(model.merged()).flatten(1)
    data = (torch.randn(6, 4, 5, 5), torch.zeros(6).long())
    found = carviz.measure_siblings(model, data, name, progress=False)
    expected = F.cosine_similarity(merged[:, None], merged[None], dim=-1)
    assert found.by_weights == pytest.approx(expected.numpy(), abs=1e-4)


def test_colours_of_a_sum_that_reads_rgb():
    torch.manual_seed(0)

    class Stem(nn.Module):
        def __init__(self):
            super().__init__()
            self.three, self.one = nn.Conv2d(3, 2, 3, padding=1), nn.Conv2d(3, 2, 1)

        def forward(self, x):
            return (self.three(x) + self.one(x)).relu().mean((2, 3))

    model = Stem().eval()
    plain = nn.Sequential(
        nn.Conv2d(3, 2, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    plain[0].weight.data = model.three.weight.data + F.pad(model.one.weight.data, (1, 1, 1, 1))
    name = "three + one"
    assert carviz.rgb_weights(model, name) == pytest.approx(
        carviz.rgb_weights(plain.eval(), "0"), abs=1e-4
    )
    assert list(carviz.measure_selectivity(model, name).color_index) == pytest.approx(
        list(carviz.measure_selectivity(plain, "0").color_index), abs=1e-4
    )
