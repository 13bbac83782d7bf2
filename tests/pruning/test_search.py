"""Greedy CAR pruning is the naive loop's, whatever the network, the memory and the batches."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.naive_pruning import agree, prune
from support.small import Fork, Pooled, Residual, Stubborn, Twice, planted, random_images
from support.woken import wake
from torch import nn

import carviz
from carviz.pruning import prune_filters

IMAGES, LABELS = random_images(60)


def own_labels(model, images, wrong, seed=0):
    """Return the network's own predictions, a share of them replaced by another class."""
    with torch.inference_mode():
        labels = model(images).argmax(1)
    generator = torch.Generator().manual_seed(seed)
    noisy = torch.rand(len(labels), generator=generator) < wrong
    return torch.where(noisy, (labels + 1) % 5, labels)


def plain():
    return nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        nn.Conv2d(6, 7, 3), nn.ReLU(), nn.Flatten(), nn.Linear(63, 5),
    )  # fmt: skip


CASES = {
    "plain": (plain, {"0": "1"}),
    "flattened": (plain, {"4": "4"}),
    "residual": (Residual, {"first": "first"}),
    "norm": (Residual, {"second": "norm"}),
    "grouped": (Residual, {"third": "third"}),
    "fork": (Fork, {"first": "first"}),
    "pooled": (Pooled, {"first": "norm"}),
    "depthwise": (Pooled, {"depthwise": "depthwise"}),
    "twice": (Twice, {"shared": "shared"}),
    "two banks": (plain, {"4": "4", "0": "1"}),
    "three banks": (Residual, {"third": "third", "first": "first", "second": "norm"}),
    "norms of two banks": (Pooled, {"depthwise": "depthwise", "first": "norm"}),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("wrong", [0.2, 0.7])
def test_it_is_the_naive_loop(name, wrong):
    kind, sites = CASES[name]
    model = wake(kind(), IMAGES)
    labels = own_labels(model, IMAGES, wrong)
    path = prune_filters(model, (IMAGES, labels), list(sites), progress=False)
    agree(path, prune(model, IMAGES, labels, sites))
    assert len(set(path.accuracy)) > 2


def test_a_network_without_a_graph():
    model = wake(Stubborn(), IMAGES)
    labels = own_labels(model, IMAGES, 0.2)
    with pytest.warns(UserWarning, match=r"torch\.fx could not be used"):
        path = prune_filters(model, (IMAGES, labels), "conv", progress=False)
    agree(path, prune(model, IMAGES, labels, {"conv": "norm"}))


class Tied(nn.Module):
    """A tail whose tensors are tied to the batch: its rows cannot be picked one by one."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 6, 3)
        self.second = nn.Conv2d(6, 8, 3)
        self.last = nn.Linear(8, 5)

    def forward(self, images):
        rows = images.size(0)
        maps = torch.relu(self.second(torch.relu(self.first(images))))
        return self.last(maps.view(rows, 8, -1).mean(2))


@pytest.mark.parametrize("memory", [1, None])
@pytest.mark.parametrize("sites", [{"first": "first"}, {"second": "second", "first": "first"}])
def test_a_tail_that_is_tied_to_its_batch(memory, sites):
    model = wake(Tied(), IMAGES)
    labels = own_labels(model, IMAGES, 0.3)
    run = carviz.Run(memory=memory)
    path = prune_filters(model, (IMAGES, labels), list(sites), progress=False, run=run)
    agree(path, prune(model, IMAGES, labels, sites))


@pytest.mark.parametrize("name", ["plain", "residual", "twice", "three banks"])
@pytest.mark.parametrize("run", [{"memory": 1}, {"memory": 200_000}, {"batch_size": 7}])
def test_memory_and_batches_change_nothing(name, run):
    kind, sites = CASES[name]
    model = wake(kind(), IMAGES)
    labels = own_labels(model, IMAGES, 0.3)
    whole = prune_filters(model, (IMAGES, labels), list(sites), progress=False)
    path = prune_filters(
        model, (IMAGES, labels), list(sites), progress=False, run=carviz.Run(**run)
    )
    for part in ("order", "layers", "predictions", "decided_by_tie"):
        np.testing.assert_array_equal(getattr(path, part), getattr(whole, part))


def test_a_duplicated_filter_goes_first_and_a_vital_one_last():
    conv = nn.Conv2d(1, 4, 1, bias=False)
    votes = nn.Linear(4, 3, bias=False)
    with torch.no_grad():
        conv.weight.copy_(torch.tensor([1.0, -1.0, 0.5, -1.0]).view(4, 1, 1, 1))
        # Class 0 is what nothing votes for. Filter 0 alone tells positive images; 1 and 3 are the
        # same and each alone is enough for negative ones; 2 does harm on the largest.
        votes.weight.copy_(
            torch.tensor([[0.0, 0, 0, 0], [1.0, 0, -1.75, 0], [-0.25, 1.0, 0.5, 1.0]])
        )
    model = nn.Sequential(conv, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), votes)
    images = torch.tensor([1.0, 2, 3, 4, 5, -1, -2, -3]).view(-1, 1, 1, 1)
    labels = torch.tensor([1, 1, 1, 1, 1, 2, 2, 2])
    path = prune_filters(model, (images, labels), "0", progress=False)
    agree(path, prune(model, images, labels, {"0": "0"}))
    assert path.order[-1] == 0
    assert path.order[0] in (1, 2)


def test_the_planted_network():
    model, (images, labels) = planted()
    path = prune_filters(model, (images, labels), "0", progress=False)
    assert path.order.tolist() == [3, 0, 1, 2]
    assert (path.accuracy * 8).tolist() == [5, 7, 7, 7, 6]
    assert path.decided_by_tie.tolist() == [False, True, True, False]


def tiny(seed, filters, bias):
    """Return a random network of one small bank, rounded so that equal accuracies abound."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, filters, 1), nn.ReLU() if bias else nn.Tanh(),
        nn.Conv2d(filters, 3, 1), nn.ReLU(), nn.Flatten(), nn.Linear(12, 3),
    ).eval()  # fmt: skip


@given(
    seed=st.integers(0, 10_000), filters=st.integers(1, 6), count=st.integers(1, 40),
    classes=st.integers(1, 3), bias=st.booleans(), batch=st.sampled_from([1, 3, 16, 128]),
    small=st.booleans(),
)  # fmt: skip
@settings(deadline=None, max_examples=60)
def test_any_small_case_is_the_naive_loop(seed, filters, count, classes, bias, batch, small):
    model = tiny(seed, filters, bias)
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(count, 1, 2, 2, generator=generator)
    labels = torch.randint(0, classes, (count,), generator=generator)
    run = carviz.Run(batch_size=batch, memory=1 if small else None)
    path = prune_filters(model, (images, labels), "0", progress=False, run=run)
    agree(path, prune(model, images, labels, {"0": "0"}))


@given(seed=st.integers(0, 1000), count=st.integers(0, 6))
@settings(deadline=None, max_examples=15)
def test_a_path_cut_short_is_a_prefix_and_each_step_the_ablated_network(seed, count):
    model = tiny(seed, 6, True)
    images = torch.randn(30, 1, 2, 2, generator=torch.Generator().manual_seed(seed))
    labels = own_labels(model, images, 0.3) % 3
    longest = prune_filters(model, (images, labels), "0", progress=False)
    path = prune_filters(model, (images, labels), "0", count=count, progress=False)
    assert path == longest.prefix(count)
    ablated = nn.Sequential(*model)
    with torch.no_grad():
        kept = [p.clone() for p in ablated[0].parameters()]
        ablated[0].weight[path.order.copy()] = 0
        ablated[0].bias[path.order.copy()] = 0
        right = (ablated(images).argmax(1) == labels).float().mean()
        for parameter, was in zip(ablated[0].parameters(), kept, strict=True):
            parameter.copy_(was)
    assert path.accuracy[-1] == pytest.approx(float(right))


def test_among_filters_that_change_nothing_two_are_looked_at_and_no_third_is_begun():
    """The winner, and one that ties with it: a batch is filled with what the search will need."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 1), nn.Tanh(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3)
    )
    nn.init.zeros_(model[4].weight)
    images = torch.randn(64, 1, 2, 2)
    labels = model(images).argmax(1)
    run = carviz.Run(batch_size=64)
    path = prune_filters(model, (images, labels), "0", progress=False, run=run)
    assert path.order.tolist() == list(range(8))
    assert path.evaluated[3:].tolist() == [128, 128, 128, 128, 64]
