"""Cumulative curves: known by hand, held against a plain loop, seeded, resumed, cancelled."""

import sys

import numpy as np
import pytest
import torch
from support.naive_pruning import predict
from support.small import Residual, Stubborn, planted, random_images
from support.woken import wake
from torch import nn

import carviz
from carviz import CumulativeTable, measure_cumulative, prune_filters
from carviz.pruning import CRITERIA, random_orders
from carviz.pruning.state import PruningState

IMAGES, LABELS = random_images(60)
DATA, OTHERS = (IMAGES[:36], LABELS[:36]), (IMAGES[36:], LABELS[36:])
PART = IMAGES[10:16], LABELS[10:16]
MIXED = IMAGES[35:], LABELS[35:]


@pytest.fixture(scope="module")
def model():
    return wake(Residual(), IMAGES)


def measure(model, data=DATA, layer="first", **options):
    options = {"draws": 3, "progress": False, **options}
    return measure_cumulative(model, data, layer, **options)


def planted_right(gone) -> int:
    """How many of the planted network's images are right: 1 to 3 are so always."""
    return 3 + 2 * (3 in gone) + (1 if {1, 2} <= set(gone) else 2)


def test_the_planted_network_s_curves_are_those_found_by_hand():
    network, data = planted()
    table = measure(network, data, "0", draws=6, seed=4)
    assert table.order.tolist() == [3, 0, 1, 2]  # CAR -2, and then ties by number
    assert table.right_up.tolist() == [5, 7, 7, 7, 6]
    assert table.right_down.tolist() == [5, 5, 4, 4, 6]
    assert len({tuple(order) for order in table.random_orders.tolist()}) > 1
    for order, right in zip(table.random_orders.tolist(), table.right_random, strict=True):
        assert right.tolist() == [planted_right(order[:s]) for s in range(5)]
    assert table.chosen_on == "these images"
    assert table.held_out is None


def naive(model, data, sites, order):
    """Count right images after each step of an order, the whole network under hooks."""
    gone = [[(sites[bank], i) for bank, i in order[:s]] for s in range(len(order) + 1)]
    return [int((predict(model, data[0], g) == data[1].numpy()).sum()) for g in gone]


def test_all_curves_of_two_banks_are_a_plain_loop_s_held_out_images_as_well(model):
    sites = {"third": "third", "second": "norm"}
    table = measure(model, layer=list(sites), criterion="taylor", held_out=OTHERS)
    up = table.filters_up
    every = [("third", i) for i in range(8)] + [("second", i) for i in range(6)]
    drawn = [[every[i] for i in order] for order in table.random_orders.tolist()]
    sets = [
        (DATA, (table.right_up, table.right_down, table.right_random)),
        (OTHERS, (table.held_up, table.held_down, table.held_random)),
    ]
    for data, (right_up, right_down, right_random) in sets:
        assert right_up.tolist() == naive(model, data, sites, up)
        assert right_down.tolist() == naive(model, data, sites, up[::-1])
        assert right_random.tolist() == [naive(model, data, sites, order) for order in drawn]
        assert np.ptp(right_random) > 0
        assert {right_up[-1], right_down[-1], *right_random[:, -1]} == {right_up[-1]}
    assert [(b, i) for b, i in up] == list(
        prune_filters(model, DATA, list(sites), criterion="taylor", progress=False).steps
    )


@pytest.mark.parametrize("criterion", CRITERIA)
def test_up_is_the_path_of_its_criterion_and_held_out_follows_it(model, criterion):
    table = measure(model, criterion=criterion, held_out=OTHERS, count=4)
    path = prune_filters(model, DATA, "first", criterion=criterion, progress=False)
    followed = prune_filters(model, OTHERS, "first", order=path, progress=False)
    assert table.order.tolist() == path.order.tolist()
    np.testing.assert_array_equal(table.up, path.accuracy[:5])
    np.testing.assert_array_equal(table.held_out.up, followed.accuracy[:5])
    np.testing.assert_array_equal(table.held_targets, OTHERS[1])
    blind = criterion in ("l1", "l2", "random")
    assert table.chosen_on == ("no images" if blind else "these images")


def test_a_network_without_a_graph_has_the_same_curves_as_a_plain_loop():
    network = wake(Stubborn(), IMAGES)
    with pytest.warns(UserWarning, match=r"torch\.fx"):
        table = measure(network, layer="conv", criterion="l1", draws=2, count=3)
    sites = {"conv": "norm"}
    assert table.right_down.tolist() == naive(network, DATA, sites, table.filters_up[::-1][:3])


def test_where_all_filters_are_copies_every_order_is_one_curve():
    conv, votes = nn.Conv2d(1, 4, 1, bias=False), nn.Linear(4, 2, bias=False)
    torch.nn.init.ones_(conv.weight)
    with torch.no_grad():
        votes.weight.copy_(torch.tensor([[-1.0], [1.0]]).expand(2, 4))
    network = nn.Sequential(conv, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), votes)
    data = torch.arange(1.0, 9.0).view(-1, 1, 1, 1), torch.tensor([1] * 6 + [0] * 2)
    table = measure(network, data, "0", draws=5)
    for curve in (table.up, table.down, table.lowest, table.highest):
        assert curve.tolist() == [0.75] * 4 + [0.25]
    assert table.areas().above.tolist() == [0, 0]


def test_draws_are_seeded_and_more_of_them_begin_with_the_same(model):
    table, again = measure(model, criterion="l1"), measure(model, criterion="l1")
    assert table == again
    more = measure(model, criterion="l2", draws=5, count=4, run=carviz.Run(batch_size=7))
    np.testing.assert_array_equal(more.random_orders[:3], table.random_orders[:, :4])
    np.testing.assert_array_equal(more.right_random[:3], table.right_random[:, :5])
    other = measure(model, criterion="l1", seed=1)
    assert other.seed == other.passport["seed"] == 1
    assert (other.random_orders != table.random_orders).any()
    np.testing.assert_array_equal(other.right_up, table.right_up)


def test_where_memory_holds_the_maps_once_or_never_the_curves_are_the_same(model):
    expected = measure(model, criterion="l1", layer=["first", "third"])
    for memory in (2**22, 2**18):
        run = carviz.Run(memory=memory)
        found = measure(model, criterion="l1", layer=["first", "third"], run=run)
        np.testing.assert_array_equal(found.right_random, expected.right_random)
        np.testing.assert_array_equal(found.right_down, expected.right_down)


def test_random_orders_are_any_orders_and_not_one_another_s():
    orders = random_orders(5, 4000, 0)
    assert (np.sort(orders, axis=1) == np.arange(5)).all()
    shares = np.array([np.bincount(orders[:, s], minlength=5) for s in range(5)]) / 4000
    assert np.abs(shares - 0.2).max() < 0.03
    assert len({tuple(order) for order in orders.tolist()}) == 120


def test_on_shapes_a_good_ranking_is_above_random_orders_and_all_end_alike():
    network, data = carviz.load_model("shapes"), carviz.load_data("shapes", limit=2)
    table = measure(network, data, "features.0", criterion="l2", draws=4)
    curves = table.curves
    assert curves.area_up > curves.band.areas.max() > curves.area_down
    assert {table.up[-1], table.down[-1], *table.random[:, -1]} == {table.up[-1]}
    assert table.up[-1] == pytest.approx(curves.one_answer)


def test_an_order_of_other_images_is_followed_and_the_record_says_whose_it_is(model):
    path = prune_filters(model, OTHERS, "first", criterion="car-once", progress=False)
    table = measure(model, order=path)
    assert (table.criterion, table.chosen_on) == ("car-once", "other images")
    assert table.order.tolist() == path.order.tolist()
    numbers = measure(model, order=path.order)
    assert (numbers.criterion, numbers.chosen_on) == ("given", "unknown")
    np.testing.assert_array_equal(numbers.right_down, table.right_down)
    with pytest.raises(ValueError, match="had no part in the order"):
        measure(model, order=path, held_out=OTHERS)
    same = measure(model, OTHERS, order=path)
    assert same.chosen_on == "these images"


class Computed:
    """Counts the pairs that are run."""

    def __init__(self, monkeypatch):
        self.pairs = 0
        original = PruningState.without

        def counted(state, bank, filters, *args, **options):
            self.pairs += len(filters)
            return original(state, bank, filters, *args, **options)

        monkeypatch.setattr(PruningState, "without", counted)


def test_a_killed_measurement_resumes_and_another_criterion_finds_its_random_orders(
    model, tmp_path, monkeypatch
):
    whole = measure(model, held_out=OTHERS)
    computed = Computed(monkeypatch)
    measure(model, held_out=OTHERS)
    everything, computed.pairs = computed.pairs, 0

    def kill(share):
        if share > 0.7:
            raise KeyboardInterrupt

    run = carviz.Run(checkpoint=tmp_path)
    with pytest.raises(KeyboardInterrupt):
        measure(model, held_out=OTHERS, run=run, progress=kill)
    assert not list(tmp_path.rglob(".*"))
    before, computed.pairs = computed.pairs, 0
    assert measure(model, held_out=OTHERS, run=run) == whole
    assert 0 < before < everything
    # What was cut off is the order that ran, and the whole network that it began with.
    assert computed.pairs < everything - before + 2 * len(IMAGES) * 7
    computed.pairs = 0
    assert measure(model, held_out=OTHERS, run=run) == whole
    assert computed.pairs == 0
    other = measure(model, criterion="l2", run=run)
    assert other.right_random.tolist() == whole.right_random.tolist()
    assert computed.pairs <= len(IMAGES) * 13, "two orders, and the whole network"


def test_a_damaged_curve_is_computed_again_and_other_images_are_refused(model, tmp_path):
    run = carviz.Run(checkpoint=tmp_path)
    whole = measure(model, criterion="l1", run=run)
    for file in tmp_path.rglob("curve-*.npz"):
        file.write_bytes(file.read_bytes()[:-9])
    assert measure(model, criterion="l1", run=run) == whole
    with pytest.raises(ValueError, match="data was"):
        measure(model, OTHERS, criterion="l1", run=run)


def test_a_wrong_curve_is_not_kept(model, tmp_path, monkeypatch):
    original = PruningState.take

    def turned(state, predictions, *args):
        original(state, (predictions + 1) % 5, *args)

    monkeypatch.setattr(PruningState, "take", turned)
    with pytest.raises(ValueError, match="must be what the network does"):
        measure(model, criterion="l1", run=carviz.Run(checkpoint=tmp_path))
    assert not list(tmp_path.rglob("curve-*.npz"))


def test_progress_rises_to_one_and_says_beforehand_what_it_costs(model, capsys, monkeypatch):
    shares = []
    measure(model, held_out=OTHERS, progress=shares.append, run=carviz.Run(batch_size=16))
    assert shares == sorted(shares)
    assert (shares[0] >= 0, shares[-1]) == (True, 1)
    assert len(shares) > 50
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    measure(model, held_out=OTHERS, criterion="l1", count=2, draws=2, progress=True)
    assert "Removing first by l1: 4 orders × 2 filters × 36 + 24 images" in capsys.readouterr().err


def test_it_is_saved_whole(model, tmp_path):
    table = measure(model, criterion="l1", held_out=OTHERS, count=2)
    assert CumulativeTable.load(table.save(tmp_path / "curves.npz")) == table
    assert table.passport["held_out"]["data"] != table.passport["data"]
    assert "area up" in repr(table)
    assert "24 held-out images" in repr(table)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"draws": 1}, ValueError, "2 to 1000"),
        ({"draws": 2000}, ValueError, "up to 432,432 filters × images"),
        ({"draws": 2.5}, TypeError, "draws"),
        ({"seed": -1}, ValueError, "seed is 0 to 9223372036854775807"),
        ({"seed": 2**63}, ValueError, "what a saved record can hold"),
        ({"count": 9}, ValueError, "0 to 6"),
        ({"criterion": "l3"}, ValueError, "criterion is one of"),
        ({"order": [0, 1]}, ValueError, "every filter of the banks.*found 2 of 6"),
        ({"order": [0] * 6}, ValueError, "repetition"),
        ({"held_out": DATA}, ValueError, "other images than data"),
        ({"held_out": PART}, ValueError, "found 6 images of 6 in both"),
        ({"held_out": MIXED}, ValueError, "found 1 image of 25 in both"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_words(model, options, error, words):
    with pytest.raises(error, match=words):
        measure(model, **options)


def test_a_random_criterion_has_a_seed_that_the_passport_tells(model, tmp_path):
    run = carviz.Run(checkpoint=tmp_path)
    paths = [
        prune_filters(model, DATA, "first", criterion="random", seed=s, run=run, progress=False)
        for s in (0, 1, 2)
    ]
    assert len({tuple(path.order.tolist()) for path in paths}) == 3
    assert [path.passport["seed"] for path in paths] == [0, 1, 2]
    np.testing.assert_array_equal(paths[1].order, np.random.default_rng(1).permutation(6).argsort())
