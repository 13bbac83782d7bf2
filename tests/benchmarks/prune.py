"""Compare greedy CAR pruning with the naive loop: `PYTHONPATH=tests python` and this file.

The naive loop runs the whole network under one forward hook that zeroes the pruned filters and one
more, for every remaining filter at every step, and takes the best; equal ones by number. Both run
in one process, on the same images and threads, and must give one order.

`small` is a network of CIFAR-10's size, trained for some seconds on 1,000 ShapesAndColors images
of ten classes at 32 × 32 until at least 80 % of them are right; it is pruned on these. `fitted` is
the same, trained until 99 % are. `deep` and `middle` are the last and the second bank of the same
network trained from torch's own weights, in large steps: of their filters most are silent on most
images. `shapes` is the bundled network on bundled images. How many images are right decides how
much the search saves: a filter is out of the race only when the wrong images that it might still
gain are seen. So does how many are silent, as nothing changes there.

Where `--steps` is less than the bank, the naive loop is run at that many steps spread over the
path only, each from the path's own beginning, and its time is that of all steps by the filters
that remain at each: the line says so. `--json FILE` writes what was found as well.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from benchmarks.compare import small_network
from support.woken import wake
from torch import Tensor, nn

import carviz
from carviz.pruning import prune_filters

BATCH = 128

EPOCHS = 60
"""Within which a network learns, or never does."""


class Case(NamedTuple):
    """A network, its data, its bank, and where a filter of the bank is zeroed."""

    name: str
    model: nn.Module
    images: Tensor
    labels: Tensor
    layer: str


def small(least: float = 0.8, count: int = 1000) -> Case:
    """Return the small network, trained on the images that it is pruned on."""
    images, labels = ten_classes(count)
    model = train(wake(small_network(), images[:32]), images, labels, least)
    return Case("small" if least < 0.9 else "fitted", model, images, labels, "0")


def silent(name: str, count: int = 1000) -> Case:
    """Return the small network with a bank whose filters are often silent: "deep" or "middle"."""
    images, labels = ten_classes(count)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = small_network()
    train(model, images, labels, 0.8, rate=3e-3)
    return Case(name, model, images, labels, {"middle": "3", "deep": "8"}[name])


def ten_classes(count: int) -> tuple[Tensor, Tensor]:
    """Return images of ten classes of ShapesAndColors at 32 × 32, and their labels."""
    data = carviz.load_data("shapes", limit=count // 10)
    labels = torch.as_tensor(data.targets)
    images = torch.nn.functional.avg_pool2d(data.images[labels < 10], 2)
    return images, labels[labels < 10]


def train(
    model: nn.Module, images: Tensor, labels: Tensor, least: float, rate: float = 1e-3
) -> nn.Module:
    """Train a network until at least that share of the images is right, and return it.

    Raises
    ------
    RuntimeError
        If it does not learn: how numbers are rounded, which threads decide too, can let it die.
    """
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    generator = torch.Generator().manual_seed(0)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(images), generator=generator).split(50):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(images[rows]), labels[rows]).backward()
            optimizer.step()
        with torch.inference_mode():
            right = float((model(images).argmax(1) == labels).float().mean())
        if right >= least:
            return model.requires_grad_(False)
    raise RuntimeError(
        f"A network is pruned that has learnt {least:.0%} of its images; found {right:.0%} after "
        f"{EPOCHS} epochs. Try another number of --threads."
    )


def shapes(count: int = 20) -> Case:
    """Return the bundled network on `count` bundled images of each class."""
    data = carviz.load_data("shapes", limit=count)
    model = carviz.load_model("shapes")
    layer = carviz.list_banks(model).layer[0]
    return Case("shapes", model, data.images, torch.as_tensor(data.targets), layer)


class Naive:
    """The loop over every remaining filter, the whole network under a hook."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.model = case.model.eval()
        self.filters = self.model.get_submodule(case.layer).out_channels

    @torch.inference_mode()
    def right(self, gone: list[int]) -> int:
        """Return how many images are right without some filters."""

        def zero(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
            output = output.clone()
            output[:, gone] = 0
            return output

        hook = self.model.get_submodule(self.case.layer).register_forward_hook(zero)
        batches = zip(self.case.images.split(BATCH), self.case.labels.split(BATCH), strict=True)
        count = sum(int((self.model(x).argmax(1) == y).sum()) for x, y in batches)
        hook.remove()
        return count

    def step(self, gone: list[int]) -> tuple[int, int]:
        """Return the filter that goes next, and how many images are right then."""
        left = [i for i in range(self.filters) if i not in gone]
        scores = [self.right([*gone, i]) for i in left]
        best = int(np.argmax(scores))
        return left[best], scores[best]


@torch.inference_mode()
def share_silent(case: Case) -> float:
    """Return on how many images a filter of the bank is nowhere above zero: ReLUs read it."""
    found: list[Tensor] = []

    def look(_module: nn.Module, _inputs: object, output: Tensor) -> None:
        found.append((output <= 0).flatten(2).all(2))

    hook = case.model.get_submodule(case.layer).register_forward_hook(look)
    for images in case.images.split(BATCH):
        case.model.eval()(images)
    hook.remove()
    return float(torch.cat(found).float().mean())


def compare(case: Case, options: argparse.Namespace) -> dict[str, Any]:
    """Return the row of one network."""
    prune: dict[str, Any] = {"progress": False, "run": carviz.Run(memory=options.memory)}
    prune_filters(case.model, (case.images[:8], case.labels[:8]), case.layer, count=1, **prune)
    start = time.perf_counter()
    path = prune_filters(
        case.model, (case.images, case.labels), case.layer, count=options.count, **prune
    )
    mine = time.perf_counter() - start
    naive = Naive(case)
    places = np.unique(
        np.linspace(0, len(path) - 1, min(options.steps, len(path))).astype(int)
    ).tolist()
    seconds = []
    for place in places:
        start = time.perf_counter()
        filter, right = naive.step(path.order[:place].tolist())
        seconds.append(time.perf_counter() - start)
        assert filter == path.order[place], f"step {place + 1}: {path.order[place]}, not {filter}"
        assert right == round(path.accuracy[place + 1] * len(path.targets))
    left = naive.filters - np.arange(len(path))
    loop = float(sum(seconds) * left.sum() / left[places].sum())
    pairs, every = int(path.evaluated.sum()), int(path.naive.sum())
    return {
        "network": case.name,
        "bank": case.layer,
        "pruned": len(path),
        "filters": naive.filters,
        "images": len(path.targets),
        "right": float(path.accuracy[0]),
        "silent": share_silent(case),
        "seconds": mine,
        "naive_seconds": loop,
        "naive_steps": len(places),
        "times_faster": loop / mine,
        "pairs": pairs,
        "naive_pairs": every,
        "times_fewer": every / pairs,
        "tied": float(path.tie_share),
    }


def report(row: dict[str, Any]) -> None:
    """Print what was found."""
    steps, pruned = row["naive_steps"], row["pruned"]
    measured = "" if steps == pruned else f" (from {steps} of {pruned} steps)"
    print(
        f"| {row['network']} | {row['bank']} | {pruned} of {row['filters']} "
        f"| {row['images']} | {row['right']:.0%} | {row['silent']:.0%} | {row['seconds']:.2f} "
        f"| {row['naive_seconds']:.1f}{measured} "
        f"| **{row['times_faster']:.1f}** "
        f"| {row['pairs']:,} | {row['naive_pairs']:,} "
        f"| {row['times_fewer']:.1f} | {row['tied']:.0%} |",
        flush=True,
    )


WORDS = (
    "Seconds of the whole path, and of the loop over every remaining filter at every step, by "
    "hooks on the whole network; the loop's are worked out from so many of its steps, spread over "
    "the path. Both give the same order. *Silent* is the share of filters and images on which a "
    "channel is zero, *tied* that of steps which more than one filter could have won."
)
CASES: dict[str, Callable[[], Case]] = {
    "small": small,
    "fitted": lambda: small(0.99),
    "deep": lambda: silent("deep"),
    "middle": lambda: silent("middle"),
    "shapes": shapes,
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "networks", nargs="*", default=["small", "fitted", "deep", "shapes"],
        help=f"of {', '.join(CASES)}",
    )  # fmt: skip
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--count", type=int, help="filters to prune; the whole bank if not given")
    parser.add_argument("--steps", type=int, default=1000, help="of the naive loop that are run")
    parser.add_argument("--memory", type=int, help="bytes that feature maps may take")
    parser.add_argument("--json", type=Path, help="write the rows to this file as well")
    options = parser.parse_args()
    if unknown := set(options.networks) - set(CASES):
        parser.error(f"networks are {', '.join(CASES)}; found {', '.join(sorted(unknown))}.")
    torch.set_num_threads(options.threads)
    found: dict[str, Any] = {
        "words": WORDS,
        "machine": platform.processor() or platform.machine(),
        "threads": options.threads,
        "torch": torch.__version__,
        "date": time.strftime("%Y-%m-%d"),
    }
    print(f"{found['machine']}, {options.threads} threads, torch {found['torch']}, {found['date']}")
    print("| network | bank | filters | images | right | silent | carviz, s | naive, s "
          "| times faster | pairs run | naive pairs | times fewer | steps tied |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|---|---|---|---|")
    rows = []
    for name in options.networks:
        rows.append(compare(CASES[name](), options))
        report(rows[-1])
    if options.json is not None:
        options.json.write_text(json.dumps({**found, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
