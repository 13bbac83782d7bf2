"""Kill measurements and prunings that keep checkpoints, and resume: ``make campaign``.

Each is killed (SIGKILL) at random moments, up to three times, then resumed to its end. What it
gives then equals what an undisturbed run gives, how many pairs were run included. It runs outside
the tests; moments are drawn from the seed, but how far a run is at one is up to the machine.
"""

from __future__ import annotations

import argparse
import collections
import multiprocessing
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from support.small import Residual, random_images

import carviz
from carviz.results import UNFINISHED, CarTable, PruningPath, Record

MOST = 3
"""Kills in a row, at most, before a run may come to its end."""
PATIENCE = 120
"""Seconds that a run may take."""
EARLIER = 0.1
"""Seconds before the first part is written from which on a run is killed."""

Window = tuple[float, float]
"""Seconds after its start between which a run is killed."""


def measure(folder: Path) -> None:
    """Measure a bank of a small network on seven chunks of images."""
    network, images, labels = prepared(1100)
    carviz.measure_car(
        network, (images, labels), "first", progress=False, run=carviz.Run(checkpoint=folder)
    ).save(folder / "result.npz")


def prune(folder: Path) -> None:
    """Prune two banks of it, filter by filter."""
    network, images, labels = prepared(200)
    run = carviz.Run(checkpoint=folder, batch_size=16)
    carviz.prune_filters(
        network, (images, labels), ["first", "third"], progress=False, run=run
    ).save(folder / "result.npz")


def prepared(count: int) -> tuple[torch.nn.Module, torch.Tensor, torch.Tensor]:
    """Return a network and images, most of which it gets right."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    network = Residual().eval()
    images, _ = random_images(count)
    with torch.no_grad():
        labels = network(images).argmax(1)
    labels[::9] = (labels[::9] + 1) % 5
    return network, images, labels


WORK: dict[str, tuple[object, type[Record]]] = {
    "measure_car": (measure, CarTable), "prune_filters": (prune, PruningPath),
}  # fmt: skip


def run(work: object, folder: Path, kill_after: float | None = None) -> bool:
    """Run work in a process of its own; return whether it ended by itself."""
    # Forked, it need not import torch anew; this process never computes, so no thread is lost.
    process = multiprocessing.get_context("fork").Process(target=work, args=(folder,))
    process.start()
    process.join(PATIENCE if kill_after is None else kill_after)
    alive = process.is_alive()
    if alive:
        process.kill()
        process.join()
    return not alive and process.exitcode == 0


def main() -> int:
    """Run the campaign, print counts, and return 1 if anything fell short."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    order = parser.parse_args()
    draw = np.random.default_rng(order.seed)
    counts: collections.Counter[str] = collections.Counter()
    short: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        whole: dict[str, tuple[Record, Window]] = {}
        for kind, (work, record) in WORK.items():
            folder = Path(name) / kind
            folder.mkdir()
            begun = time.time()
            assert run(work, folder), f"{kind} does not run undisturbed"
            written = [file.stat().st_mtime - begun for file in folder.rglob("*.npz")]
            # Before the first part there is nothing to lose.
            window = max(0.0, min(written) - EARLIER), max(written)
            whole[kind] = record.load(folder / "result.npz"), window
            print(f"{kind}: {len(written)} files from {window[0]:.2f} to {window[1]:.2f} s")
        attempt = 0
        while counts["kills"] < order.kills:
            kind = list(WORK)[attempt % len(WORK)]
            folder = Path(name) / f"attempt-{attempt}"
            folder.mkdir()
            try:
                problem = try_one(kind, folder, *whole[kind], draw, counts)
            except Exception as error:
                problem = f"{type(error).__name__}: {error}"
            if problem:
                short.append(f"attempt {attempt}, {kind}: {problem}")
            shutil.rmtree(folder)
            attempt += 1
            if attempt % 20 == 0:
                print(f"{counts['kills']} kills, {len(short)} fell short", flush=True)
    print(", ".join(f"{count:,} {what}" for what, count in sorted(counts.items())))
    print(f"{counts['kills']} kills in {attempt} runs, {len(short)} fell short")
    print("\n".join(short[:20]))
    return bool(short)


def try_one(
    kind: str, folder: Path, expected: Record, window: Window, draw: np.random.Generator,
    counts: collections.Counter[str],
) -> str:  # fmt: skip
    """Kill a run a few times, resume it, and return what is wrong then."""
    work, record = WORK[kind]
    for _ in range(int(draw.integers(1, MOST + 1))):
        before = parts_in(folder)
        if run(work, folder, float(draw.uniform(*window))):
            counts["ended before the kill"] += 1
            break
        counts["kills"] += 1
        counts["kills after a part more"] += parts_in(folder) > before
        counts["files left half-written"] += len(list(folder.rglob(f"{UNFINISHED}*")))
    (folder / "result.npz").unlink(missing_ok=True)
    if not run(work, folder):
        return "it does not resume"
    found = record.load(folder / "result.npz")
    return "" if found == expected else f"other numbers: {found!r}, not {expected!r}"


def parts_in(folder: Path) -> int:
    """Return how many finished parts a folder keeps."""
    return sum(1 for file in folder.rglob("*.npz") if file.name != "result.npz")


if __name__ == "__main__":
    sys.exit(main())
