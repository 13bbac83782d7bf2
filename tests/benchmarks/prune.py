"""Compare greedy CAR pruning with the naive loop: `PYTHONPATH=tests python` and this file.

The naive loop runs the whole network under one forward hook that zeroes the pruned filters and one
more, for every remaining filter at every step, and takes the best; equal ones by number. Both run
in one process, on the same images and threads, and must give one order.

`small` is a network of CIFAR-10's size, trained for some seconds on 1,000 ShapesAndColors images
of ten classes at 32 × 32 until at least 80 % of them are right; it is pruned on these. `fitted` is
the same, trained until 99 % are. `shapes` is the bundled network on bundled images. How many
images are right decides how much the search saves: a filter is out of the race only when the wrong
images that it might still gain are seen.

Where `--steps` is less than the bank, the naive loop is run at that many steps spread over the
path only, each from the path's own beginning, and its time is that of all steps by the filters
that remain at each: the line says so.
"""

from __future__ import annotations

import argparse
import platform
import time
from typing import Any, NamedTuple

import numpy as np
import torch
from compare import small_network
from torch import Tensor, nn
from woken import wake

import carviz
from carviz.pruning import prune_filters
from carviz.results import PruningPath

BATCH = 128


class Case(NamedTuple):
    """A network, its data, its bank, and where a filter of the bank is zeroed."""

    name: str
    model: nn.Module
    images: Tensor
    labels: Tensor
    layer: str


def small(least: float = 0.8, count: int = 1000) -> Case:
    """Return the small network, trained on the images that it is pruned on."""
    data = carviz.load_data("shapes", limit=count // 10)
    labels = torch.as_tensor(data.targets)
    images = torch.nn.functional.avg_pool2d(data.images[labels < 10], 2)
    labels = labels[labels < 10]
    model = wake(small_network(), images[:32])
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    generator = torch.Generator().manual_seed(0)
    right = 0.0
    while right < least:
        for rows in torch.randperm(len(images), generator=generator).split(50):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(images[rows]), labels[rows]).backward()
            optimizer.step()
        with torch.inference_mode():
            right = float((model(images).argmax(1) == labels).float().mean())
    return Case(
        "small" if least < 0.9 else "fitted", model.requires_grad_(False), images, labels, "0"
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


def compare(case: Case, options: argparse.Namespace) -> None:
    """Print the row of one network."""
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
    loop = sum(seconds) * left.sum() / left[places].sum()
    report(case, path, mine, loop, len(places))


def report(case: Case, path: PruningPath, mine: float, loop: float, steps: int) -> None:
    """Print what was found."""
    measured = "" if steps == len(path) else f" (from {steps} of {len(path)} steps)"
    print(
        f"| {case.name} | {case.layer} | {len(path)} of {path.bank_sizes.sum()} "
        f"| {len(path.targets)} | {path.accuracy[0]:.0%} | {mine:.2f} "
        f"| {loop:.1f}{measured} | **{loop / mine:.1f}** "
        f"| {path.evaluated.sum():,} | {path.naive.sum():,} "
        f"| {path.naive.sum() / path.evaluated.sum():.1f} | {path.tie_share:.0%} |",
        flush=True,
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", default=["small", "fitted", "shapes"])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--count", type=int, help="filters to prune; the whole bank if not given")
    parser.add_argument("--steps", type=int, default=1000, help="of the naive loop that are run")
    parser.add_argument("--memory", type=int, help="bytes that feature maps may take")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(
        f"{platform.processor() or platform.machine()}, {options.threads} threads, "
        f"torch {torch.__version__}, {time.strftime('%Y-%m-%d')}"
    )
    print("| network | bank | filters | images | right | carviz, s | naive, s | times faster "
          "| pairs run | naive pairs | times fewer | steps tied |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    for name in options.networks:
        case = {"small": small, "fitted": lambda: small(0.99), "shapes": shapes}[name]()
        compare(case, options)


if __name__ == "__main__":
    main()
