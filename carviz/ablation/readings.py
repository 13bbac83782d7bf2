"""What is read of a network's answers to images with and without filters.

A reading asks the tail of a plan, and says what comes of a chunk; whatever else happens to a chunk
(memory, workers, checkpoints, audits) is alike for all of them.
"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from carviz.ablation.facts import Facts, Tick
from carviz.ablation.tails import PairPredictions, Tail, check_finite, read_logits
from carviz.ablation.values import Value
from carviz.ablation.verifying import TIES, Claim
from carviz.evaluate import check_labels

Numbers = NDArray[np.int64]


class Pairs(NamedTuple):
    """Pairs of an image and what it loses, which are asked together.

    Parameters
    ----------
    rows, sets
        (pair,) the image, and (pair, set) what it loses, negative for nothing.
    numbers
        (pair,) the images' numbers in the data, for error messages.
    """

    rows: Numbers
    sets: Numbers
    numbers: Numbers

    def check_finite(self, finite: NDArray[np.bool_], value: Value) -> None:
        """Raise ValueError where logits are not finite; the first pair is named."""
        whole = self.sets.size == 0 or bool((self.sets < 0).all())
        check_finite(finite, self.numbers, None if whole else self.sets[:, 0], value)


class AnswerReading:
    """Read the predicted class, and log p of the true one."""

    kind: ClassVar[type[Any]] = Facts
    """What comes of a chunk."""
    floats: ClassVar[tuple[str, ...]] = ("drop", "threshold")
    """Which arrays of it are no whole numbers."""
    alone: bool = False
    """Whether images run one at a time."""

    def ask(self, tail: Tail, pairs: Pairs, targets: Any, tick: Tick | None) -> Any:
        """Run pairs, and return what is read of them.

        Parameters
        ----------
        targets
            What is true of each image, where the network is.

        Raises
        ------
        ValueError
            If an answer cannot be read; the first pair is named.
        """
        found = tail.ask(pairs.rows, pairs.sets, tick)
        pairs.check_finite(found.finite, tail.value)
        return found

    def facts(
        self, targets: Tensor, before: Any, after: Any, places: Numbers, rows: Numbers,
        filters: int,
    ) -> Any:  # fmt: skip
        """Return what comes of a chunk.

        Parameters
        ----------
        targets
            (image,) of a chunk.
        before, after
            What was read of each image, and of each pair.
        places, rows
            (pair,) place of the filter, and the image. A pair that is not among them did not run:
            nothing changes for it.
        filters
            How many there are.
        """
        predictions = np.repeat(before.predicted[None], filters, axis=0)
        predictions[places, rows] = after.predicted
        drop = np.zeros(predictions.shape)
        drop[places, rows] = before.log_p[rows] - after.log_p
        return Facts(self.kept(targets), before.predicted, predictions, drop)

    def check(self, targets: Tensor, classes: int, numbers: list[int]) -> None:
        """Refuse targets of images of these numbers that the network's logits cannot answer."""
        check_labels(targets, classes, numbers)

    def flips(self, facts: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return (m,) and (F, m) numbers that differ where a filter changes something."""
        return facts.baseline, facts.predictions

    def claim(self, facts: Any, place: int, at: int, **known: Any) -> Claim:
        """Return what was found of a pair, for the reference to look at.

        Parameters
        ----------
        place, at
            Of the filter, and of the image, in the facts.
        known
            What else a claim says: number, image and removals.
        """
        known.pop("object", None)
        return Claim(
            **known, target=int(facts.targets[at]),
            predicted=int(facts.predictions[place, at]), drop=float(facts.drop[place, at]),
        )  # fmt: skip

    def kept(self, targets: Tensor) -> NDArray[Any]:
        """Return what facts keep of the targets of a chunk; the last axis is that of the images."""
        return targets.cpu().numpy()

    def shapes(self, images: int, filters: int, classes: int) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the arrays that come of a chunk."""
        return {
            "targets": (images,), "baseline": (images,), "predictions": (filters, images),
            "drop": (filters, images),
        }  # fmt: skip

    def nonsense(self, facts: Any, classes: int) -> str:
        """Return what of arrays of the right form cannot be read; "" if nothing."""
        for name in ("baseline", "predictions"):
            found = getattr(facts, name)
            if found.min(initial=0) < 0 or found.max(initial=0) >= classes:
                return f"its {name} are no classes of the network"
        return ""


CLASSES = AnswerReading()


@dataclasses.dataclass(frozen=True)
class TopFacts(Facts):
    """Facts that also say whether the true class is among the first ones.

    Parameters
    ----------
    top_baseline
        (m,) whether it is, 0 or 1.
    top_predictions
        (F, m) whether it is without the filter.
    """

    top_baseline: NDArray[np.uint8]
    top_predictions: NDArray[np.uint8]


class TopPredictions(NamedTuple):
    """What pairs were found to be: (pair,) each; see `PairPredictions`."""

    classes: PairPredictions
    hit: NDArray[np.uint8]


@dataclasses.dataclass(frozen=True)
class TopClasses(AnswerReading):
    """Read also whether the true class is among those of the highest logits.

    Parameters
    ----------
    top
        How many these are.
    """

    kind: ClassVar[type[Any]] = TopFacts
    top: int

    def ask(self, tail: Tail, pairs: Pairs, targets: Any, tick: Tick | None) -> TopPredictions:
        """Run pairs, and return what is read of them; see `AnswerReading.ask`."""
        count, device = len(pairs.rows), targets.device
        predicted = torch.empty(count, dtype=torch.int32, device=device)
        log_p = torch.empty(count, dtype=torch.float32, device=device)
        finite = torch.empty(count, dtype=torch.bool, device=device)
        hit = torch.empty(count, dtype=torch.uint8, device=device)

        def read(part: slice, images: Tensor | slice, logits: Tensor) -> None:
            own = targets[images]
            predicted[part], log_p[part], finite[part] = read_logits(logits, own)
            hit[part] = is_among(logits, own, self.top)

        tail.run(pairs.rows, pairs.sets, read, tick)
        found = PairPredictions(predicted.cpu().numpy(), log_p.cpu().numpy(), finite.cpu().numpy())
        pairs.check_finite(found.finite, tail.value)
        return TopPredictions(found, hit.cpu().numpy())

    def facts(
        self, targets: Tensor, before: Any, after: Any, places: Numbers, rows: Numbers,
        filters: int,
    ) -> TopFacts:  # fmt: skip
        """Return what comes of a chunk; see `AnswerReading.facts`."""
        own = super().facts(targets, before.classes, after.classes, places, rows, filters)
        hits = np.repeat(before.hit[None], filters, axis=0)
        hits[places, rows] = after.hit
        return TopFacts(**vars(own), top_baseline=before.hit, top_predictions=hits)

    def shapes(self, images: int, filters: int, classes: int) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the arrays that come of a chunk."""
        more = {"top_baseline": (images,), "top_predictions": (filters, images)}
        return {**super().shapes(images, filters, classes), **more}

    def nonsense(self, facts: Any, classes: int) -> str:
        """Return what of arrays of the right form cannot be read; "" if nothing."""
        for name in ("baseline", "predictions"):
            hits = getattr(facts, f"top_{name}")
            if hits.min(initial=0) < 0 or hits.max(initial=0) > 1:
                return f"its top_{name} are neither 0 nor 1"
            if ((getattr(facts, name) == facts.targets) & (hits == 0)).any():
                return f"its {name} are not among its first classes"
        return super().nonsense(facts, classes)

    def claim(self, facts: Any, place: int, at: int, **known: Any) -> Claim:
        """Return what was found of a pair, for the reference to look at."""
        plain = vars(super().claim(facts, place, at, **known))
        return TopClaim(**plain, top=self.top, hit=bool(facts.top_predictions[place, at]))


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class TopClaim(Claim):
    """What was found of one image without some filters, and of its first classes.

    Parameters
    ----------
    top, hit
        How many classes were looked at, and whether the true one was found among them.
    """

    top: int
    hit: bool

    def fault(self, whole: Tensor, without: Tensor, rounding: float, coarseness: float) -> str:
        """Return what the network itself says otherwise; see `Claim.fault`."""
        if found := super().fault(whole, without, rounding, coarseness):
            return found
        logits = without[0].double()
        tied = TIES * float(logits.abs().max()) + 2 * rounding + coarseness
        ahead = logits - logits[self.target]
        least, most = int((ahead > tied).sum()), int((ahead >= -tied).sum()) - 1
        if (most < self.top) if not self.hit else (least >= self.top):
            return (
                f"has {least} to {most} logits ahead of that of the true class; found was that it "
                f"is {'' if self.hit else 'not '}among the {self.top} first"
            )
        return ""


def is_among(logits: Tensor, targets: Tensor, top: int) -> Tensor:
    """Return (row,) whether a row's true class is among its `top` highest logits.

    Of equal logits those of lower classes come first, whatever else is in the batch: a network
    that gives each class the same logit is not right about every image.
    """
    own = logits.gather(1, targets[:, None])
    lower = torch.arange(logits.shape[1], device=logits.device) < targets[:, None]
    return ((logits > own) | ((logits == own) & lower)).sum(1) < top
