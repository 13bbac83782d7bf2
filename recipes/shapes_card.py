"""The card of the network `shapes`: what a reader must know before trusting what it shows.

Written by the training script from what it has just measured: no figure on it is typed by hand.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass
from statistics import median

import torch

from carviz.zoo.shapes_and_colors import (
    CLASSES,
    KINDS,
    TEST_SEED,
    TRAINING_SEED,
    TRIAL_SEED,
)
from recipes.card_text import prose
from recipes.judging import Verdict
from recipes.training import Schedule


@dataclass(frozen=True)
class Making:
    """How the weights were made.

    Attributes
    ----------
    schedule
        Of the training.
    images
        How many were trained on.
    purity, smoothness
        Weights of the two penalties on the first bank.
    minutes
        What the training took.
    torch, python
        The versions it ran with.
    """

    schedule: Schedule
    images: int
    purity: float
    smoothness: float
    minutes: float
    torch: str = torch.__version__
    python: str = platform.python_version()


def shapes_card(verdict: Verdict, making: Making, *, images: int = 2000) -> str:
    """Write the card, in Markdown; `images` is how many the verdict rests on."""
    sections = (
        _opening(),
        _data(making),
        _recipe(making),
        _accuracy(verdict, images),
        _removals(verdict),
        _singles(verdict),
        _closing(),
    )
    return "\n\n".join(sections) + "\n"


def _opening() -> str:
    text = prose("""
        A small AlexNet-style network (four convolutions, two linear layers, no normalisation) for
        64 x 64 RGB images of *ShapesAndColors*, with a first bank of 32 filters of 9 x 9 that are
        either grey or chromatic. It is there to check interpretations on: which classes are about
        shape and which about color is known by construction.

        `carviz.zoo.shapes_network.load_shapes_network()` loads it. Licence: MIT, images and weights
        alike, as the rest of carviz.
    """)
    return f"# shapes\n\n{text}"


def _data(making: Making) -> str:
    shapes, colors = (
        ", ".join(name for name in CLASSES if KINDS[name] == kind) for kind in ("shape", "color")
    )
    text = prose(f"""
        Every image is drawn by `carviz.zoo.drawing`; no photograph and no other data set had a part
        in it.

        Classes by shape: {shapes}. A figure is lighter or darker than its ground by one amount in
        red, green and blue; the ground's soft tint runs through it.

        Classes by color: {colors}. A soft spot whose mean over red, green and blue is that of the
        ground beneath it.

        Training: {making.images:,} images, seed {TRAINING_SEED}, mirrored at random. The figures
        below are of seed {TEST_SEED}, on which the network was not trained. How hard the images
        are, and the number of epochs, were settled by trials: on seed {TRIAL_SEED}, and the last of
        them, of easier images, on seed {TEST_SEED}.
    """)
    return f"## Data\n\n{text}"


def _recipe(making: Making) -> str:
    plan = making.schedule
    text = prose(f"""
        `python -m recipes.train shapes`, in a clone of carviz, runs all of it again:
        {plan.epochs} epochs, batches of {plan.batch_size}, AdamW (weight decay
        {plan.weight_decay}), the rate in one cycle up to {plan.peak_rate}, seed {plan.seed}. These
        weights took {making.minutes:.0f} minutes on one thread of a CPU that had other work to do,
        with torch {making.torch} and Python {making.python}. The same call on the same machine
        and versions gives the same weights, elsewhere about the same figures.

        That the first bank is half grey and half chromatic is **made, not found**: half of its
        filters began grey and half chromatic, all of them smooth, and the loss had two more terms,
        {making.purity} times how mixed filters are (`impurity`) and {making.smoothness} times how
        rough they are (`roughness`, both in `recipes.first_bank`). Neither says which filter
        should serve which class: that is found, and is what the tables below show.

        Batch normalisation stood behind every convolution but the first while training, and is
        folded into them. Weights are rounded to half precision on disk, and were judged so.
    """)
    return f"## Recipe\n\n{text}"


def _accuracy(verdict: Verdict, images: int) -> str:
    rows = "\n".join(
        f"| {name} | {KINDS[name]} | {accuracy:.3f} |"
        for name, accuracy in verdict.by_class.items()
    )
    return f"""## Accuracy

Accuracy: {verdict.accuracy:.4f}, on `ShapesAndColors(count={images}, seed={TEST_SEED})`;
shapes {verdict.by_kind["shape"]:.3f}, colors {verdict.by_kind["color"]:.3f}.

| class | kind | accuracy |
|---|---|---|
{rows}"""


def _removals(verdict: Verdict) -> str:
    grey = [index for index in verdict.color_index if index <= 0.5]
    chromatic = [index for index in verdict.color_index if index > 0.5]
    text = prose(f"""
        What accuracy falls by when filters of the first bank are zeroed together, bias and all. The
        color index is at most {max(grey):.4f} for the grey filters and at least
        {min(chromatic):.4f} for the chromatic ones.
    """)
    without_chromatic, without_grey = (
        f"{fall['shape']:.3f} | {fall['color']:.3f}"
        for fall in (verdict.without_chromatic, verdict.without_grey)
    )
    return f"""## Removing filters together

{text}

| removed | shapes lose | colors lose |
|---|---|---|
| all {len(chromatic)} chromatic filters | {without_chromatic} |
| all {len(grey)} grey filters | {without_grey} |"""


def _singles(verdict: Verdict) -> str:
    return f"""## Removing filters one by one (CAR)

| filters | lowest | median | highest | other than 0 |
|---|---|---|---|---|
{_singles_row(verdict, "grey")}
{_singles_row(verdict, "chromatic")}"""


def _singles_row(verdict: Verdict, kind: str) -> str:
    pairs = zip(verdict.single, verdict.color_index, strict=True)
    falls = [fall for fall, index in pairs if (index > 0.5) == (kind == "chromatic")]
    moved = sum(abs(fall) > 1e-6 for fall in falls)
    return (
        f"| {len(falls)} {kind} | {min(falls):.4f} | {median(falls):.4f} | {max(falls):.4f} "
        f"| {moved} of {len(falls)} |"
    )


def _closing() -> str:
    text = prose("""
        The images are drawings: soft grounds, one figure or spot each. Nothing here says how
        photographs are seen. Real networks mix luminance and hue within a filter; this one was kept
        from it, so that a method can be checked where the answer is known. A method that works here
        may still fail there.

        Luminance is the mean of red, green and blue, as the color index has it, and not what a
        screen and an eye make of it: to the eye, a yellow spot is lighter than a blue one.
    """)
    return f"## Limits\n\n{text}"
