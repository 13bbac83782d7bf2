"""Paths of pruning as networks give them: random ones, and one whose numbers are known."""

import numpy as np
from support.tables import NAMES

from carviz.results import PruningPath

SURVIVAL = {"car": 0.9, "car-once": 0.8, "taylor": 0.75, "l2": 0.7, "l1": 0.68, "apoz": 0.6}
CRITERIA = (*SURVIVAL, "random", "log-prob")


def random_path(
    criterion="car", sizes=(32,), steps=None, names=NAMES, n=20, seed=0, banks=("features.0",)
):
    """A path on which images go wrong one by one, those of some classes sooner."""
    g, same = np.random.default_rng([seed, CRITERIA.index(criterion)]), np.random.default_rng(0)
    K, F = len(names), sum(sizes)
    steps = F if steps is None else steps
    targets = np.repeat(np.arange(K), n)
    baseline = np.where(same.random(K * n) < 0.93, targets, same.integers(0, K, K * n))
    weak = same.uniform(0.5, 1.3, K)[targets]
    goes = SURVIVAL.get(criterion, 0.5) * weak * g.beta(3, 1.6, K * n)
    share = np.arange(1, steps + 1)[:, None] / F
    predictions = np.where(share < goes, baseline, g.integers(0, K, (steps, K * n)))
    predictions[F - 1 :] = 0  # without any filter all images look the same
    every = [(bank, i) for bank, size in zip(banks, sizes, strict=True) for i in range(size)]
    order = [every[i] for i in g.permutation(F)[:steps]]
    naive = (F - np.arange(steps)) * len(targets)
    return PruningPath(
        criterion, banks=banks, bank_sizes=sizes, layers=tuple(bank for bank, _ in order),
        order=[i for _, i in order], classes=names, targets=targets, baseline=baseline,
        predictions=predictions,
        decided_by_tie=g.random(steps) < 0.3,
        evaluated=naive // 2, naive=naive,
    )  # fmt: skip


def known_path():
    """Four filters, two classes of 50 and two images: after each step one image of "cat" more."""
    targets = np.repeat([0, 1], 50)
    predictions = np.stack([targets] * 3)
    for step in range(3):
        predictions[step, : 10 * (step + 1)] = 1
    baseline = targets.copy()
    baseline[50:52] = 0  # two dogs are wrong at first, and right after each step
    return PruningPath(
        "car", banks=("conv1",), bank_sizes=[4], layers=("conv1",) * 3, order=[3, 1, 0],
        classes=("cat", "dog"), targets=targets, baseline=baseline, predictions=predictions,
        decided_by_tie=[True, False, False], evaluated=[9, 9, 9], naive=[400, 300, 200],
    )  # fmt: skip


def two_banks(steps=9):
    return random_path(sizes=(8, 12), steps=steps, banks=("features.0", "features.3"))
