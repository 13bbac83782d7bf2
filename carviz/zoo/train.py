"""Makes the bundled weights again: ``python -m carviz.zoo.train shapes``.

The recipe of every bundled network stands here as code, so that its card can be checked by running
it. A further network is one more function with the decorator `recipe`; what it shares with others
is in `carviz.zoo.training`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from carviz.zoo import first_bank
from carviz.zoo.judging import judge
from carviz.zoo.shapes_and_colors import (
    TRAINING_SEED,
    ShapesAndColors,
    draw_labels,
    draw_pictures,
)
from carviz.zoo.shapes_card import Making, shapes_card
from carviz.zoo.shapes_network import WEIGHTS, ShapesNetwork, empty_network, randomise
from carviz.zoo.training import (
    Schedule,
    halve,
    save_weights,
    train,
    with_batch_norm,
    without_batch_norm,
)

Recipe = Callable[[Path, int | None], None]
"""Trains one network, writes weights and card to a folder; epochs, if given, replace its own."""

RECIPES: dict[str, Recipe] = {}
"""The recipes, by the name of the network."""


def recipe(name: str) -> Callable[[Recipe], Recipe]:
    """Enter a function in `RECIPES`."""

    def enter(function: Recipe) -> Recipe:
        RECIPES[name] = function
        return function

    return enter


# --------------------------------------------------------------------------------------------------
# shapes
# --------------------------------------------------------------------------------------------------

SHAPES_SCHEDULE = Schedule(epochs=7, batch_size=128, peak_rate=3e-3, weight_decay=0.02, seed=0)
SHAPES_IMAGES = 24_000
SHAPES_SPREAD = 0.1
"""Standard deviation of the first bank's initial weights."""
SHAPES_PURITY, SHAPES_SMOOTHNESS = 0.5, 0.15
"""Weights of `first_bank.impurity` and `first_bank.roughness` in the loss."""


@recipe("shapes")
def make_shapes(folder: Path, epochs: int | None = None) -> None:
    """Train the network `shapes`, and write ``shapes.safetensors`` and ``shapes.md``.

    Parameters
    ----------
    folder
        Where the two files go; made if it is not there.
    epochs
        Instead of the recipe's own number: for a quick try.
    """
    schedule = SHAPES_SCHEDULE if epochs is None else replace(SHAPES_SCHEDULE, epochs=epochs)
    _say(f"drawing {SHAPES_IMAGES:,} images")
    pictures = torch.from_numpy(draw_pictures(TRAINING_SEED, 0, SHAPES_IMAGES)).permute(0, 3, 1, 2)
    targets = torch.from_numpy(draw_labels(TRAINING_SEED, 0, SHAPES_IMAGES))
    started = time.perf_counter()
    network = train_shapes(pictures, targets, schedule)
    minutes = (time.perf_counter() - started) / 60
    _say("judging it on images never seen, each filter of the first bank zeroed in turn")
    verdict = judge(network, ShapesAndColors())
    making = Making(schedule, SHAPES_IMAGES, SHAPES_PURITY, SHAPES_SMOOTHNESS, minutes)
    save_weights(network, folder / "shapes.safetensors")
    (folder / "shapes.md").write_text(shapes_card(verdict, making), encoding="utf-8")
    _say(f"{verdict.accuracy:.1%} right; weights and card are in {folder}")


def train_shapes(
    pictures: torch.Tensor, targets: torch.Tensor, schedule: Schedule
) -> ShapesNetwork:
    """Train the network `shapes` from its smooth start to the form in which it ships.

    Parameters
    ----------
    pictures, targets
        As `carviz.zoo.training.train` takes them.

    Returns
    -------
    ShapesNetwork
        In evaluation mode, without batch normalisation, its weights rounded to half precision.
    """
    network = start_shapes(schedule.seed)
    with_batch_norm(network.features, first=1)
    weights = first_convolution(network).weight

    def penalty() -> torch.Tensor:
        impurity, roughness = first_bank.impurity(weights), first_bank.roughness(weights)
        return SHAPES_PURITY * impurity + SHAPES_SMOOTHNESS * roughness

    normalize = network.normalize
    train(network, pictures, targets, schedule, normalize=normalize, penalty=penalty, report=_say)
    without_batch_norm(network.features)
    halve(network)
    return network


def start_shapes(seed: int) -> ShapesNetwork:
    """Make the network `shapes` as it is before training: its first bank pure and smooth."""
    network = empty_network()
    randomise(network, seed=seed)
    weights = first_convolution(network).weight
    generator = torch.Generator().manual_seed(seed)
    filters, size = weights.shape[0], weights.shape[2]
    start = first_bank.smooth_start(filters, size, spread=SHAPES_SPREAD, generator=generator)
    with torch.no_grad():
        weights.copy_(start)
    return network


def first_convolution(network: ShapesNetwork) -> nn.Conv2d:
    """Return the convolution whose filters the recipe keeps pure."""
    first = network.features[0]
    assert isinstance(first, nn.Conv2d)
    return first


# --------------------------------------------------------------------------------------------------
# The command
# --------------------------------------------------------------------------------------------------


def main(arguments: list[str] | None = None) -> None:
    """Run the recipe that the command line names."""
    parser = argparse.ArgumentParser(
        prog="python -m carviz.zoo.train",
        description="Train a bundled network again, and write its weights and card.",
    )
    parser.add_argument("network", choices=sorted(RECIPES))
    parser.add_argument(
        "--folder", type=Path, default=WEIGHTS.parent, help="for the files (default: the package's)"
    )
    parser.add_argument("--epochs", type=_positive, help="instead of the recipe's own number")
    parser.add_argument(
        "--threads",
        type=_positive,
        default=1,
        help="1, as for the bundled weights, leaves other work on the machine room; "
        "another number sums in another order and so gives slightly other weights",
    )
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    options.folder.mkdir(parents=True, exist_ok=True)
    RECIPES[options.network](options.folder, options.epochs)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def _say(line: str) -> None:
    """Print at once, also into a file."""
    print(line, flush=True)


if __name__ == "__main__":
    main()
