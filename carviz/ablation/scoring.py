"""Score a network's answers by a function of the user's own."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from carviz.ablation.facts import Facts, Tick
from carviz.ablation.readings import AnswerReading, Numbers, Pairs
from carviz.ablation.tails import Tail
from carviz.ablation.verifying import Claim, words_of
from carviz.evaluate import AnswersPick, Layout, arithmetic, cloned, inference_mode
from carviz.reference import Reference

Score = Callable[[Any, Any], Any]
"""Takes what the network gives for one image, and what is true of it; gives a number, 0 to 1."""
ABOVE = 1e-6
"""How far above 1, or below 0, rounding may take a score."""
NEAR = 1e-4
"""How far two scores of the same answer may be apart by rounding."""
TRIES = 16
"""How often an answer is moved by rounding to see what its score may be."""
NUMBERS = (bool, int, float, np.bool_, np.integer, np.floating)

_SCORING = threading.Lock()
"""Batches run side by side; the function of a user's own may not."""


@dataclasses.dataclass(frozen=True)
class ScoreFacts(Facts):
    """What one chunk of m images says by a score: axes filter (F) and image.

    `targets` are (m,) digests of what is true; `baseline` (m,) and `predictions` (F, m) scores,
    float32, and `drop` (F, m) by how much they fall.
    """


@dataclasses.dataclass(frozen=True, eq=False)
class ScoreReading(AnswerReading):
    """Read a number for each answer, by a function.

    Parameters
    ----------
    score
        The function.
    layout
        What of the network's output follows the images.
    alone
        Whether images run one at a time.
    """

    kind: ClassVar[type[Any]] = ScoreFacts
    floats: ClassVar[tuple[str, ...]] = ("baseline", "predictions", "drop")
    score: Score
    layout: Layout
    alone: bool = False

    def ask(self, tail: Tail, pairs: Pairs, targets: Any, tick: Tick | None) -> NDArray[np.float32]:
        """Run pairs, and return their scores; see `AnswerReading.ask`."""
        scores = np.zeros(len(pairs.rows), np.float32)

        def read(part: slice, _images: Tensor | slice, answers: Any) -> None:
            for pair, answer in enumerate(answers, part.start):
                target, number = targets[pairs.rows[pair]], int(pairs.numbers[pair])
                filters = [int(i) for i in pairs.sets[pair] if i >= 0]
                scores[pair] = score_of(self.score, answer, target, number, filters)

        tail.run(pairs.rows, pairs.sets, read, tick)
        return scores

    def facts(
        self, targets: Tensor, before: Any, after: Any, places: Numbers, rows: Numbers,
        filters: int,
    ) -> ScoreFacts:  # fmt: skip
        """Return what comes of a chunk; see `AnswerReading.facts`."""
        scores = np.repeat(before[None], filters, axis=0)
        scores[places, rows] = after
        return ScoreFacts(self.kept(targets), before, scores, before.astype(np.float64) - scores)

    def check(self, targets: Tensor, classes: int, numbers: list[int]) -> None:
        """Targets are of any kind."""

    def nonsense(self, facts: Any, classes: int) -> str:
        """Return what of arrays of the right form cannot be read; "" if nothing."""
        for name in ("baseline", "predictions"):
            found = getattr(facts, name)
            if not ((found >= 0) & (found <= 1)).all():
                return f"its {name} are no scores in [0, 1]"
        return ""

    def claim(self, facts: Any, place: int, at: int, **known: Any) -> Claim:
        """Return what was found of a pair, for the reference to look at."""
        object_ = known.pop("object")
        score = float(facts.predictions[place, at])
        return ScoreClaim(**known, target=-1, predicted=-1, object=object_, score=score)

    def verify(
        self, reference: Reference, claims: Sequence[Claim], rounding: float,
        tick: Callable[[], None] | None = None,
    ) -> None:  # fmt: skip
        """Raise ValueError where the network's own answer has another score than was found.

        A score may jump where an answer moves by rounding: any score counts that the network's own
        answer has when it is moved so far.
        """
        pick, reference.pick = reference.pick, AnswersPick(layout=self.layout)
        try:
            for claim in claims:
                assert isinstance(claim, ScoreClaim)
                if tick is not None:
                    tick()
                with inference_mode(), arithmetic("float32", claim.image.device.type):
                    answers: Any = reference.without(claim.image, claim.removals)
                filters = [i for gone in claim.removals.values() for i in gone]
                low, high = 1.0, 0.0
                for answer in _near(answers[0], rounding):
                    one = score_of(self.score, answer, claim.object, claim.number, filters)
                    low, high = min(low, one), max(high, one)
                    if low - NEAR <= claim.score <= high + NEAR:
                        break
                else:
                    found = f"has score {one:.6g}, and {claim.score:.6g} was found"
                    raise ValueError(
                        f"{words_of(claim, found)} A score must also be the same whenever it is "
                        "asked of the same answer."
                    )
        finally:
            reference.pick = pick


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class ScoreClaim(Claim):
    """What was found of the score of one image without some filters.

    Parameters
    ----------
    object
        What is true of the image.
    score
        The score that was found.
    """

    object: Any
    score: float


def _near(answer: Any, rounding: float) -> Any:
    """Yield an answer, and then the same moved by rounding, at random."""
    yield answer
    generator = torch.Generator().manual_seed(0)
    for _ in range(TRIES):
        yield _moved(answer, rounding, generator)


def _moved(answer: Any, rounding: float, generator: torch.Generator) -> Any:
    if isinstance(answer, Tensor):
        if not answer.is_floating_point() or not answer.numel():
            return answer
        noise = 2 * torch.rand(answer.shape, generator=generator, dtype=torch.float64) - 1
        largest = float(torch.nan_to_num(answer.double(), 0.0, 0.0, 0.0).abs().max())
        width = max(4 * rounding, 16 * torch.finfo(torch.float32).eps * largest)
        return (answer.double() + width * noise).to(answer.dtype)
    if isinstance(answer, Mapping):
        moved = {key: _moved(value, rounding, generator) for key, value in answer.items()}
        made = dataclasses.is_dataclass(answer)
        return type(answer)(**moved) if made else moved
    if isinstance(answer, (list, tuple)) and not hasattr(answer, "_fields"):
        return type(answer)(_moved(value, rounding, generator) for value in answer)
    return answer


def _owned(target: Any) -> Any:
    """Return a target whose arrays are its own; of types that are not known, it is as it is."""
    if isinstance(target, Tensor):
        return target.clone()
    if isinstance(target, np.ndarray):
        return target.copy()
    if type(target) is dict:
        return {key: _owned(value) for key, value in target.items()}
    if type(target) in (list, tuple):
        return type(target)(_owned(value) for value in target)
    return target


def score_of(
    score: Score, answer: Any, target: Any, number: int, filters: Sequence[int] = ()
) -> float:
    """Return the score of what the network gives for an image.

    Parameters
    ----------
    answer, target
        What it gives, and what is true.
    number, filters
        The image's number in the data, and which filters are gone, for error messages.

    Raises
    ------
    ValueError
        If the function fails, or gives something else than a number from 0 to 1.
    """
    gone = f" without filter {', '.join(map(str, filters))}" if filters else ""
    rule = f"score(outputs, target) gives a number from 0 to 1; of image {number}{gone} it"
    try:
        with _SCORING, inference_mode():
            # It may write into what it gets, parts of which other images share.
            found = score(cloned(answer), _owned(target))
    except Exception as error:
        raise ValueError(
            f"{rule} raised {type(error).__name__}: {error}. outputs are what the network gives "
            "for this one image, on the CPU; target is what the data gives with it."
        ) from error
    if isinstance(found, (Tensor, np.ndarray)) and found.shape in ((), (1,)):
        found = found.item()
    if not isinstance(found, NUMBERS):
        raise ValueError(f"{rule} gave a {type(found).__name__}. Return a float.")
    value = float(found)
    if not -ABOVE <= value <= 1 + ABOVE:  # NaN too
        raise ValueError(
            f"{rule} gave {value:.6g}. Divide by the largest value that it can have; where nothing "
            "can be found, say what counts (1 where nothing is there and nothing is found)."
        )
    return min(1.0, max(0.0, value))
