"""How sure the ranks of the bundled networks' filters are, bank by bank: by CAR, and by log p.

    PYTHONPATH=tests python tests/campaign/agreement.py
    PYTHONPATH=tests python tests/campaign/agreement.py --model tiny-alexnet --data FOLDER --limit 5

`--draws` also measures, by images drawn with replacement from those, how often rank intervals hold
all ranks that the images themselves have: 95% are promised.
"""

import argparse

import numpy as np

import carviz
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
        print(f"\nintervals that hold all ranks, of {given.draws} draws of {given.size} images")
        for table in tables.values():
            right = table.predictions != table.targets
            for order, values in zip(ORDERS, (right, table.image_log_prob_drop), strict=True):
                share = held(values, given.draws, given.size, g)
                print(f"{table.layer:13} {order:8} {share:.2f}", flush=True)


if __name__ == "__main__":
    main()
