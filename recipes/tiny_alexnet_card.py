"""The card of the network `tiny-alexnet`: what a reader must know before trusting what it shows.

Written by the training script from what it has just measured: no figure on it is typed by hand.
"""

from __future__ import annotations

import math
import platform
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from carviz.evaluate import inference_mode
from carviz.zoo.tiny_alexnet import CLASSES, SIZE, TinyAlexNet
from recipes.card_text import prose
from recipes.first_bank import color_index
from recipes.training import Schedule

TRIALS = """
        Longer training did not help. Two trials of 90 epochs in batches of 256, on an H100 and both
        at once, took three and a half minutes; parts of the pictures were 35% of their area at
        least in one, 20% in the other. On the validation images they had 0.4030 and 0.4049 right,
        on the training images towards the end 80% and 70%: what this network lacks is not epochs
        but images.
"""
"""What was tried beside the recipe, once, on 2026-11-26, with torch 2.11."""


@dataclass(frozen=True)
class Making:
    """How the weights were made.

    Attributes
    ----------
    schedule
        Of the training.
    images
        How many were trained on.
    small_size
        Height and width of the images in the first two thirds of the epochs, in pixels.
    minutes, device, threads
        What the training took, where, and on how many of the processor's threads.
    torch, python
        The versions it ran with.
    """

    schedule: Schedule
    images: int
    small_size: int
    minutes: float
    device: str
    threads: int
    torch: str = torch.__version__
    python: str = platform.python_version()


@dataclass(frozen=True)
class Verdict:
    """How the network fares on images it was not trained on. Accuracies are fractions.

    Attributes
    ----------
    images
        How many it was judged on.
    accuracy, among_five
        Top-1 and top-5.
    by_class
        Top-1 over the images of each class.
    color_index
        Of each filter of the first bank, its weights taken per unit of raw RGB, (filter,).
    faint
        Filters of the first bank whose energy is under 10% of the bank's median.
    """

    images: int
    accuracy: float
    among_five: float
    by_class: tuple[float, ...]
    color_index: tuple[float, ...]
    faint: int


@inference_mode()
def judge(network: TinyAlexNet, batches: Iterable[tuple[Tensor, Tensor]]) -> Verdict:
    """Measure all of a `Verdict` on batches of prepared images and labels."""
    ranked, labels = [], []
    for images, targets in batches:
        ranked.append(network(images).topk(5).indices)
        labels.append(targets)
    right, targets = torch.cat(ranked) == torch.cat(labels)[:, None], torch.cat(labels)
    first = network.features[0]
    assert isinstance(first, nn.Conv2d)
    raw = first.weight / torch.tensor(network.normalize[1]).view(1, 3, 1, 1)
    energy = raw.square().sum(dim=(1, 2, 3))
    return Verdict(
        images=len(targets),
        accuracy=right[:, 0].float().mean().item(),
        among_five=right.any(dim=1).float().mean().item(),
        by_class=tuple(
            right[targets == label, 0].float().mean().item() for label in range(len(CLASSES))
        ),
        color_index=tuple(color_index(raw).tolist()),
        faint=int((energy < 0.1 * energy.median()).sum()),
    )


def tiny_alexnet_card(verdict: Verdict, making: Making) -> str:
    """Write the card, in Markdown."""
    return "\n\n".join((_opening(), _data(making), _recipe(making), _accuracy(verdict), _limits()))


def _opening() -> str:
    text = prose(f"""
        The convolutions of torchvision's AlexNet (64 filters of 11 x 11 first, then 192, 384, 256
        and 256, with its ReLUs and max-poolings) and one linear layer, for {SIZE} x {SIZE} RGB
        images of Tiny-ImageNet's {len(CLASSES)} classes. It is there to ask of it what was
        published about AlexNet, without a download.

        `carviz.load_model("tiny-alexnet")` loads it. Its weights were trained from scratch, and are
        released under the MIT licence, as the rest of carviz.
    """)
    return f"# tiny-alexnet\n\n{text}"


def _data(making: Making) -> str:
    text = prose(f"""
        {making.images:,} training images of Tiny-ImageNet, photographs of 64 x 64 pixels made for
        Stanford's course CS231n from ImageNet (ILSVRC 2012) images. Rights to the photographs stay
        with those who made them, and ImageNet's terms allow research and education only. None of
        them is part of carviz; whoever uses the weights for more should ask what that means.

        Each was enlarged to {SIZE} x {SIZE} pixels: what is finer than a pixel of the original is
        interpolation.
    """)
    return f"## Data\n\n{text}"


def _recipe(making: Making) -> str:
    plan = making.schedule
    text = prose(f"""
        `python -m recipes.train tiny-alexnet --images FOLDER`, in a clone of carviz, runs all of it
        again:
        {plan.epochs} epochs, batches of {plan.batch_size}, AdamW (weight decay {plan.weight_decay},
        peak rate {plan.peak_rate}, along a cosine), label smoothing {plan.label_smoothing}, parts
        of the pictures cut and mirrored at random, seed {plan.seed}. To save time they were
        enlarged to {making.small_size} x {making.small_size} pixels only in the first two thirds
        of the epochs. These weights took
        {making.minutes:.0f} minutes on {making.device} (`--threads {making.threads}`), with torch
        {making.torch} and Python
        {making.python}. On a GPU it takes minutes (`--device cuda`).

        {TRIALS}

        The first bank began as smooth noise of small size, since nothing in enlarged pictures would
        correct rough noise. Batch normalisation stood behind every convolution while training, and
        is folded into them. Weights are rounded to half precision on disk, and were judged so.
    """)
    return f"## Recipe\n\n{text}"


def _accuracy(verdict: Verdict) -> str:
    order = sorted(range(len(CLASSES)), key=lambda label: -verdict.by_class[label])
    rows = "\n".join(
        f"| {CLASSES[label]} | {verdict.by_class[label]:.2f} |" for label in order[:5] + order[-5:]
    )
    width = 1.96 * math.sqrt(verdict.accuracy * (1 - verdict.accuracy) / verdict.images)
    chromatic = sum(index > 0.5 for index in verdict.color_index)
    text = prose(f"""
        Accuracy: {verdict.accuracy:.4f} (top-1, plus or minus {width:.4f}),
        {verdict.among_five:.4f} (top-5), on the {verdict.images:,} validation images.

        Of the {len(verdict.color_index)} filters of the first bank, {chromatic} are
        colour-selective (color index above 0.5); {verdict.faint} have less than a tenth of the
        bank's median energy.
    """)
    return f"## Accuracy\n\n{text}\n\n| best and worst classes | accuracy |\n|---|---|\n{rows}"


def _limits() -> str:
    text = prose("""
        It is AlexNet's kind, not AlexNet: the images are small and few, the two large linear layers
        are missing, and so is the local response normalisation of the network of 2012. A claim that
        fails here may hold there, and the other way round.
    """)
    return f"## Limits\n\n{text}\n"
