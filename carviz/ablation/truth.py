"""What the reference says of a bank: the logits with all filters, and without each of a few."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from carviz.ablation.values import ZERO, Value
from carviz.banks import CHANNEL
from carviz.evaluate import LastSteps, OutputKind, Pick, find_logits, misfit
from carviz.interrupts import whole
from carviz.reference import NeverCalledError, Reference

TELLING = 10
"""A filter tells something where it moves a logit by more than this many times the rounding."""
TRIES = 16
"""Filters that are tried at most until enough of them tell something."""
JUDGED = 2
"""Filters that a plan is judged by."""
AGREEMENT = 1e-3
"""Largest difference between two moves of the logits, as a share of the largest move."""
WIDE_AGREEMENT = 1e-5
"""The same in float64."""

Tick = Callable[[], None]
"""Called between two passes; what it raises ends the audit."""
Find = Callable[[Any, int, LastSteps | None, OutputKind | None], Pick]
"""As `carviz.evaluate.find_logits`."""


@dataclasses.dataclass(eq=False)
class Truth:
    """What the reference says of a few images.

    Parameters
    ----------
    images
        ``(image, channel, height, width)``.
    whole
        (image, class) the logits with all filters.
    rounding
        How far the logits of one image are apart, alone and in a batch.
    pick
        What finds the logits in what the model gives.
    removed
        By filter, the images that it was removed on.
    without
        By filter, the logits of these images without it.
    value
        What stands in a channel's place.
    constants
        (call, filter), float64: the numbers, where it is a number a channel. Such as the data tell
        are here those of these few images.
    partners
        As many other images, where it is the channel of another image.
    maps
        What the channels are where values are set, where the data tell the value.
    """

    images: Tensor
    whole: Tensor
    rounding: float
    pick: Pick
    removed: dict[int, list[int]] = dataclasses.field(default_factory=dict)
    without: dict[int, Tensor] = dataclasses.field(default_factory=dict)
    value: Value = ZERO
    constants: Tensor | None = None
    partners: Tensor | None = None
    maps: list[Tensor] = dataclasses.field(default_factory=list)

    def fill(self, places: list[int]) -> dict[str, Tensor | None]:
        """Return what stands in the channels of some images, as the reference takes it."""
        others = None if self.partners is None else self.partners[places]
        return {"constants": self.constants, "partners": others}

    @property
    def agreement(self) -> float:
        """Return how far a move of the logits may be off, as a share of the largest."""
        return WIDE_AGREEMENT if self.whole.dtype == torch.float64 else AGREEMENT


def find_truth(
    reference: Reference, images: Tensor, layer: str, *,
    small: bool = False, tick: Tick, answers: OutputKind | None = None, value: Value = ZERO,
    find: Find = find_logits,
) -> Truth:  # fmt: skip
    """Ask the reference what removing some filters of a bank changes.

    Parameters
    ----------
    reference
        Its `pick` is set to what finds the logits.
    images
        ``(image, channel, height, width)``, two or more.
    layer
        The bank.
    small
        Whether one filter on one image must do.
    tick
        Called between two passes; what it raises ends them.
    answers
        What the network's output is, where somebody says it.
    value
        What stands in a channel's place.
    find
        Finds what is judged in what the network gives.

    Raises
    ------
    ValueError
        If the network gives other logits on a second pass, or logits that depend on the batch,
        or no logits ``(image, class)``.
    """
    try:
        with whole(LastSteps) as steps:
            answer, energies = reference.answer_and_energies(images, layer)
    except NeverCalledError:
        raise
    except Exception as error:  # whatever a forward pass raises on images it is not made for
        raise ValueError(misfit(reference.model, images, error)) from error
    pick = find(answer, len(images), steps, answers)
    reference.pick = pick
    logits = pick(answer, steps)
    truth = Truth(images, logits, _rounding(reference, images, logits, tick), pick, value=value)
    if pick.step and not value.is_zero:
        _refuse_answers(reference, truth, layer)
    _say_values(reference, truth, layer, energies)
    _remove_some(reference, truth, layer, energies, small, tick)
    return truth


def _rounding(reference: Reference, images: Tensor, whole: Tensor, tick: Tick) -> float:
    """Return the rounding that the reference shows; refuse what is no function of an image."""
    tick()
    try:
        alone = reference.logits(images[:1])
    except Exception as error:
        raise ValueError(
            "The network must run on one image alone as it does on several. "
            f"{misfit(reference.model, images[:1], error)}"
        ) from error
    seen = distance(alone, whole[:1])
    scale = scale_of(whole)
    if seen > AGREEMENT * scale:
        tick()
        if distance(reference.logits(images), whole) > AGREEMENT * scale:
            raise ValueError(
                "The model must give the same logits for the same image; a second pass gave "
                "others. Switch off what is random in its forward pass (dropout called without "
                "training=self.training, for instance)."
            )
        precise = reference.double()
        wide = images.double()
        apart = distance(precise.logits(wide[:1]), precise.logits(wide)[:1])
        if apart > 1e-6 * scale:
            raise ValueError(
                "An image's logits must not depend on the other images of its batch; alone, "
                "the first image has others. Look for statistics taken over the batch."
            )
    # Two runs may agree by luck, in the very same order of additions.
    return max(seen, 4 * torch.finfo(whole.dtype).eps * scale)


def _refuse_answers(reference: Reference, truth: Truth, layer: str) -> None:
    """Refuse a value in the place of what the network answers: log p is taken of what is before."""
    maps, logits = reference.maps(truth.images, layer)[-1], truth.whole
    if len(maps) != len(logits):
        return
    of_one = logits.softmax(1)[:, 1:]
    for answers in (logits.sigmoid(), of_one):
        given = maps.flatten(1)
        if given.shape == answers.shape and torch.allclose(given, answers, atol=1e-5):
            raise ValueError(
                f"value={truth.value.given!r} is set behind the activation that reads {layer!r}, "
                "and these are the network's answers, which log p is not taken of. Let the network "
                "return logits, or take value='zero'."
            )


def _say_values(reference: Reference, truth: Truth, layer: str, energies: Tensor) -> None:
    """Say what stands in the channels' place on these images."""
    value, images = truth.value, truth.images
    if value.kind == "resample":
        truth.partners = images.roll(1, 0)
    elif value.kind == "number":
        shape = 1, len(energies)
        truth.constants = torch.full(shape, value.number, dtype=torch.float64)
    elif value.is_found:
        truth.maps = reference.maps(images, layer)
        # Where how many calls there are follows from how many images there are, as in a loop over
        # them, no call has a number of its own: one is for all.
        alone = len(reference.maps(images[:1], layer))
        maps = truth.maps if alone == len(truth.maps) else [_joined(truth.maps)]
        truth.constants = means_of(maps)


def alike(maps: Sequence[Tensor], truth: Truth) -> bool:
    """Return whether a plan sees the channels that the reference sees where values are set."""
    return len(maps) == len(truth.maps) and all(
        distance(own, expected) <= truth.agreement * scale_of(expected)
        for own, expected in zip(maps, truth.maps, strict=True)
    )


def _joined(maps: Sequence[Tensor]) -> Tensor:
    """Return the maps of several calls as rows of one (row, filter, place)."""
    return torch.cat([m.movedim(CHANNEL, 0).flatten(1) for m in maps], 1)[None, :, :, None]


def means_of(maps: Sequence[Tensor]) -> Tensor:
    """Return the mean of each channel over all rows and places (call, filter), on the CPU."""
    means = [m.double().movedim(CHANNEL, 0).flatten(1).mean(1) for m in maps]
    return torch.stack(means).cpu()


def _remove_some(
    reference: Reference, truth: Truth, layer: str, energies: Tensor, small: bool, tick: Tick
) -> None:
    """Remove filters that tell something, those that are least zero on the images first."""
    images = list(range(1 if small else len(truth.images)))
    for filter in energies.argsort(descending=True, stable=True)[:TRIES].tolist():
        tick()
        logits = reference.without(truth.images[images], {layer: [filter]}, **truth.fill(images))
        if not torch.isfinite(logits).all():
            continue  # the run can name the image
        if distance(logits, truth.whole[images]) < TELLING * truth.rounding:
            continue
        truth.removed[filter], truth.without[filter] = images, logits
        if len(truth.removed) == (1 if small else JUDGED):
            break


def widened(reference: Reference, truth: Truth, layer: str, tick: Tick) -> Truth:
    """Return the same truth in float64."""
    precise, images = reference.double(), truth.images.double()
    whole = precise.logits(images)
    without = {}
    for filter, places in truth.removed.items():
        tick()
        fill = truth.fill(places)
        if fill["partners"] is not None:
            fill["partners"] = fill["partners"].double()
        without[filter] = precise.without(images[places], {layer: [filter]}, **fill)
    maps = precise.maps(images, layer) if truth.maps else []
    rounding = 16 * torch.finfo(torch.float64).eps * scale_of(whole)
    reference.passes += precise.passes
    partners = None if truth.partners is None else truth.partners.double()
    return Truth(
        images, whole, rounding, truth.pick, truth.removed, without,
        truth.value, truth.constants, partners, maps,
    )  # fmt: skip


def distance(a: Tensor, b: Tensor) -> float:
    """Return the largest difference; infinity where the shapes differ."""
    if a.shape != b.shape:
        return float("inf")
    # NaN logits are told by the run, which can name the image.
    return float(torch.nan_to_num(a.double() - b.double()).abs().max())


def scale_of(logits: Tensor) -> float:
    """Return the largest absolute logit."""
    return max(float(torch.nan_to_num(logits.double()).abs().max()), 1e-12)
