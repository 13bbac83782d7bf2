"""Makes the bundled weights again: ``python -m recipes.train shapes``.

Run it in a clone of carviz. The recipe of every bundled network stands in a module of its own as
code, so that its card can be checked by running it; what recipes share is in `recipes.training`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import torch

from carviz.zoo.bundled import WEIGHTS
from recipes.shapes import make_shapes
from recipes.tiny_alexnet import make_tiny_alexnet
from recipes.training import Order

RECIPES: dict[str, Callable[[Order], None]] = {
    "shapes": make_shapes,
    "tiny-alexnet": make_tiny_alexnet,
}
"""The recipes, by the name of the network: each writes weights and card to a folder."""


def main(arguments: list[str] | None = None) -> None:
    """Run the recipe that the command line names."""
    parser = argparse.ArgumentParser(
        prog="python -m recipes.train",
        description="Train a bundled network again, and write its weights and card.",
    )
    parser.add_argument("network", choices=sorted(RECIPES))
    parser.add_argument(
        "--folder", type=Path, default=WEIGHTS, help="for the files (default: the package's)"
    )
    parser.add_argument("--epochs", type=_positive, help="instead of the recipe's own number")
    parser.add_argument(
        "--images",
        type=Path,
        help="Tiny-ImageNet, which tiny-alexnet is trained on: a folder that holds train and val, "
        "each with a folder for each class",
    )
    parser.add_argument("--device", default="cpu", help="where tiny-alexnet trains, e.g. cuda")
    parser.add_argument(
        "--threads",
        type=_positive,
        default=1,
        help="1, as for the bundled weights of shapes, leaves other work on the machine room; "
        "another number sums in another order and so gives slightly other weights",
    )
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    options.folder.mkdir(parents=True, exist_ok=True)
    order = Order(options.folder, options.epochs, options.images, options.device)
    RECIPES[options.network](order)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


if __name__ == "__main__":
    main()
