"""How `tiny-alexnet` was trained: ``python -m recipes.train tiny-alexnet --images FOLDER``.

On a CPU this is an hour or two; on a GPU (``--device cuda``) minutes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from carviz.evaluate import no_grad
from carviz.results import write_whole
from carviz.zoo.bundled import empty, randomise
from carviz.zoo.tiny_alexnet import SIZE, SYNSETS, TinyAlexNet, prepare
from recipes.first_bank import smooth_noise
from recipes.tiny_alexnet_card import Making, judge, tiny_alexnet_card
from recipes.training import (
    Order,
    Schedule,
    enlarged,
    halve,
    save_weights,
    say,
    train,
    with_batch_norm,
    without_batch_norm,
)

SCHEDULE = Schedule(
    epochs=18, batch_size=128, peak_rate=2e-3, weight_decay=0.05, label_smoothing=0.1, seed=0
)
SMALL_SIZE = 96
"""Height and width of the images in the first two thirds of the epochs, which saves time."""
LEAST_AREA = 0.5
"""Share of a picture that a part of it has at least."""
SPREAD = 0.01
"""Standard deviation of the first bank's initial weights: small, so that what they begin as is soon
outgrown, and smooth, since enlarged pictures hold nothing fine that could correct them."""


def make_tiny_alexnet(order: Order) -> None:
    """Train `tiny-alexnet`, and write ``tiny-alexnet.safetensors`` and ``tiny-alexnet.md``.

    Raises
    ------
    FileNotFoundError
        If `order.images` does not hold Tiny-ImageNet.
    """
    schedule = order.adapt(SCHEDULE)
    folder = _found(order.images)
    say(f"reading {folder}")
    pictures, targets = read_pictures(folder / "train")
    started = time.perf_counter()
    network = train_tiny_alexnet(pictures.to(order.device), targets.to(order.device), schedule)
    minutes = (time.perf_counter() - started) / 60
    save_weights(network, order.folder / "tiny-alexnet.safetensors")
    say("judging it on the validation images")
    verdict = judge(network, _prepared(folder / "val"))
    making = Making(
        schedule, len(targets), SMALL_SIZE, minutes, order.device, torch.get_num_threads()
    )
    card = tiny_alexnet_card(verdict, making)
    write_whole(order.folder / "tiny-alexnet.md", card.encode())
    say(f"{verdict.accuracy:.1%} right; weights and card are in {order.folder}")


def train_tiny_alexnet(pictures: Tensor, targets: Tensor, schedule: Schedule) -> TinyAlexNet:
    """Train `tiny-alexnet` from random weights to the form in which it ships.

    Parameters
    ----------
    pictures, targets
        As `recipes.training.train` takes them.

    Returns
    -------
    TinyAlexNet
        In evaluation mode, without batch normalisation, its weights rounded to half precision.
    """
    network = start_tiny_alexnet(schedule.seed)
    with_batch_norm(network.features)

    def size(epoch: int) -> int:
        return SMALL_SIZE if 3 * epoch < 2 * schedule.epochs else SIZE

    view = enlarged(network.normalize, size, least_area=LEAST_AREA)
    train(network, pictures, targets, schedule, view=view, report=say)
    without_batch_norm(network.features)
    halve(network)
    return network


def start_tiny_alexnet(seed: int) -> TinyAlexNet:
    """Make `tiny-alexnet` as it is before training: random, its first bank small and smooth."""
    network = empty(TinyAlexNet)
    randomise(network, seed=seed)
    first = network.features[0]
    assert isinstance(first, nn.Conv2d)
    filters, _, size, _ = first.weight.shape
    generator = torch.Generator().manual_seed(seed)
    noise = smooth_noise(filters, size, generator=generator)
    with no_grad():
        first.weight.copy_(noise * (SPREAD / noise.std(dim=(1, 2, 3), keepdim=True)))
    return network


def read_pictures(folder: Path) -> tuple[Tensor, Tensor]:
    """Read the pictures below a folder that holds a folder for each of the 200 classes.

    Returns
    -------
    pictures
        Eight bits a channel, (image, 3, 64, 64).
    targets
        Labels, int64, (image,).
    """
    files = list_files(folder)
    pictures = np.stack([np.asarray(_open(path)) for path, _ in files])
    targets = torch.tensor([label for _, label in files])
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).contiguous(), targets


def list_files(folder: Path) -> list[tuple[Path, int]]:
    """Return the images below a folder of Tiny-ImageNet, sorted by class, and their labels."""
    return [
        (path, label)
        for label, synset in enumerate(SYNSETS)
        for path in sorted((folder / synset).rglob("*.JPEG"))
    ]


def _prepared(folder: Path) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield batches as whoever uses the network prepares them: images and labels."""
    files = list_files(folder)
    for start in range(0, len(files), 250):
        batch = files[start : start + 250]
        images = torch.stack([prepare(_open(path)) for path, _ in batch])
        yield images, torch.tensor([label for _, label in batch])


def _open(path: Path) -> Any:
    from PIL import Image

    with Image.open(path) as file:
        return file.convert("RGB")


def _found(folder: Path | None) -> Path:
    missing = [
        str(folder / part / synset)
        for part in ("train", "val")
        for synset in SYNSETS
        if folder is not None and not (folder / part / synset).is_dir()
    ]
    if folder is None or missing:
        found = "no folder was named" if folder is None else f"there is no {missing[0]}"
        raise FileNotFoundError(
            "tiny-alexnet is trained on Tiny-ImageNet: a folder that holds train and val, each "
            f"with a folder for each of the 200 classes ({SYNSETS[0]}, …); {found}. Name it with "
            "--images FOLDER."
        )
    return folder
