"""Time all banks of a network in one call, beside one call a bank, also of another build.

    python tests/benchmarks/banks.py [--then PYTHON] [networks ...]

PYTHON is the interpreter of an environment in which the other build is installed; it is asked for
single calls only. Turns alternate, each in a process of its own, so that what else the machine does
falls on all. In a turn each network is made anew with random weights; *together* is
``measure_car(model, data, None)``, *one by one* the sum of ``measure_car(model, data, layer)`` over
the same banks. The tables of the two are compared, bit for bit.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
import sys
import time
import warnings
from pathlib import Path
from typing import Any

from rows import Row, markdown, save
from turns import print_about, turn_of

NETWORKS = ["alexnet"]
WAYS = {"together": "now, together", "alone": "now, one by one", "then": "then, one by one"}

Turn = dict[str, dict[str, Any]]
"""Seconds of one turn, and a digest of what was found, by network."""


def take_turn(networks: list[str], images: int, threads: int, together: bool) -> Turn:
    """Return the seconds that this interpreter's carviz takes for all banks of each network."""
    import torch
    import torchvision

    import carviz

    warnings.simplefilter("ignore")  # remarks on banks
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    data = torch.randn(images, 3, 224, 224), torch.arange(images) % 5
    run = carviz.Run(memory=2**30)

    # What a process pays once, imports above all, falls on no network.
    small = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 9, 9), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(2304, 5)
    )
    carviz.measure_car(small, data, "0", progress=False, run=run)
    turn: Turn = {}
    for name in networks:
        model = getattr(torchvision.models, name)(weights=None).eval()
        frame = carviz.list_banks(model)
        layers = frame.layer[~frame.gate].tolist()
        start = time.perf_counter()
        if together:
            found = dict(carviz.measure_car(model, data, None, progress=False, run=run))
        else:
            found = {
                layer: carviz.measure_car(model, data, layer, progress=False, run=run)
                for layer in layers
            }
        seconds = time.perf_counter() - start
        digest = hashlib.sha256()
        for layer in layers:
            table = found[layer]
            digest.update(table.predictions.tobytes() + table.log_prob_drop.tobytes())
        turn[name] = {"seconds": seconds, "found": digest.hexdigest()[:16], "banks": len(layers)}
    return turn


def turn_by(way: str, options: argparse.Namespace) -> Turn:
    """Return what an interpreter finds in a process of its own."""
    python = options.then if way == "then" else sys.executable
    words = [*options.networks, "--turn", way, "--images", options.images,
             "--threads", options.threads]  # fmt: skip
    return turn_of(python, __file__, words, options.threads)


def summarize(turns: dict[str, list[Turn]], networks: list[str]) -> list[Row]:
    """Return a row a network: seconds of each way, and what together takes of the others."""
    rows: list[Row] = []
    for name in networks:
        seconds = {way: [turn[name]["seconds"] for turn in of] for way, of in turns.items()}
        middle = {way: statistics.median(found) for way, found in seconds.items()}
        ratios = {
            way: middle["together"] / middle[way] for way in ("alone", "then") if way in middle
        }
        found = {turn[name]["found"] for way in ("together", "alone") for turn in turns[way]}
        rows.append(
            {
                "network": name, "banks": turns["together"][0][name]["banks"],
                **{f"{words}, s": seconds.get(way) for way, words in WAYS.items()},
                "of now's": ratios["alone"], "of then's": ratios.get("then"),
                "same tables": len(found) == 1,
            }
        )  # fmt: skip
    return rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", default=NETWORKS, help="of torchvision.models")
    parser.add_argument("--then", metavar="PYTHON", help="interpreter that has the other build")
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--turns", type=int, default=5, help="of each way")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", metavar="FILE", type=Path, help="write every figure there")
    parser.add_argument("--turn", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.turn:
        together = options.turn == "together"
        turn = take_turn(options.networks, options.images, options.threads, together)
        print(json.dumps(turn))
        return
    ways = [way for way in WAYS if way != "then" or options.then]
    turns: dict[str, list[Turn]] = {way: [] for way in ways}
    for _ in range(options.turns):
        for way in ways:
            turns[way].append(turn_by(way, options))
    rows = summarize(turns, options.networks)
    about = print_about(threads=options.threads, images=options.images, turns=options.turns)
    print(markdown(rows))
    if options.json:
        words = (
            "Seconds (median [least–most] of the turns) of `measure_car(model, data, None)`, all "
            "banks *together*, and of the sum of a call a bank, *one by one*, now and, where one "
            "was given, of another build (*then*); *of now's* and *of then's* is the share that "
            "together takes of these. Random weights and images."
        )
        save(
            options.json, {"title": "All banks in one call", "words": words, **about, "rows": rows}
        )


if __name__ == "__main__":
    main()
