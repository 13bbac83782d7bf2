"""Time pairs and sets of filters beside single filters of the same bank, in the same run.

    PYTHONPATH=tests python tests/benchmarks/joint.py [networks ...]

A network is one of torchvision.models, with random weights that were woken up, on random images;
or "shapes", which carviz brings along, on its own. In a turn a bank is measured whole by
``measure_car``; then by ``measure_pairs`` on pairs drawn at random, as many as four times its
filters; then by ``measure_joint`` on as many sets of several sizes as it has filters. Ways
alternate, so that what else the machine does falls on all.
"""

from __future__ import annotations

import argparse
import itertools
import random
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from rows import Row, markdown, save
from subjects import subject_of
from turns import print_about

import carviz

NETWORKS = ["shapes", "alexnet"]
PAIRS = 4
"""Pairs for each filter."""
SIZES = (4, 16)
"""Filters of a set."""
SEED = 0


def cases_of(name: str, images: int) -> tuple[Any, Any, dict[str, int]]:
    """Return a network, data of so many images, and the filters of each bank."""
    if name != "shapes":
        subject = subject_of(name, images, "cpu")
        return subject.model, subject.data(images), subject.banks
    model = carviz.load_model("shapes")
    data = carviz.load_data("shapes", limit=max(1, images // 16))
    frame = carviz.list_banks(model)
    return model, data, dict(zip(frame.layer, frame.filters.astype(int), strict=True))


def sets_of(filters: int, size: int, count: int) -> list[list[int]]:
    """Return different sets of a size, drawn at random: `count` at most."""
    draw = random.Random(SEED)
    if size == 2:
        every = list(itertools.combinations(range(filters), 2))
        return [list(pair) for pair in draw.sample(every, min(count, len(every)))]
    found = {tuple(sorted(draw.sample(range(filters), size))) for _ in range(count)}
    return [list(one) for one in sorted(found)]


def take_bank(model: Any, data: Any, layer: str, filters: int, turns: int) -> Row:
    """Return the figures of a bank."""
    run = carviz.Run(memory=2**30)
    pairs = sets_of(filters, 2, PAIRS * filters)
    ways: dict[str, Callable[[], Any]] = {
        "single": lambda: carviz.measure_car(model, data, layer, progress=False, run=run),
        "pairs": lambda: carviz.measure_pairs(
            model, data, layer, pairs=pairs, progress=False, run=run
        ),
    }
    several = {n: sets_of(filters, n, filters) for n in SIZES if n < filters}
    for size, sets in several.items():
        ways[f"sets of {size}"] = lambda sets=sets: carviz.measure_joint(
            model, data, layer, sets, progress=False, run=run
        )
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    found: dict[str, Any] = {}
    for _ in range(turns):
        for way, measure in ways.items():
            begun = time.perf_counter()
            found[way] = measure()
            seconds[way].append(time.perf_counter() - begun)
    middle = {way: statistics.median(took) for way, took in seconds.items()}
    of_filter = middle["single"] / filters
    told = found["pairs"].passport["sets"]
    row: Row = {
        "bank": layer, "filters": filters, "pairs": len(pairs), "single, s": seconds["single"],
        "pairs, s": seconds["pairs"],
        # Single filters run along with pairs: what a row of the table takes of a filter alone.
        "a row of pairs": middle["pairs"] / (len(pairs) + len(found["pairs"].filters)) / of_filter,
        "pairs of (pairs / filters) banks": middle["pairs"] / len(pairs) / of_filter,
        "ran": told["ran"] / told["pairs"],
        "same filters": _agree(found),
    }  # fmt: skip
    for size, sets in several.items():
        table = found[f"sets of {size}"]
        rows = len(sets) + len(table.filters)
        row[f"a row of sets of {size}"] = middle[f"sets of {size}"] / rows / of_filter
    return row


def _agree(found: dict[str, Any]) -> bool:
    """Whether single filters are what they are alone: falls of log p, to rounding."""
    single = found["single"]
    return all(
        abs(
            table.single_image_log_prob_drop
            - single.image_log_prob_drop[[single.row(int(f)) for f in table.filters]]
        ).max()
        <= 1e-3
        for way, table in found.items()
        if way != "single"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", default=NETWORKS, help="shapes, or of torchvision")
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", metavar="FILE", type=Path, help="write every figure there")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # remarks on banks
    torch.set_num_threads(options.threads)
    about = print_about(threads=options.threads, images=options.images, turns=options.turns)
    rows: list[Row] = []
    for name in options.networks:
        model, data, banks = cases_of(name, options.images)
        layer = next(iter(banks))
        carviz.measure_car(model, data, layer, filters=[0], progress=False)  # what is paid once
        for layer, filters in banks.items():
            row = take_bank(model, data, layer, filters, options.turns)
            rows.append({"network": name, **row})
    print(markdown(rows))
    if options.json:
        words = (
            "Seconds (median [least–most] of the turns). *A row of pairs* is what one of the rows "
            "of `measure_pairs` takes, pairs and the single filters that run along, of what a "
            "filter takes in `measure_car`; *pairs of (pairs / filters) banks* has all of the "
            "time on the pairs. *ran* is the share of (pair, image) pairs that were not spared by "
            "silent channels."
        )
        sheet = {"title": "Pairs and sets beside single filters", "words": words}
        save(options.json, {**sheet, **about, "rows": rows})


if __name__ == "__main__":
    main()
