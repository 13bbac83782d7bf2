"""The naive greedy loop: every remaining filter at every step, the whole network under hooks.

Nothing here imports carviz; where a channel becomes zero is given by name. It is the judge of the
search: order, accuracies, predictions and ties must be its own.
"""

import copy
from typing import NamedTuple

import numpy as np
import torch


class Naive(NamedTuple):
    """What the loop found; as in `PruningPath`."""

    layers: list[str]
    order: list[int]
    baseline: np.ndarray
    predictions: np.ndarray
    decided_by_tie: list[bool]


def predict(model, images, gone):
    """Return the classes predicted with channels (site, filter) zeroed."""
    hooks = []
    for site in {site for site, _ in gone}:
        channels = [filter for place, filter in gone if place == site]

        def zero(_module, _inputs, output, channels=channels):
            output = output.clone()
            output[:, channels] = 0
            return output

        hooks.append(model.get_submodule(site).register_forward_hook(zero))
    with torch.inference_mode():
        predicted = model(images).argmax(1).numpy()
    for hook in hooks:
        hook.remove()
    return predicted


def prune(model, images, labels, sites, count=None):
    """Return the greedy path; `sites` maps each bank to where its filters are zeroed."""
    model = copy.deepcopy(model).eval()
    labels = labels.numpy()
    left = [(b, i) for b in sites for i in range(model.get_submodule(b).out_channels)]
    count = len(left) if count is None else count
    gone, found, ties, predictions = [], [], [], []
    baseline = predict(model, images, [])
    for _ in range(count):
        tried = [predict(model, images, [*gone, (sites[bank], i)]) for bank, i in left]
        right = [int((t == labels).sum()) for t in tried]
        best = right.index(max(right))
        ties.append(right.count(max(right)) > 1)
        predictions.append(tried[best])
        bank, filter = left.pop(best)
        found.append((bank, filter))
        gone.append((sites[bank], filter))
    return Naive(
        [bank for bank, _ in found], [i for _, i in found], baseline,
        np.array(predictions, np.int32).reshape(count, len(labels)), ties,
    )  # fmt: skip


def agree(path, naive):
    """Assert that a path is the naive one."""
    assert list(path.layers) == naive.layers
    assert path.order.tolist() == naive.order
    np.testing.assert_array_equal(path.baseline, naive.baseline)
    np.testing.assert_array_equal(path.predictions, naive.predictions)
    assert path.decided_by_tie.tolist() == naive.decided_by_tie
    left = np.arange(path.bank_sizes.sum(), 0, -1)[: len(path)]
    np.testing.assert_array_equal(path.naive, left * len(path.targets))
    if path.criterion == "car":
        assert (path.evaluated <= path.naive).all()
