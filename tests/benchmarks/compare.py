"""Compare carviz with the loop that everybody writes: `make benchmark`.

    PYTHONPATH=tests python tests/benchmarks/compare.py [--then PYTHON] [networks ...]

Before anything it prints the floor of each bank (`floor.py`), and beside the ratio to the hook loop
the floor's own. PYTHON is the interpreter of an environment in which another build is installed; it
measures the same banks. Peers are those of `peers.py`. All take turns, each in a process of its
own, one network after the other, so that what else the machine does falls on all; what a process
pays once, imports above all, falls on none. Preparation is included.

Answers are compared before times are: predictions may differ only where two logits tie.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import importlib.util
import json
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import peers
import torch
from peers import Case, agree, clear_of, computing, timed
from rows import Row, markdown, save
from support.woken import wake
from torch import Tensor, nn
from turns import print_about, turn_of

import carviz

WAYS: dict[str, Callable[[Case, str], Callable[[], Tensor]]] = {
    "loop": peers.hook_loop,
    "now": peers.ours,
    "then": peers.ours,
    "captum": peers.captum,
    "cached": peers.cached_head,
}
"""Who takes turns; the loop first, whose answers judge the others'."""
JUDGED = ("now", "then", "cached")
TARGETS = {"small": 18.0, "alexnet": 10.0, "resnet18": 4.0, "vgg11_bn": 4.5, "mobilenet_v2": 5.0}
"""Times faster than the hook loop over all banks; less where `SHARE` of the floor's ratio is."""
SHARE = 0.8
PHOTOGRAPHS = {"alexnet": 4}
"""Images of 224 × 224 for a network, all of whose filters are measured; `FEW` for the others."""
FEW = 16

Seconds = dict[tuple[str, str], dict[str, list[float]]]
"""Seconds of each repeat by (network, bank), and way."""


def small_network() -> nn.Module:
    """Return a network of CIFAR-10's size: 32, 64, 96 and 96 filters of 3 × 3."""
    layers: list[nn.Module] = []
    before = 3
    for filters, pool in ((32, True), (64, True), (96, False), (96, True)):
        layers += [nn.Conv2d(before, filters, 3, padding=1), nn.ReLU()]
        layers += [nn.MaxPool2d(2)] if pool else []
        before = filters
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(96 * 16, 10))


def case_of(name: str, images: int | None, device: str, layers: list[str] | None = None) -> Case:
    """Return a network with its images; torchvision's are random, and have images of 224 × 224."""
    generator = torch.Generator().manual_seed(0)
    filters = None
    if name == "small":
        data = torch.randn(max(images or 500, 32), 3, 32, 32, generator=generator)
        model = wake(small_network(), data[:32])
        data = data[: images or 500]
    elif name == "shapes":
        data = carviz.load_data("shapes", limit=images or 16).images
        model = carviz.load_model("shapes")
    else:
        count = images or PHOTOGRAPHS.get(name, FEW)
        # Woken on a few whatever the number: on two, some class would be rounding made large.
        data = torch.randn(max(count, 4), 3, 224, 224, generator=generator)
        model = wake(carviz.load_model(name, weights=None), data[:4])
        data = data[:count]
        filters = None if name == "alexnet" else 16
    layers = layers or _banks(name, model)
    return Case(name, model.to(device), data.to(device), layers, filters, device)


def _banks(name: str, model: nn.Module) -> list[str]:
    """Return the banks that are measured: all of them, or the first, the middle and the last."""
    banks = carviz.list_banks(model)
    layers = list(banks[~banks.gate].layer)
    if name in ("small", "shapes", "alexnet"):
        return layers
    return [layers[0], layers[len(layers) // 2], layers[-1]]


def take_turn(case: Case, way: str, found: Path) -> dict[str, float]:
    """Return the seconds that one way takes for each bank; its answers go to a file."""
    # Of another network, for what is kept of this one from bank to bank shall count as it does.
    warm = dataclasses.replace(
        case, model=copy.deepcopy(case.model), images=case.images[:4], filters=1
    )
    turn, answers = {}, {}
    for layer in case.banks:
        WAYS[way](warm, layer)()
    for layer in case.banks:
        turn[layer], result = timed(WAYS[way](case, layer), case.device)
        if way == "loop":
            best, clear = clear_of(result)
            answers |= {f"best {layer}": best.numpy(), f"clear {layer}": clear.numpy()}
        elif way in JUDGED:
            answers[layer] = result.cpu().numpy()
    np.savez(found, **answers)
    return turn


def judge(name: str, layers: list[str], folder: Path, ways: list[str]) -> None:
    """Assert that the answers of all ways are the loop's, but for ties."""
    with np.load(folder / "loop.npz") as loop:
        for way in set(ways) & set(JUDGED):
            with np.load(folder / f"{way}.npz") as found:
                for layer in layers:
                    best, clear = loop[f"best {layer}"], loop[f"clear {layer}"]
                    given = (torch.from_numpy(a) for a in (found[layer], best, clear))
                    agree(f"{name} {layer}, {way}", *given)


def measure(case: Case, ways: list[str], options: argparse.Namespace) -> Seconds:
    """Return the seconds of all ways, which take turns."""
    seconds: Seconds = {(case.name, layer): {way: [] for way in ways} for layer in case.banks}
    for _ in range(options.repeats):
        turns = {}
        with tempfile.TemporaryDirectory() as folder:
            for way in ways:
                python = options.then if way == "then" else sys.executable
                words = [case.name, "--turn", way, "--found", Path(folder) / f"{way}.npz",
                         "--layers", *case.banks, "--threads", options.threads,
                         "--device", options.device]  # fmt: skip
                words += ["--images", options.images] if options.images else []
                turns[way] = turn_of(python, __file__, words, options.threads)
            judge(case.name, case.banks, Path(folder), ways)
        for way, turn in turns.items():
            for layer, found in turn.items():
                seconds[case.name, layer][way].append(found)
    return seconds


def summarize(floors: list[Row], seconds: Seconds, ways: list[str]) -> list[Row]:
    """Return a row a bank, and one a network with its target, and whether it is met."""
    rows: list[Row] = []
    for name in dict.fromkeys(floor["network"] for floor in floors):
        own = [floor for floor in floors if floor["network"] == name]
        taken = [seconds[name, floor["bank"]] for floor in own]
        for floor, by in zip(own, taken, strict=True):
            speed = 2 * floor["multiply-adds, G"] / statistics.median(by["now"])
            saved = {"GFLOP/s": speed, "multiply-adds saved": floor["of the loop's"]}
            rows.append(_row(floor, by, ways, floor["floor, s"], saved))
        # A repeat's seconds of all banks together; their median is not the medians' sum.
        together = {way: [sum(found) for found in zip(*(by[way] for by in taken), strict=True)]
                    for way in ways}  # fmt: skip
        least = sum(floor["floor, s"] for floor in own)
        whole = _row({**own[0], "bank": "all of these", "filters": None}, together, ways, least, {})
        if name in TARGETS:
            target = min(TARGETS[name], SHARE * whole["floor ×"])
            whole |= {"target ×": target, "met": whole["hook loop ×"] >= target}
        rows.append(whole)
    return rows


def _row(floor: Row, by: dict[str, list[float]], ways: list[str], least: float, more: Row) -> Row:
    middle = {way: statistics.median(by[way]) for way in ways}
    ratios = {way: middle[way] / middle["now"] for way in ways}
    return {
        **{key: floor[key] for key in ("network", "bank", "filters", "images")},
        "carviz, s": by["now"], "then, s": by.get("then"), "then ×": ratios.get("then"), **more,
        "hook loop ×": ratios["loop"], "floor ×": middle["loop"] / least,
        "captum ×": ratios.get("captum"), "cached head ×": ratios.get("cached"),
    }  # fmt: skip


def parse() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = ["small", "shapes", "alexnet", "resnet18", "vgg11_bn", "mobilenet_v2"]
    parser.add_argument("networks", nargs="*", default=names)
    parser.add_argument("--then", metavar="PYTHON", help="interpreter that has the other build")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--images", type=int, help="for every network, of each class for shapes")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--without", nargs="*", default=[], choices=["captum", "cached"],
                        help="peers to leave out")  # fmt: skip
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write every figure there")
    parser.add_argument("--turn", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--found", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--layers", nargs="*", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Print the floors, and then the table."""
    options = parse()
    torch.set_num_threads(options.threads)
    if options.turn:
        case = case_of(options.networks[0], options.images, options.device, options.layers)
        with computing("float32"):
            print(json.dumps(take_turn(case, options.turn, options.found)))
        return
    # Only here, for what it reads of carviz another build may not have.
    from floor import floor_of, measure_rates

    gone = [*options.without, *([] if options.then else ["then"])]
    gone += [] if importlib.util.find_spec("captum") else ["captum"]
    ways = [way for way in WAYS if way not in gone]
    rates = measure_rates(options.device)
    about = print_about(
        threads=options.threads, repeats=options.repeats, device=device_name(options.device),
        torch=torch.__version__,
        **{"matrix product, GFLOP/s": rates.matrix, "memory is read, GB/s": rates.memory},
    )  # fmt: skip
    floors = []
    for name in options.networks:
        case = case_of(name, options.images, options.device)
        floors += [floor_of(case, layer, rates) for layer in case.banks]
    print(markdown(floors), flush=True)
    seconds: Seconds = {}
    for name in options.networks:
        seconds |= measure(case_of(name, options.images, options.device), ways, options)
        own = [floor for floor in floors if floor["network"] == name]
        print(markdown(summarize(own, seconds, ways)), flush=True)
    if options.json:
        save(options.json, sheet_of(about, floors, summarize(floors, seconds, ways)))


def sheet_of(about: dict[str, Any], floors: list[Row], rows: list[Row]) -> dict[str, Any]:
    """Return the figures with their words."""
    return {
        "title": "Beside the hook loop, Captum, and a cached head",
        "words": (
            "Times of carviz (median [least–most] of the repeats), preparation included, and how "
            "many times as long its peers take in the same run, on the same images, filters and "
            "threads: the hook loop that everybody writes (one forward hook that zeroes a channel, "
            "the whole network once per filter), Captum's `LayerFeatureAblation`, the loop that "
            "runs only what is behind the bank (*cached head*), and, where one was given, another "
            "build (*then*). *Saved* says what multiply-adds alone allow. *Floor* is the hook "
            "loop's time over what carviz's multiply-adds take at the measured rate of a large "
            "matrix product, plus one read of each map. The target is the smaller of a fixed "
            "number and 0.8 of the floor's ratio. Answers were compared before times."
        ),
        **about,
        "tables": [{"rows": rows}, {"title": "The floors", "rows": floors}],
    }  # fmt: skip


def device_name(device: str) -> str:
    """Return what computes, in words."""
    return device if device == "cpu" else torch.cuda.get_device_name(device)


if __name__ == "__main__":
    main()
