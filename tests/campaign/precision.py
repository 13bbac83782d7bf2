"""Judge low precision by full tables in float32: ``python tests/campaign/precision.py``.

Three trained networks, several banks of each, both precisions: a row a bank tells which share of
the pairs that ran in low precision ran again in float32, where τ lay, how many predictions are
wrong (and how many of float32's own ties fell the other way), by how much a filter's CAR changed at
most and what bound was told of it, and how the orders by CAR and by the fall of log p agree with
float32's. TF32 is imitated on the CPU (`carviz.evaluate.tf32`); bfloat16 is torch's own.

    python tests/campaign/precision.py --images 2000 --of-alexnet 250 --photographs DIR/val

So it looks at 1.3 million pairs in either precision. Without photographs
(Tiny-ImageNet's validation images) `tiny-alexnet` sees the bundled drawings, which it was not
trained on.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import Tensor, nn
from torch.utils.data import Subset

import carviz
from carviz.ablation.precision_audit import TIE
from carviz.banks import open_network
from carviz.evaluate import imitated_tf32, inference_mode, placed
from carviz.reference import Reference
from carviz.results import CarTable
from carviz.zoo.shapes_and_colors import (
    CLASSES,
    MEAN,
    STD,
    TRAINING_SEED,
    draw_labels,
    draw_pictures,
)
from recipes.training import Schedule, mirrored, train

BANKS = {
    "shapes": ["features.0", "features.3", "features.6", "features.8"],
    "with BatchNorm": [
        "stem", "blocks.0.first", "blocks.0.second", "blocks.1.first", "blocks.1.second",
        "blocks.2.first", "blocks.2.second",
    ],
    "tiny-alexnet": ["features.0", "features.3", "features.6", "features.8", "features.10"],
}  # fmt: skip
PRECISIONS = ("tf32", "bf16")
TRAINING_IMAGES, EPOCHS = 8000, 7
ROW = "{:<15}{:<16}{:<5}{:>8}{:>7}{:>9}{:>3}{:>6}{:>6}{:>9}{:>9}{:>9}{:>9}{:>7}"


class Block(nn.Module):
    """Two convolutions beside a short cut, with BatchNorm behind each."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inside, outside, 3, stride=2, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(outside)
        self.second = nn.Conv2d(outside, outside, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(outside)
        self.short = nn.Conv2d(inside, outside, 1, stride=2, bias=False)
        self.short_norm = nn.BatchNorm2d(outside)

    def forward(self, maps: Tensor) -> Tensor:
        inside = torch.relu(self.first_norm(self.first(maps)))
        return torch.relu(self.second_norm(self.second(inside)) + self.short_norm(self.short(maps)))


class WithBatchNorm(nn.Module):
    """A small residual network for the bundled drawings."""

    def __init__(self) -> None:
        super().__init__()
        self.classes, self.normalize = CLASSES, (MEAN, STD)
        self.stem = nn.Conv2d(3, 24, 5, stride=2, padding=2, bias=False)
        self.norm = nn.BatchNorm2d(24)
        self.blocks = nn.Sequential(Block(24, 32), Block(32, 48), Block(48, 64))
        self.last = nn.Linear(64, len(CLASSES))

    def forward(self, images: Tensor) -> Tensor:
        maps = torch.relu(self.norm(self.stem(images)))
        return self.last(self.blocks(maps).mean((2, 3)))


def trained(images: int, epochs: int) -> nn.Module:
    """Train the network with BatchNorm on drawings that `shapes` was trained on."""
    torch.manual_seed(0)
    network = WithBatchNorm()
    pictures = torch.from_numpy(draw_pictures(TRAINING_SEED, 0, images)).permute(0, 3, 1, 2)
    targets = torch.from_numpy(draw_labels(TRAINING_SEED, 0, images))
    schedule = Schedule(epochs=epochs, batch_size=64, peak_rate=1e-2)
    train(network, pictures, targets, schedule, view=mirrored(network.normalize), report=str)
    return network.eval()


def ties(model: nn.Module, data: Any, exact: CarTable, table: CarTable) -> int:
    """Return how many of the pairs that differ are as good as tied in float32 itself."""
    tied = 0
    reference = Reference(open_network(model).model)
    for row, column in np.argwhere(exact.predictions != table.predictions).tolist():
        image, _ = data[int(exact.images[column])]
        with inference_mode():
            batch = placed(image[None], reference.model)
            logits = reference.without(batch, {exact.layer: [int(exact.filters[row])]})[0]
        apart = logits[exact.predictions[row, column]] - logits[table.predictions[row, column]]
        tied += bool(apart.abs() <= TIE * logits.abs().max())
    return tied


def judge(
    name: str, model: nn.Module, data: Any, layer: str, precision: str, exact: CarTable
) -> int:
    """Measure a bank in low precision, print its row, and return the number of pairs."""
    table = carviz.measure_car(
        model, data, layer, progress=False, run=carviz.Run(precision=precision)
    )
    audit = table.passport["precision_audit"]
    tied = ties(model, data, exact, table)
    wrong = int((exact.predictions != table.predictions).sum()) - tied
    by_drop = "left out"
    if table.has_log_prob_drop:
        by_drop = f"{_alike(table.log_prob_drop_all, exact.log_prob_drop_all):.5f}"
    print(
        ROW.format(
            name, layer, precision, audit["pairs"], f"{audit['share_run_again']:.1%}",
            f"{audit['threshold']:.2g}", audit["doubled"], wrong, tied,
            f"{abs(table.car - exact.car).max():.3%}", f"{audit['largest_change']:.3%}",
            f"{_alike(table.car, exact.car):.5f}", by_drop, audit["images_with_errors"],
        ),
        flush=True,
    )  # fmt: skip
    return int(audit["pairs"])


def _alike(a: Any, b: Any) -> float:
    return float(spearmanr(a, b).statistic)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=2000, help="images of the small networks")
    parser.add_argument("--of-alexnet", type=int, default=250, help="images of tiny-alexnet")
    parser.add_argument("--photographs", type=Path, help="Tiny-ImageNet's validation images")
    parser.add_argument("--networks", nargs="*", default=list(BANKS), choices=list(BANKS))
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--training-images", type=int, default=TRAINING_IMAGES)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    print(
        ROW.format(
            "network", "bank", "", "pairs", "again", "tau", "x2", "wrong", "ties", "change",
            "bound", "CAR", "log p", "found",
        )
    )  # fmt: skip
    pairs, started = 0, time.perf_counter()
    for name in asked.networks:
        if name == "with BatchNorm":
            model = trained(asked.training_images, asked.epochs)
        else:
            model = carviz.load_model(name)
        data: Any = carviz.load_data("shapes")
        if name == "tiny-alexnet" and asked.photographs is not None:
            data = carviz.load_data(asked.photographs, model=model, progress=False)
        count = asked.of_alexnet if name == "tiny-alexnet" else asked.images
        chosen = np.random.default_rng(0).permutation(len(data))[:count]
        data = Subset(data, chosen.tolist())
        for layer in BANKS[name]:
            exact = carviz.measure_car(model, data, layer, progress=False)
            with imitated_tf32():
                for precision in PRECISIONS:
                    pairs += judge(name, model, data, layer, precision, exact)
    print(f"{pairs:,} pairs in {time.perf_counter() - started:,.0f} s")


if __name__ == "__main__":
    main()
