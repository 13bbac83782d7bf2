"""What is still known from the steps before holds, and only that is not run again."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.naive_pruning import agree, prune
from support.small import Residual, Stubborn, random_images
from support.woken import wake
from torch import nn

import carviz
from carviz.ablation.planning import plan_by_graph, plan_by_hooks
from carviz.banks import open_network
from carviz.pruning import prune_filters
from carviz.pruning import state as states
from carviz.pruning.known import BYTES, UNKNOWN, KnownAnswers, find_wakers
from carviz.pruning.state import PruningState

IMAGES, LABELS = random_images(60)


def quiet(seed, filters=6, deep=5):
    """Return a random network of two banks whose filters are silent on most images."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(1, filters, 1), nn.ReLU(), nn.Conv2d(filters, deep, 1), nn.ReLU(),
        nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(deep, 3),
    ).eval()  # fmt: skip
    with torch.no_grad():
        model[0].bias.sub_(0.5)  # weights of a 1 x 1 layer that reads one channel: -1 to 1
        model[2].weight.mul_(3)
        model[2].bias.sub_(0.1)
    return model.requires_grad_(False)


def some_data(seed, count=40):
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(count, 1, 1, 2, generator=generator)
    return images, torch.randint(0, 3, (count,), generator=generator)


class Counted:
    """Counts the pairs of a filter and an image that are run."""

    def __init__(self, monkeypatch):
        self.pairs = 0
        original = PruningState.without

        def counted(state, bank, filters, *args):
            self.pairs += int((filters >= 0).sum())
            return original(state, bank, filters, *args)

        monkeypatch.setattr(PruningState, "without", counted)


SITES = {
    "first": {"0": "0"}, "deep": {"2": "2"}, "both": {"0": "0", "2": "2"},
    "backwards": {"2": "2", "0": "0"},
}  # fmt: skip


@pytest.mark.parametrize("sites", SITES.values(), ids=SITES)
def test_filters_that_are_often_silent(sites, monkeypatch):
    for seed in range(2):
        model, (images, labels) = quiet(seed), some_data(seed)
        with monkeypatch.context() as patch:
            counted = Counted(patch)
            path = prune_filters(model, (images, labels), list(sites), progress=False)
        agree(path, prune(model, images, labels, sites))
        assert path.evaluated.sum() == counted.pairs


@given(
    seed=st.integers(0, 10_000), filters=st.integers(1, 6), deep=st.integers(1, 6),
    count=st.integers(1, 40), batch=st.sampled_from([1, 3, 16, 128]), chosen=st.sampled_from(
        sorted(SITES)
    ), memory=st.sampled_from([None, 1, 1500, 20_000]),
)  # fmt: skip
@settings(deadline=None, max_examples=10)
def test_any_two_banks_are_the_naive_loop(seed, filters, deep, count, batch, chosen, memory):
    model, (images, labels) = quiet(seed, filters, deep), some_data(seed, count)
    run = carviz.Run(batch_size=batch, memory=memory)
    path = prune_filters(model, (images, labels), list(SITES[chosen]), progress=False, run=run)
    agree(path, prune(model, images, labels, SITES[chosen]))


@pytest.mark.parametrize("chosen", ["deep", "backwards"])
def test_fewer_pairs_are_run_and_nothing_else_changes(chosen, monkeypatch):
    """So it is in a bank behind which nothing reads another one, and in several."""
    model, data = quiet(3, 5, 12), some_data(3, 100)
    run = carviz.Run(batch_size=16)

    def path():
        return prune_filters(model, data, list(SITES[chosen]), progress=False, run=run)

    found = path()
    monkeypatch.setattr(states, "KNOWN", 2**62)  # no room for what is known
    without = path()
    for part in ("order", "layers", "predictions", "decided_by_tie"):
        np.testing.assert_array_equal(getattr(found, part), getattr(without, part))
    assert found.evaluated[0] == without.evaluated[0]
    assert found.evaluated[1:].sum() < 0.8 * without.evaluated[1:].sum()


def test_a_filter_that_wakes():
    """Filter 1 of the second bank is silent until filter 0 of the first one is gone."""
    first, second = nn.Conv2d(1, 2, 1), nn.Conv2d(2, 2, 1)
    votes = nn.Linear(2, 2)
    with torch.no_grad():
        first.weight.copy_(torch.tensor([1.0, 1.0]).view(2, 1, 1, 1))
        second.weight.copy_(torch.tensor([[0.0, 0.0], [-3.0, 2.0]]).view(2, 2, 1, 1))
        votes.weight.copy_(torch.tensor([[0.0, 1.0], [0.0, 0.0]]))
        for layer, shift in ((first, [0, 0]), (second, [1, 0]), (votes, [0, 0.5])):
            layer.bias.copy_(torch.tensor(shift))
    model = nn.Sequential(
        first, nn.ReLU(), second, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), votes
    )
    images = torch.tensor([1.0, 2.0, 3.0]).view(-1, 1, 1, 1)
    # All are right until 0 of the first bank goes: then filter 1 of the second one speaks, unless
    # it, which did nothing, was the first to go. By number it is behind filter 0, a constant.
    labels = torch.tensor([1, 1, 1])
    for sites in ({"2": "2", "0": "0"}, {"0": "0", "2": "2"}):
        path = prune_filters(model, (images, labels), list(sites), progress=False)
        agree(path, prune(model, images, labels, sites))


@pytest.mark.parametrize("count", [1, 6])
def test_what_is_known_is_kept_with_a_step(tmp_path, count):
    model, data = quiet(3, 6, 8), some_data(3, 60)
    layers, run = ["2", "0"], carviz.Run(batch_size=16)
    whole = prune_filters(model, data, layers, progress=False, run=run)
    run = carviz.Run(batch_size=16, checkpoint=tmp_path)
    prune_filters(model, data, layers, count=count, progress=False, run=run)
    path = prune_filters(model, data, layers, progress=False, run=run)
    assert path == whole
    assert path.evaluated.tolist() == whole.evaluated.tolist()


def test_out_of_memory_in_smaller_batches(monkeypatch):
    from carviz.ablation.plan import GraphPlan

    model, (images, labels) = quiet(5, 6, 8), some_data(5, 80)
    original, refused = GraphPlan.tail, []

    def tail(self, values, batch, value=0):
        if batch.rows is not None and len(batch.rows) > 9:
            refused.append(len(batch.rows))
            raise torch.OutOfMemoryError("CUDA out of memory")
        return original(self, values, batch, value)

    monkeypatch.setattr(GraphPlan, "tail", tail)
    path = prune_filters(model, (images, labels), ["0", "2"], progress=False)
    assert refused
    agree(path, prune(model, images, labels, {"0": "0", "2": "2"}))


def test_without_a_graph_nothing_is_known():
    model = wake(Stubborn(), IMAGES)
    network = open_network(model)
    plan = plan_by_hooks(network, "conv", IMAGES[:4])
    assert find_wakers(network, {"conv": plan}).tolist() == [[True]]


def wakers(model, layers):
    model(IMAGES)  # how wide the last layer is
    network = open_network(wake(model, IMAGES))
    return find_wakers(network, {n: plan_by_graph(network, n, IMAGES[:4]) for n in layers}).tolist()


def test_a_bank_wakes_what_is_computed_from_it():
    chain = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Conv2d(4, 3, 1), nn.Conv2d(3, 2, 1))
    model = nn.Sequential(*chain, nn.Flatten(), nn.LazyLinear(5))
    assert wakers(model, ["0", "2", "3"]) == [
        [False, True, True], [False, False, True], [False, False, False],
    ]  # fmt: skip
    assert wakers(model, ["3", "0"]) == [[False, False], [True, False]]


def test_banks_side_by_side_do_not_wake_one_another():
    class Beside(nn.Module):
        def __init__(self):
            super().__init__()
            self.left, self.right = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 1)
            self.last = nn.LazyLinear(5)

        def forward(self, images):
            maps = torch.cat([self.left(images).relu(), self.right(images).relu()], 1)
            return self.last(maps.flatten(1))

    assert wakers(Beside(), ["left", "right"]) == [[False, False], [False, False]]


def test_what_is_known_is_put_got_and_forgotten():
    known = KnownAnswers(2, 5, 1000)
    known.put(1, np.array([4, 0]), np.array([3, 2], np.int32), np.array([1e9, -0.5], np.float32))
    assert known.has(1, np.arange(5)).tolist() == [True, False, False, False, True]
    assert not known.has(0, np.arange(5)).any()
    classes, margins = known.get(1, np.array([0, 4]))
    assert classes.tolist() == [2, 3]
    assert margins[0] == -0.5
    assert np.isfinite(margins).all()
    known.forget(slice(0, 2), np.array([True, False, False, False, False]))
    assert known.has(1, np.arange(5)).tolist() == [False, False, False, False, True]
    other = KnownAnswers(2, 5, 1000)
    other.recall(known.classes, known.margins)
    assert other.has(1, np.arange(5)).tolist() == [False, False, False, False, True]


@pytest.mark.parametrize(("room", "held"), [(0, 0), (BYTES * 2 - 1, 0), (BYTES * 6, 3), (99, 5)])
def test_room_bounds_what_is_known(room, held):
    known = KnownAnswers(2, 5, room)
    assert known.classes.nbytes + known.margins.nbytes == BYTES * 2 * held <= room
    everything = np.arange(5)
    known.put(0, everything, np.arange(5, dtype=np.int32), np.zeros(5, np.float32))
    assert known.has(0, everything).sum() == held
    assert (known.classes[1] == UNKNOWN).all()


@pytest.mark.parametrize("memory", [1, 10_000, 300_000])
def test_what_is_known_takes_an_eighth_of_the_memory_at_most(memory):
    network = open_network(wake(Residual(), IMAGES))
    plans = {"first": plan_by_graph(network, "first", IMAGES[:4])}
    state = PruningState(
        network, plans, carviz.evaluate.Images((IMAGES, LABELS)), IMAGES[:4],
        carviz.Run(memory=memory),
    )  # fmt: skip
    pairs = len(IMAGES) * state.banks[0].filters
    assert state.known_room == min(memory // 8, BYTES * pairs)
