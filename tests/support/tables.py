"""Tables of CAR as networks give them: random ones, and one whose numbers are known."""

import numpy as np

from carviz.results import CarTable

NAMES = ("circle", "square", "triangle", "star", "cross", "ring", "heart", "red", "green", "blue")
LONG = (
    "American alligator, Alligator mississipiensis",
    "spiny lobster, langouste, rock lobster, crawfish, crayfish, sea crawfish",
    "$5 bill, $10 bill",
    *(f"the brain coral of reef number {i} with a long name" for i in range(9)),
)


def random_table(
    count=8, names=NAMES, n=50, total=None, seed=0, strength=1.0, empty=(), filters=None
):
    """A table of a network that is right nine times in ten; filters matter to a few classes."""
    g = np.random.default_rng(seed)
    F, K = count, len(names)
    targets = np.repeat([c for c in range(K) if c not in empty], n)
    baseline = np.where(g.random(len(targets)) < 0.9, targets, g.integers(0, K, len(targets)))
    rate = strength * g.exponential(0.1, (F, K)) * (g.random((F, K)) < 0.3)
    flips = g.random((F, len(targets))) < rate[:, targets]
    predictions = np.where(flips, g.integers(0, K, flips.shape), baseline)
    drop = g.normal(0, 0.05, (F, K))
    drop[:, list(empty)] = np.nan
    return CarTable(
        "features.0",
        filters=np.arange(F) if filters is None else filters,
        classes=names,
        images=np.arange(len(targets)),
        total=total or len(targets),
        targets=targets,
        baseline=baseline,
        predictions=predictions,
        log_prob_drop=drop,
    )


def known_table(total=None):
    """Two filters, two classes of 50: filter 0 loses 3 of "cat" and gains 1 of "dog"."""
    targets = np.repeat([0, 1], 50)
    baseline = targets.copy()
    baseline[50:60] = 0
    predictions = np.stack([baseline, baseline])
    predictions[0, :3] = 1
    predictions[0, 50] = 1
    return CarTable(
        "conv1", filters=[0, 1], classes=("cat", "dog"), images=np.arange(100),
        total=total or 100, targets=targets, baseline=baseline, predictions=predictions,
        log_prob_drop=np.zeros((2, 2)),
    )  # fmt: skip


def bank_table(right, falls=None, *, baseline=None, classes=1, total=None):
    """A table of filters without which (F, M) images are right, and of (F, M) falls of log p."""
    right = np.asarray(right, dtype=bool)
    F, M = right.shape
    targets = np.arange(M) % classes
    K = classes + 1  # a class without images, for what is wrong
    falls = np.zeros((0, 0)) if falls is None else np.asarray(falls)
    drop = np.full((F, K), np.nan)
    for c in range(min(classes, M)):
        drop[:, c] = falls[:, targets == c].mean(axis=1) if falls.size else 0.0
    whole = np.ones(M, dtype=bool) if baseline is None else np.asarray(baseline)
    return CarTable(
        "conv", filters=np.arange(F), classes=tuple(f"class {c}" for c in range(K)),
        images=np.arange(M), total=total or M, targets=targets,
        baseline=np.where(whole, targets, classes),
        predictions=np.where(right, targets, classes),
        log_prob_drop=drop, image_log_prob_drop=falls,
    )  # fmt: skip
