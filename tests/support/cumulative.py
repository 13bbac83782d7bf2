"""Cumulative curves as networks give them: random ones; and orders on other images."""

import dataclasses

import numpy as np
from support.paths import random_path

from carviz import CumulativeTable


def cumulative_of(
    path=None, draws=20, criterion="car-once", held=0, steps=None, chosen_on="these images"
):
    """Curves on the images of a path, whose whole network they begin with."""
    path = random_path() if path is None else path
    g, F = np.random.default_rng(5), path.filters
    n = F if steps is None else steps

    def counts(whole, images, power):
        falls = whole * np.maximum(1 - (np.arange(n + 1) / F) ** power, 0.05)
        noise = g.normal(0, 0.01 * images, n + 1) * (np.arange(n + 1) > 0)
        return np.clip(np.rint(falls + noise), 0, images).astype(int)

    def curves(whole, images):
        drawn = np.array([counts(whole, images, p) for p in g.uniform(0.7, 1.6, draws)])
        return counts(whole, images, 4), counts(whole, images, 0.4), drawn

    every = [(b, i) for b, F in zip(path.banks, path.bank_sizes, strict=True) for i in range(F)]
    order = [every[i] for i in g.permutation(F)]
    M = len(path.targets)
    up, down, drawn = curves(round(path.accuracy[0] * M), M)
    more = {}
    if held:
        targets = np.arange(held) % 4
        found = curves(round(0.9 * held), held)
        more = dict(
            zip(
                ("held_targets", "held_up", "held_down", "held_random"),
                (targets, *found),
                strict=True,
            )
        )
    return CumulativeTable(
        criterion, banks=path.banks, bank_sizes=path.bank_sizes,
        layers=tuple(bank for bank, _ in order), order=[i for _, i in order], seed=0,
        targets=path.targets, right_up=up, right_down=down,
        random_orders=np.argsort(g.random((draws, F)), axis=1)[:, :n], right_random=drawn,
        passport={"chosen_on": chosen_on}, **more,
    )  # fmt: skip


def held_out(path, n=11, seed=3, wrong=0):
    """The order of a path on other images."""
    other = random_path(path.criterion, n=n, seed=seed, banks=path.banks, sizes=path.bank_sizes)
    baseline = other.baseline.copy()
    baseline[:wrong] = (baseline[:wrong] + 1) % 10
    return dataclasses.replace(
        other.prefix(len(path)),
        baseline=baseline,
        order=path.order,
        layers=path.layers,
        passport={"order": "a of b"},
    )
