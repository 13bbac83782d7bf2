"""Time how long carviz prepares a network's banks, beside another build of it.

    python tests/benchmarks/preparing.py --then PYTHON [networks ...]

PYTHON is the interpreter of an environment in which the other build is installed. Builds take
turns, each turn in a process of its own, so that what else the machine does falls on both. In a
turn each network is made anew with random weights; *the first bank* is `prepare_car` on the fresh
model, *a next one* is `prepare_car` with a further layer of the same model (their mean). An audit
is part of preparing; its time, where a passport tells it, is taken off and told separately.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

from rows import Row, markdown, save
from turns import print_about, turn_of

NETWORKS = ["alexnet", "vgg16", "resnet50"]
KINDS = {"first": "first bank", "next": "next bank", "audit": "audit of a bank"}

Turn = dict[str, dict[str, float]]
"""Seconds of one turn, by network and kind."""


def take_turn(networks: list[str], images: int, banks: int, threads: int) -> Turn:
    """Return the seconds that this interpreter's carviz takes."""
    import torch
    import torchvision
    from torch import nn

    from carviz.car import prepare_car

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    data = torch.randn(images, 3, 224, 224), torch.arange(images) % 5

    def prepare(model: nn.Module, layer: str) -> tuple[float, float]:
        start = time.perf_counter()
        measurement = prepare_car(model, data, layer)
        # A passport may be finished beside what is measured; reading it waits for that.
        passport = json.loads(json.dumps(measurement.passport))
        seconds = time.perf_counter() - start
        audit = passport.get("audit")
        audited = float(audit["seconds"]) if isinstance(audit, dict) else 0.0
        return seconds - audited, audited

    # What a process pays once, imports above all, falls on no network.
    prepare(nn.Sequential(nn.Conv2d(3, 4, 9, 9), nn.ReLU(), nn.Flatten(), nn.Linear(2304, 5)), "0")
    turn: Turn = {}
    for name in networks:
        model = getattr(torchvision.models, name)(weights=None).eval()
        layers = [n for n, module in model.named_modules() if isinstance(module, nn.Conv2d)]
        last = len(layers) - 1
        chosen = [layers[round(i * last / banks)] for i in range(banks + 1)]
        found = [prepare(model, layer) for layer in dict.fromkeys(chosen)]
        turn[name] = {
            "first": found[0][0],
            "next": statistics.fmean(seconds for seconds, _ in found[1:]),
            "audit": statistics.fmean(audited for _, audited in found),
        }
    return turn


def turn_by(python: str, options: argparse.Namespace) -> Turn:
    """Return what an interpreter finds in a process of its own."""
    words = [*options.networks, "--turn", "--images", options.images, "--banks", options.banks,
             "--threads", options.threads]  # fmt: skip
    return turn_of(python, __file__, words, options.threads)


def summarize(turns: dict[str, list[Turn]], networks: list[str]) -> list[Row]:
    """Return a row for each network and kind: seconds of each build, and the ratio of medians."""
    rows: list[Row] = []
    for name in networks:
        for kind in KINDS:
            seconds = {build: [turn[name][kind] for turn in of] for build, of in turns.items()}
            middle = {build: statistics.median(found) for build, found in seconds.items()}
            ratio = middle["now"] / middle["then"] if middle.get("then") else None
            rows.append({
                "network": name, "what": KINDS[kind],
                "now, s": seconds["now"], "then, s": seconds.get("then"), "now / then": ratio,
            })  # fmt: skip
    return rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", default=NETWORKS, help="of torchvision.models")
    parser.add_argument("--then", metavar="PYTHON", help="interpreter that has the other build")
    parser.add_argument("--images", type=int, default=4)
    parser.add_argument("--banks", type=int, default=3, help="banks after the first")
    parser.add_argument("--repeats", type=int, default=5, help="turns of each build")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", metavar="FILE", type=Path, help="write every figure there")
    parser.add_argument("--turn", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.turn:
        turn = take_turn(options.networks, options.images, options.banks, options.threads)
        print(json.dumps(turn))
        return
    builds = {"now": sys.executable, **({"then": options.then} if options.then else {})}
    turns: dict[str, list[Turn]] = {build: [] for build in builds}
    for _ in range(options.repeats):
        for build, python in builds.items():
            turns[build].append(turn_by(python, options))
    rows = summarize(turns, options.networks)
    about = print_about(threads=options.threads, images=options.images, repeats=options.repeats)
    print(markdown(rows))
    if options.json:
        words = (
            "Seconds (median [least–most] of the repeats) before anything is measured: of the "
            "first bank of a fresh model, of a next one, and of the audit of a bank, which the "
            "others do not count; now and, where one was given, of another build (*then*)."
        )
        save(options.json, {"title": "Preparation", "words": words, **about, "rows": rows})


if __name__ == "__main__":
    main()
