"""Where units end, by graph and by hooks; what is a batch normalisation; which sums are banks."""

import operator

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from support.random_networks import Active, OwnFrozen, Sites, sigmoid_like
from support.small import Residual, random_images
from support.woken import wake
from torch import nn
from torchvision.ops import FrozenBatchNorm2d

import carviz
from carviz.ablation.batches import Batch
from carviz.ablation.planning import plan_by_graph
from carviz.banks import OutOfReachError, hooked_ends, list_banks, open_network, units
from carviz.banks.batch_norms import find_batch_norms

IMAGES, LABELS = random_images(12)


class Rows(nn.BatchNorm2d):
    """Not channel by channel: it turns the channels round."""

    def forward(self, maps):
        return super().forward(maps).flip(1)


@pytest.mark.parametrize(
    ("module", "plain", "keeps_zero"),
    [
        (nn.BatchNorm2d(4), True, True),
        (nn.SyncBatchNorm(4), True, True),
        (FrozenBatchNorm2d(4), True, True),
        (OwnFrozen(4), True, True),
        (nn.InstanceNorm2d(4, track_running_stats=True), True, True),
        (Active(4, Sites(), "", torch.relu), False, True),
        (Active(4, Sites(), "", F.hardswish), False, True),
        (Active(4, Sites(), "", sigmoid_like), False, False),
    ],
)
def test_normalisations_are_told_apart_by_trying_them(module, plain, keeps_zero):
    with torch.no_grad():
        for name, scale in (("running_mean", 0.5), ("weight", 0.5), ("bias", 0.5)):
            if getattr(module, name, None) is not None:
                getattr(module, name).add_(torch.randn(4) * scale)
    norm = find_batch_norms(module.eval())[""]
    assert (norm.channels, norm.plain, norm.keeps_zero) == (4, plain, keeps_zero)


@pytest.mark.parametrize("module", [Rows(4), nn.GroupNorm(2, 4), nn.InstanceNorm2d(4), nn.ReLU()])
def test_what_is_none(module):
    assert find_batch_norms(module.eval()) == {}


class Between(nn.Module):
    """A convolution, some steps, and a normalisation."""

    def __init__(self, steps, norm=None):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3), norm or nn.BatchNorm2d(4)
        self.drop, self.last = nn.Dropout(), nn.Linear(4, 5)
        self.steps = steps

    def forward(self, images):
        return self.last(torch.relu(self.steps(self, self.conv(images))).mean((2, 3)))


def functional(model, maps):
    n = model.norm
    return F.batch_norm(maps, n.running_mean, n.running_var, n.weight, n.bias)


def training(model, maps):
    n = model.norm
    return F.batch_norm(maps, None, None, n.weight, n.bias, training=True)


@pytest.mark.parametrize(
    ("steps", "end"),
    [
        (lambda m, x: m.norm(x), "norm"),
        (lambda m, x: m.norm(m.drop(x.clone()).contiguous()), "norm"),
        (lambda m, x: m.norm(F.dropout(x, 0.5, m.training)), "norm"),
        (lambda m, x: m.norm(x.float().to(torch.float32)), "norm"),
        (lambda m, x: (torch._assert(x.ndim == 4, "maps"), m.norm(x))[1], "norm"),
        (functional, "batch_norm"),
        (lambda m, x: m.norm(x) + x, "conv"),
        (lambda m, x: m.norm(torch.relu(x)), "conv"),
        (lambda m, x: m.norm(torch.relu(m.norm(x))), "norm"),
    ],
)
def test_the_unit_of_a_call(steps, end):
    model = wake(Between(steps), IMAGES)
    network = open_network(model)
    (node,) = network.unit_ends("conv")
    name = getattr(node.target, "__name__", node.target)
    assert name == end
    watched = hooked_ends if end != "batch_norm" else None
    if watched is None:
        with pytest.raises(OutOfReachError, match="no module"):
            hooked_ends(network.model, "conv", IMAGES, network.norms)
    else:
        ends = watched(network.model, "conv", IMAGES, network.norms)
        assert ends.ends == ((end, 0),)


def test_an_activation_inside_the_normalisation_is_taken_apart():
    act = Active(4, Sites(), "", sigmoid_like)
    model = wake(Between(lambda m, x: m.norm(x), act), IMAGES)
    (node,) = open_network(model).unit_ends("conv")
    assert node.target is F.batch_norm
    network = open_network(model)
    with pytest.raises(OutOfReachError, match="before its activation"):
        hooked_ends(network.model, "conv", IMAGES, network.norms)


class Branches(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.kind, self.stem = kind, nn.Conv2d(3, 4, 1)
        self.a, self.an = nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.b, self.n = nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)
        self.gamma = nn.Parameter(torch.full((1, 4, 1, 1), 0.5))
        self.last = nn.Linear(4, 5)

    def forward(self, images):
        x = torch.relu(self.stem(images))
        branch = self.an(self.a(x))
        total = {
            "rep": lambda: branch + self.b(x) + self.n(x),
            "in place": lambda: operator.iadd(operator.iadd(0 + branch, self.b(x)), self.n(x)),
            "scaled": lambda: x + self.gamma * (branch - self.n(x)),
            "residual": lambda: x + self.b(torch.relu(branch)),
            "other tensor": lambda: branch + self.b(torch.tanh(x)),
            "read twice": lambda: branch + self.b(x) * torch.sigmoid(branch),
        }[self.kind]()
        return self.last(torch.relu(total).mean((2, 3)))


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("rep", ["a + b + n"]),
        ("in place", ["a + b + n"]),
        ("scaled", ["identity + a + n"]),
        ("residual", []),
        ("other tensor", []),
        ("read twice", []),
    ],
)
def test_sums_of_branches_of_one_tensor_are_banks(kind, names):
    model = wake(Branches(kind), IMAGES)
    banks = list_banks(model)
    assert [layer for layer in banks.layer if " + " in layer] == names
    for name in names:
        table = carviz.measure_car(model, (IMAGES, LABELS), name, progress=False)
        assert table.passport["engine"] == "graph"
        assert "changes the logits as in the network itself" in table.passport["audit"]["found"]
        assert f"the sum {name}" in table.passport["ablation"]
        branch = name.split(" + ")[1 if kind == "scaled" else 0]
        with pytest.warns(UserWarning, match="only this branch is removed"):
            carviz.measure_car(model, (IMAGES, LABELS), branch, progress=False)
        with pytest.raises(ValueError, match="is a sum"):
            carviz.compress(model, {name: [0]}, (IMAGES, LABELS))


def test_numbers_that_follow_from_the_batch_leave_rows_independent():
    class Sized(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.last = nn.Conv2d(3, 4, 3), nn.Linear(4, 5)

        def forward(self, images):
            maps = torch.relu(self.conv(images)).mean((2, 3), keepdim=True)
            return self.last(maps.view(images.size(0), images.shape[1] + 1))

    model = wake(Sized(), IMAGES)
    plan = plan_by_graph(open_network(model), "conv", IMAGES[:3])
    assert plan.rows_independent
    values = plan.head(IMAGES)
    rows = np.array([3, 3, 1, 0, 7])
    with torch.no_grad():
        nothing = Batch.of(rows, np.full((5, 1), -1))
        torch.testing.assert_close(plan.tail(values, nothing), model(IMAGES[rows]))


@pytest.mark.parametrize(
    "write",
    [
        lambda x: x.view(x.size(0), -1).clamp_(min=-0.1),
        lambda x: F.relu_(x[:, :2]),
        lambda x: x.transpose(1, 2).mul_(2),
        lambda x: F.dropout(x, 0.5, False).add_(1),
    ],
)
def test_a_write_into_a_view_is_no_graph_and_still_right(write):
    class Written(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.last = nn.Conv2d(3, 4, 3), nn.Linear(4, 5)

        def forward(self, images):
            maps = self.conv(images)
            write(maps)
            return self.last(maps.mean((2, 3)))

    model = wake(Written(), IMAGES)
    with pytest.warns(UserWarning, match="writes in place into what"):
        table = carviz.measure_car(model, (IMAGES, LABELS), "conv", progress=False)
    assert table.passport["engine"] == "hooks"
    for filter, predictions in enumerate(table.predictions):
        with torch.no_grad():
            maps = model.conv(IMAGES)
            maps[:, filter] = 0
            write(maps)
            expected = model.last(maps.mean((2, 3))).argmax(1)
        assert predictions.tolist() == expected.tolist()


def test_a_bank_under_two_names_is_one_bank():
    model = wake(Residual(), IMAGES)
    model.again = model.first
    assert list_banks(model).layer.tolist() == ["first", "second", "third"]
    tables = [
        carviz.measure_car(model, (IMAGES, LABELS), layer, progress=False)
        for layer in ("first", "again", model.again)
    ]
    assert tables[0] == tables[1] == tables[2]


def test_a_weight_that_a_function_uses_too_goes_on():
    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.last = nn.Conv2d(3, 4, 3), nn.Linear(8, 5)

        def forward(self, images):
            both = [self.conv(images), F.conv2d(images.flip(3), self.conv.weight)]
            return self.last(torch.relu(torch.cat(both, 1)).mean((2, 3)))

    with pytest.warns(UserWarning, match="also used by a function"):
        carviz.measure_car(wake(Shared(), IMAGES), (IMAGES, LABELS), "conv", progress=False)


@pytest.mark.parametrize("few", [0, 4, 9])
@pytest.mark.parametrize("value", [0, 2.5, torch.arange(7.0).view(7, 1, 1)])
def test_channels_of_rows_are_replaced_one_by_one_and_many_at_once(few, value, monkeypatch):
    monkeypatch.setattr(units, "FEW", few)
    maps = torch.randn(3, 7, 2, 2)
    channels = torch.tensor([[0, 6, 2, 3, 4], [-1, 5, -1, -1, -1], [-1, -1, -1, -1, -1]])
    expected = maps.clone()
    for row, gone in enumerate(channels.tolist()):
        for channel in gone:
            if channel >= 0:
                expected[row, channel] = value[channel] if torch.is_tensor(value) else value
    assert torch.equal(units.zero_channels(maps, channels, value), expected)
