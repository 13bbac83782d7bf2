"""How sure the ranks of the bundled networks' filters are, bank by bank: by CAR, and by log p.

    PYTHONPATH=tests python tests/campaign/agreement.py
    PYTHONPATH=tests python tests/campaign/agreement.py --model tiny-alexnet --data FOLDER --limit 5

`--draws` also measures, by images drawn with replacement from those, how often intervals hold what
the images themselves have, all ranks at once and alpha (95% are promised), and how often filters of
one mean are told apart (5% are allowed). Filters get one mean by taking their own from falls of
log p, and by turning what filters change on an image, or not, at random, from right and wrong.
"""

import argparse

import numpy as np

import carviz
from carviz.results.agreement import measure_agreement
from carviz.results.difference_test import difference_p_value
from carviz.results.rank_intervals import rank_intervals, surely_higher

ORDERS = ("car", "log_prob")
HEAD = "bank          order      F     M  alpha  interval       p  halves  images for 0.8"


def row(table, order):
    found = table.agreement(order=order)
    ends = f"{found.images_needed_low:,.0f} to {found.images_needed_high:,.0f}"
    return (
        f"{table.layer:13} {order:8} {found.filters:3} {found.images:5}  {found.alpha:5.2f}  "
        f"{found.low:.2f} to {found.high:.2f}  {found.p_value:.3f}  {found.halves:5.2f}  "
        f"{found.images_needed:,.0f} ({ends}) {found.why}"
    )


def held(values, draws, size, g):
    """Share of draws of `size` images whose intervals hold every rank in all of the images."""
    true = values.mean(axis=1, dtype=np.float64)
    above = (true > true[:, np.newaxis] + 1e-12).sum(axis=1)
    below = (true < true[:, np.newaxis] - 1e-12).sum(axis=1)
    found = 0
    for _ in range(draws):
        images = g.integers(values.shape[1], size=size)
        low, high = rank_intervals(surely_higher(values[:, images]))
        found += bool((low <= 1 + above).all() and (high >= len(true) - below).all())
    return found / draws


def alpha_held(values, draws, size, g):
    """Share of draws whose interval holds the alpha that so many of these images truly have."""
    filters, images = values.shape
    own = values - values.mean(axis=0, dtype=np.float64)
    between = (own.mean(axis=1) ** 2).sum() / (filters - 1)
    within = ((own - own.mean(axis=1, keepdims=True)) ** 2).sum() / ((filters - 1) * images)
    true, found = between / (between + within / size), 0
    alone = np.arange(size, dtype=np.int32)  # one image a class makes no halves
    for _ in range(draws):
        drawn = values[:, g.integers(images, size=size)]
        agreement = measure_agreement(drawn, alone, "car", 1.0)
        found += agreement.low <= true <= agreement.high
    return found / draws


def told_apart(table, order, draws, size, g):
    """Share of draws in which filters of one mean are told apart."""
    if order == "car":
        wrong = table.predictions != table.targets
        change = wrong.astype(np.float64) - (table.baseline != table.targets)
    else:
        falls = table.image_log_prob_drop
        change = falls - falls.mean(axis=1, keepdims=True, dtype=np.float64)
    found = 0
    for seed in range(draws):
        drawn = change[:, g.integers(change.shape[1], size=size)]
        signs = g.choice((-1, 1), size=size) if order == "car" else 1
        found += difference_p_value(drawn * signs, seed) <= 0.05
    return found / draws


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="shapes")
    parser.add_argument("--data", default="shapes")
    parser.add_argument("--limit", type=int, help="images a class")
    parser.add_argument("--draws", type=int, default=0)
    parser.add_argument("--size", type=int, default=400, help="images of a draw")
    given = parser.parse_args()
    model = carviz.load_model(given.model)
    data = carviz.load_data(given.data, model=model, limit=given.limit)
    tables = carviz.measure_car(model, data, None)
    print(HEAD)
    for table in tables.values():
        for order in ORDERS:
            print(row(table, order), flush=True)
    if given.draws:
        g = np.random.default_rng(0)
        print(f"\n{given.draws} draws of {given.size} images: ranks held, alpha held, told apart")
        for table in tables.values():
            right = table.predictions != table.targets
            for order, values in zip(ORDERS, (right, table.image_log_prob_drop), strict=True):
                ask = given.draws, given.size, g
                shares = (
                    held(values, *ask), alpha_held(values, *ask), told_apart(table, order, *ask)
                )  # fmt: skip
                print(f"{table.layer:13} {order:8}", *(f"{share:.2f}" for share in shares))


if __name__ == "__main__":
    main()
