"""The audit finds an engine that was broken on purpose, and a network's own traps."""

import dataclasses
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from support.reference import reference_logits
from support.small import Fork, Residual, Twice, random_images
from support.woken import wake
from torch import Tensor, nn

import carviz
from carviz.ablation import auditing, choose_plan, plan, planning, truth, values
from carviz.banks import network, open_network, units
from carviz.car import prepare_car

IMAGES, LABELS = random_images(70)
SAMPLE = IMAGES[:3]
cut = sys.modules["carviz.banks.cut"]  # the room hands out a function of that name


class Normed(nn.Module):
    """A convolution with its own BatchNorm, read by two convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(3, 9, 3, padding=1), nn.BatchNorm2d(9)
        self.left, self.right = nn.Conv2d(9, 4, 3), nn.Conv2d(9, 4, 1)
        self.last = nn.Linear(8, 5)

    def forward(self, images: Tensor) -> Tensor:
        maps = torch.relu(self.norm(self.first(images)))
        both = [self.left(maps).mean((2, 3)), self.right(maps).mean((2, 3))]
        return self.last(torch.relu(torch.cat(both, 1)))


class SideBySide(nn.Module):
    """One bank that sees an image and its mirror image."""

    def __init__(self) -> None:
        super().__init__()
        self.shared, self.last = nn.Conv2d(3, 8, 3), nn.Linear(16, 5)

    def forward(self, images: Tensor) -> Tensor:
        views = [torch.relu(self.shared(x)).amax((2, 3)) for x in (images, images.flip(3))]
        return self.last(torch.cat(views, 1))


def chosen(model: nn.Module, layer: str) -> tuple[plan.Plan, auditing.Audit]:
    return choose_plan(open_network(wake(model, IMAGES)), layer, SAMPLE)


def wrong_side(monkeypatch):
    """The unit ends before its normalisation."""
    monkeypatch.setattr(units, "_normalises", lambda *_args: False)


def one_call_forgotten(monkeypatch):
    whole = cut.cut
    monkeypatch.setattr(
        planning, "cut", lambda graph, layer, ends, *more: whole(graph, layer, ends[:1], *more)
    )


def rows_mixed_up(monkeypatch):
    whole = cut.ZeroChannels.forward
    monkeypatch.setattr(cut.ZeroChannels, "forward", lambda s, m, c, *v: whole(s, m, c.flip(0), *v))


def nothing_removed(monkeypatch):
    monkeypatch.setattr(cut.ZeroChannels, "forward", lambda _s, maps, _c, *_v: maps)
    monkeypatch.setattr(planning, "find_readers", None)


def a_wrong_share(monkeypatch):
    share = plan.ConvolutionShare
    whole = share._subtract
    monkeypatch.setattr(
        share, "_subtract", lambda s, room, seen, *more: whole(s, room, seen * 0.97, *more)
    )


def the_neighbours_share(monkeypatch):
    share = plan.ConvolutionShare
    whole = share._subtract
    monkeypatch.setattr(
        share, "_subtract", lambda s, room, seen, gone, last: whole(s, room, seen, gone ^ 1, last)
    )


def pieces_mixed_up(monkeypatch):
    whole = plan.Batch.pieces

    def pieces(self, images):
        found = whole(self, images)
        return dataclasses.replace(found, back=found.back.roll(1))

    monkeypatch.setattr(plan.Batch, "pieces", pieces)


def one_reader_forgotten(monkeypatch):
    whole = planning.find_readers

    def find(graph, site):
        return whole(graph, site)[:1]

    monkeypatch.setattr(planning, "find_readers", find)
    rest = cut._behind

    def behind(graph, starts, ends):
        found = rest(graph, starts, ends)
        return found - {n for n in graph.nodes if n.target == "right"}

    monkeypatch.setattr(cut, "_behind", behind)


def everything_skipped(monkeypatch):
    monkeypatch.setattr(
        plan.GraphPlan, "active", lambda _s, v: torch.zeros(len(v[0]), 9, dtype=torch.bool)
    )


def a_step_moved_that_keeps_no_zero(monkeypatch):
    monkeypatch.setattr(planning, "moves_into_head", lambda _graph, node: "sigmoid" in node.name)


def the_value_is_not_zero(monkeypatch):
    whole = cut.ZeroChannels.forward
    monkeypatch.setattr(cut.ZeroChannels, "forward", lambda s, m, c, *_v: whole(s, m, c, 0.05))


class Flat(nn.Module):
    """A linear layer reads the bank."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.hidden = nn.Conv2d(3, 9, 3), nn.Linear(900, 12)
        self.last = nn.Linear(12, 5)

    def forward(self, images: Tensor) -> Tensor:
        return self.last(torch.relu(self.hidden(torch.relu(self.first(images)).flatten(1))))


class Gated(nn.Module):
    """A sigmoid, which makes one half of nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 9, 3), nn.Linear(9, 5)

    def forward(self, images: Tensor) -> Tensor:
        return self.last(torch.sigmoid(self.first(images)).mean((2, 3)))


MUTATIONS = [
    (wrong_side, Normed, "first"),
    (one_call_forgotten, SideBySide, "shared"),
    (one_call_forgotten, Twice, "shared"),
    (rows_mixed_up, Residual, "first"),
    (nothing_removed, Residual, "first"),
    (a_wrong_share, Normed, "first"),
    (the_neighbours_share, Normed, "first"),
    (pieces_mixed_up, Flat, "first"),
    (one_reader_forgotten, Normed, "first"),
    (everything_skipped, Normed, "first"),
    (a_step_moved_that_keeps_no_zero, Gated, "first"),
    (the_value_is_not_zero, Residual, "first"),
]


@pytest.mark.parametrize(
    ("broken", "kind", "layer"), MUTATIONS, ids=lambda x: getattr(x, "__name__", x)
)
def test_the_audit_finds_a_broken_engine(monkeypatch, broken, kind, layer):
    right, audit = chosen(kind(), layer)
    assert right.how == "graph"
    assert right.rows_independent
    assert audit.remark == ""
    broken(monkeypatch)
    other, audit = chosen(kind(), layer)
    if broken in (rows_mixed_up, everything_skipped):  # one filter a batch mixes and skips nothing
        assert not other.rows_independent
        return
    assert other.how != "graph"
    assert "removed" in audit.remark or "other logits" in audit.remark or "fails" in audit.remark
    # And what is measured in its stead is right.
    model = wake(kind(), IMAGES)
    with pytest.warns(UserWarning, match="the numbers are as exact"):
        table = carviz.measure_car(model, (IMAGES, LABELS), layer, filters=[0, 2], progress=False)
    site = "norm" if kind is Normed else layer
    expected = reference_logits(model, IMAGES, site, [0, 2]).argmax(2)
    np.testing.assert_array_equal(table.predictions, expected)


def test_maps_that_keep_a_pruned_filter_are_found_at_the_end_of_a_pruning(monkeypatch):
    monkeypatch.setattr(plan.GraphPlan, "lose", lambda *_args: None)
    data = IMAGES, wake(Residual(), IMAGES)(IMAGES).argmax(1)
    with pytest.raises(ValueError, match="the network itself predicts class"):
        carviz.prune_filters(
            wake(Residual(), IMAGES), data, "first", count=4, progress=False
        )  # fmt: skip


def test_a_finished_table_that_lies_is_refused_and_the_pair_is_named(monkeypatch):
    from carviz.ablation.run import Work

    honest = Work.run

    def lying(self, chunk, tick=None):
        facts = honest(self, chunk, tick)
        return dataclasses.replace(facts, predictions=(facts.predictions + 1) % 5)

    monkeypatch.setattr(Work, "run", lying)
    with pytest.raises(ValueError, match=r"without filter \d of 'first' the network itself"):
        carviz.measure_car(
            wake(Residual(), IMAGES), (IMAGES, LABELS), "first", progress=False
        )  # fmt: skip


def test_where_no_filter_moves_a_logit_the_passport_says_so():
    model = nn.Sequential(
        nn.Conv2d(3, 4, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5)
    )
    nn.init.zeros_(model[4].weight)
    table = carviz.measure_car(model, (IMAGES, LABELS), "0", progress=False)
    assert table.passport["audit"]["found"] == "not audited: no filter tried moves a logit"
    measurement = prepare_car(model, (IMAGES, LABELS), "0")
    assert measurement.plan.how == "graph"
    assert measurement.plan.rows_independent  # its batches are mixed as ever


def test_amplified_rounding_is_decided_in_float64(monkeypatch):
    # As if the reference showed no rounding: then float32 alone would refuse a right engine.
    monkeypatch.setattr(truth, "_rounding", lambda *_args: 1e-12)

    class Amplifying(nn.Module):
        """Differences far below a logit's scale decide what comes out."""

        def __init__(self) -> None:
            super().__init__()
            self.conv, self.last = nn.Conv2d(3, 8, 3), nn.Linear(8, 5)

        def forward(self, images: Tensor) -> Tensor:
            means = F.relu(self.conv(images)).mean((2, 3))
            return self.last((means * 1e5).sin())

    table = carviz.measure_car(wake(Amplifying(), IMAGES), (IMAGES, LABELS), "conv", progress=False)
    assert table.passport["engine"] == "graph"
    assert "float64" in table.passport["audit"]["found"]


def test_what_depends_on_the_batch_is_refused():
    class Centred(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.last = nn.Conv2d(3, 8, 3), nn.Linear(8, 5)

        def forward(self, images: Tensor) -> Tensor:
            means = self.conv(images).mean((2, 3))
            return self.last(means - means.mean(0))

    with pytest.raises(ValueError, match="statistics taken over the batch"):
        carviz.measure_car(wake(Centred(), IMAGES), (IMAGES, LABELS), "conv", progress=False)


def test_its_cost_stands_in_the_passport():
    table = carviz.measure_car(wake(Fork(), IMAGES), (IMAGES, LABELS), "first", progress=False)
    audit = table.passport["audit"]
    assert audit["pairs"] == 2  # few filters: a short measurement, a short audit
    assert audit["passes"] > audit["pairs"]
    assert 0 < audit["seconds"] < 60
    assert table.passport["definition"] == units.DEFINITION


def test_weights_that_change_meanwhile_are_found_out():
    model = wake(Residual(), IMAGES)
    tables = carviz.iter_car(model, (IMAGES, LABELS), "first", progress=False)
    next(tables)
    with torch.no_grad():
        model.last.weight.mul_(1.01)
    with pytest.raises(ValueError, match=r"'last\.weight' changed meanwhile"):
        list(tables)


# -- other values than zero


def the_border_is_filled(monkeypatch):
    """What the next layer loses is the bank, and not what it is more than the value."""
    monkeypatch.setattr(
        plan.GraphPlan, "filled",
        lambda s, values, images, partners: _with_planes_of(
            FILLED(s, values, images, partners), s, values
        ),
    )  # fmt: skip


FILLED = plan.GraphPlan.filled


def _with_planes_of(filled, own, values):
    start = own.sites + own.uses
    planes = tuple(share.planes(values[0]) for share in own.shares)
    return (*filled[:start], *planes, *filled[start + len(planes) :])


def before_the_activation(monkeypatch):
    monkeypatch.setattr(network, "place_of", lambda _graph, end, _norms: end)


def behind_the_steps(monkeypatch):
    """A constant is taken for the same constant behind average pooling with a border."""
    of = values.GraphFills.of

    def constant(fills, banks, *more):
        if fills.constants is None:
            return of(fills, banks, *more)
        numbers = fills.constants.to(banks[0].dtype)[0]
        return (numbers[:, None, None].expand(banks[0].shape[1:]),)

    monkeypatch.setattr(values.GraphFills, "of", constant)


def its_own_partner(monkeypatch):
    of = values.GraphFills.of

    def rolled(fills, banks, units, images, partners):
        if partners is not None:
            partners = dataclasses.replace(partners, images=partners.images.roll(1, 0))
        return of(fills, banks, units, images, partners)

    monkeypatch.setattr(values.GraphFills, "of", rolled)


def other_means(monkeypatch):
    maps = plan.GraphPlan.place_maps
    monkeypatch.setattr(plan.GraphPlan, "place_maps", lambda s, i: [m + 0.05 for m in maps(s, i)])


class Bordered(nn.Module):
    """Average pooling with a border of zeros, and a convolution with one."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.relu = nn.Conv2d(3, 9, 3, padding=1), nn.ReLU()
        self.pool, self.next = nn.AvgPool2d(3, 2, padding=1), nn.Conv2d(9, 6, 3, padding=1)
        self.last = nn.Linear(6, 5)

    def forward(self, images: Tensor) -> Tensor:
        return self.last(self.next(self.pool(self.relu(self.first(images)))).mean((2, 3)))


@pytest.mark.parametrize(
    ("broken", "value"),
    [
        (the_border_is_filled, 0.4),
        (the_border_is_filled, "resample"),
        (before_the_activation, -0.4),
        (behind_the_steps, 0.4),
        (behind_the_steps, "mean"),
        (its_own_partner, "resample"),
        (other_means, "mean"),
        (other_means, "optimal"),
    ],
    ids=lambda x: getattr(x, "__name__", x),
)
def test_the_audit_finds_a_broken_value(monkeypatch, broken, value):
    def made():
        opened = open_network(wake(Bordered(), IMAGES))
        return choose_plan(opened, "first", SAMPLE, value=values.check_value(value))

    right, audit = made()
    assert right.how == "graph"
    assert right.rows_independent
    assert audit.remark == ""
    broken(monkeypatch)
    other, _ = made()
    assert other.how == "hooks"


@pytest.mark.parametrize("scale", [1e-6, 1e-4])
def test_logits_that_hardly_differ_are_no_fault(scale):
    """Falls of log p are then near float32's own rounding of log p."""
    model = wake(Normed(), IMAGES)
    with torch.no_grad():
        model.last.weight *= scale
        model.last.bias *= scale
    table = carviz.measure_car(model, (IMAGES, LABELS), "first", progress=False)
    assert table.complete
