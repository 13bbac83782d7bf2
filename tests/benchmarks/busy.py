"""Time a small network's first bank on quiet cores, and beside processes that keep cores busy.

    python tests/benchmarks/busy.py [--then PYTHON]

PYTHON is the interpreter of an environment in which another build is installed. *Two threads* is
what a user's notebook has on two cores, *one thread* what a careful one sets, *passive* two threads
that sleep while they wait for each other (OMP_WAIT_POLICY), as `carviz lab` sets it. A busy process
multiplies numbers in one thread, and does nothing else. Turns alternate, each in a process of its
own, and every table is compared with the first.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rows import Row, markdown, save
from turns import print_about, turn_of

SPIN = "\nx = 1.0\nwhile True:\n    x = x * 1.0000001 % 7\n"
WAYS = {"two": (2, ""), "one": (1, ""), "passive": (2, "passive")}
"""Threads, and how they wait."""


def take_turn(images: int, threads: int) -> dict[str, Any]:
    """Return the seconds of the first bank, and a digest of what was found."""
    import os

    import torch
    from compare import small_network
    from support.woken import wake

    import carviz

    torch.set_num_threads(threads)
    data = torch.randn(images, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    model = wake(small_network(), data[:32])
    labels = torch.arange(images) % 10
    carviz.measure_car(model, (data[:8], labels[:8]), "8", progress=False)
    start = time.perf_counter()
    table = carviz.measure_car(model, (data, labels), "0", progress=False)
    seconds = time.perf_counter() - start
    assert torch.get_num_threads() == threads
    found = hashlib.sha256(table.predictions.tobytes()).hexdigest()[:16]
    return {"seconds": seconds, "found": found, "wait": os.environ.get("OMP_WAIT_POLICY", "")}


@contextmanager
def kept_busy(processes: int) -> Iterator[None]:
    """Keep some cores busy inside."""
    running = [subprocess.Popen([sys.executable, "-c", SPIN]) for _ in range(processes)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def rows_of(turns: dict[tuple[str, str, int], list[float]], busy: list[int]) -> list[Row]:
    """Return a row for each build and number of busy processes: seconds of each way."""
    rows: list[Row] = []
    for build in dict.fromkeys(build for build, _, _ in turns):
        for processes in busy:
            seconds = {way: turns[build, way, processes] for way in WAYS}
            middle = {way: statistics.median(found) for way, found in seconds.items()}
            best = min(
                statistics.median(turns[b, way, processes])
                for b, way, p in turns if p == processes and way != "passive"
            )  # fmt: skip
            rows.append({
                "build": build, "busy processes": processes,
                "two threads, s": seconds["two"], "one thread, s": seconds["one"],
                "passive, s": seconds["passive"],
                "two threads / best of one and two": middle["two"] / best,
            })  # fmt: skip
    return rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--then", metavar="PYTHON", help="interpreter that has the other build")
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--busy", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--json", metavar="FILE", type=Path, help="write every figure there")
    parser.add_argument("--turn", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.turn:
        print(json.dumps(take_turn(options.images, options.turn)))
        return
    builds = {"now": sys.executable, **({"then": options.then} if options.then else {})}
    turns: dict[tuple[str, str, int], list[float]] = {}
    found = set()
    for _ in range(options.repeats):
        for processes in options.busy:
            with kept_busy(processes):
                for way, (threads, wait) in WAYS.items():
                    for build, python in builds.items():
                        more = {"OMP_WAIT_POLICY": wait} if wait else {}
                        words = ["--turn", threads, "--images", options.images]
                        turn = turn_of(python, __file__, words, threads, **more)
                        turns.setdefault((build, way, processes), []).append(turn["seconds"])
                        found.add(turn["found"])
    rows = rows_of(turns, options.busy)
    about = print_about(images=options.images, repeats=options.repeats)
    print(markdown(rows))
    print(f"{len(found)} different tables of predictions")
    if options.json:
        words = (
            "Seconds (median [least–most]) of the first bank of a network of CIFAR-10's size on "
            "two cores, preparation and audit included, while other processes keep cores busy. "
            "The last column is two threads beside the better of one and two threads of any build."
        )
        sheet = {"title": "Beside busy processes", "words": words, **about, "rows": rows}
        save(options.json, sheet)


if __name__ == "__main__":
    main()
