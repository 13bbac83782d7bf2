"""How the network `shapes` was trained: ``python -m recipes.train shapes``."""

from __future__ import annotations

import time

import torch
from torch import nn

from carviz.evaluate import no_grad
from carviz.results import write_whole
from carviz.zoo.bundled import empty, randomise
from carviz.zoo.shapes_and_colors import (
    TRAINING_SEED,
    ShapesAndColors,
    draw_labels,
    draw_pictures,
)
from carviz.zoo.shapes_network import ShapesNetwork
from recipes import first_bank
from recipes.judging import judge
from recipes.shapes_card import Making, shapes_card
from recipes.training import (
    Order,
    Schedule,
    halve,
    mirrored,
    save_weights,
    say,
    train,
    with_batch_norm,
    without_batch_norm,
)

SHAPES_SCHEDULE = Schedule(epochs=7, batch_size=128, peak_rate=3e-3, weight_decay=0.02, seed=0)
SHAPES_IMAGES = 24_000
SHAPES_SPREAD = 0.1
"""Standard deviation of the first bank's initial weights."""
SHAPES_PURITY, SHAPES_SMOOTHNESS = 0.5, 0.15
"""Weights of `first_bank.impurity` and `first_bank.roughness` in the loss."""


def make_shapes(order: Order) -> None:
    """Train the network `shapes`, and write ``shapes.safetensors`` and ``shapes.md``."""
    schedule = order.adapt(SHAPES_SCHEDULE)
    say(f"drawing {SHAPES_IMAGES:,} images")
    pictures = torch.from_numpy(draw_pictures(TRAINING_SEED, 0, SHAPES_IMAGES)).permute(0, 3, 1, 2)
    targets = torch.from_numpy(draw_labels(TRAINING_SEED, 0, SHAPES_IMAGES))
    started = time.perf_counter()
    network = train_shapes(pictures, targets, schedule)
    minutes = (time.perf_counter() - started) / 60
    say("judging it on images never seen, each filter of the first bank zeroed in turn")
    verdict = judge(network, ShapesAndColors())
    making = Making(schedule, SHAPES_IMAGES, SHAPES_PURITY, SHAPES_SMOOTHNESS, minutes)
    save_weights(network, order.folder / "shapes.safetensors")
    write_whole(order.folder / "shapes.md", shapes_card(verdict, making).encode())
    say(f"{verdict.accuracy:.1%} right; weights and card are in {order.folder}")


def train_shapes(
    pictures: torch.Tensor, targets: torch.Tensor, schedule: Schedule
) -> ShapesNetwork:
    """Train the network `shapes` from its smooth start to the form in which it ships.

    Parameters
    ----------
    pictures, targets
        As `recipes.training.train` takes them.

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

    view = mirrored(network.normalize)
    train(network, pictures, targets, schedule, view=view, penalty=penalty, report=say)
    without_batch_norm(network.features)
    halve(network)
    return network


def start_shapes(seed: int) -> ShapesNetwork:
    """Make the network `shapes` as it is before training: its first bank pure and smooth."""
    network = empty(ShapesNetwork)
    randomise(network, seed=seed)
    weights = first_convolution(network).weight
    generator = torch.Generator().manual_seed(seed)
    filters, size = weights.shape[0], weights.shape[2]
    start = first_bank.smooth_start(filters, size, spread=SHAPES_SPREAD, generator=generator)
    with no_grad():
        weights.copy_(start)
    return network


def first_convolution(network: ShapesNetwork) -> nn.Conv2d:
    """Return the convolution whose filters the recipe keeps pure."""
    first = network.features[0]
    assert isinstance(first, nn.Conv2d)
    return first
