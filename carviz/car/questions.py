"""What is asked of a network's answers: the first class, or labels, or a score of one's own."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from torch import Tensor

from carviz.ablation import (
    CLASSES,
    ZERO,
    AnswerReading,
    Audit,
    Folded,
    LabelReading,
    Plan,
    Run,
    Score,
    ScoreReading,
    TopClasses,
    Value,
    choose_plan,
    choose_score_plan,
    look_at_answers,
    score_of,
)
from carviz.banks import Network
from carviz.car.score_identity import UNKNOWN, code_of_sent, identity_of
from carviz.checks import check_whole, found_words
from carviz.evaluate import (
    MULTI_LABEL,
    AnyTargets,
    Images,
    LabelRowsError,
    LabelTargets,
    Layout,
    OutputKind,
    find_label_logits,
    layers,
    paired,
)

ONE_BANK = (
    "is measured of one bank in a call; found a list of banks, or None for all of them. Measure "
    "one after the other: {name: measure_car(model, data, name, …) for name in names}."
)
TOP = "how many of the highest logits count as right"


@dataclasses.dataclass(frozen=True)
class Question:
    """What is asked of a network's answers.

    Parameters
    ----------
    top
        How many of the highest logits count as right, beside the first alone.
    score
        What judges them in place of classes or labels.
    several
        Whether it is asked of several banks in one call.
    value
        What stands in a filter's channel when it is asked again.
    """

    top: int = 1
    score: Score | None = None
    several: bool = False
    value: Value = ZERO

    def images(self, data: Any) -> Images:
        """Return the data, in the form that its targets have.

        Raises
        ------
        TypeError, ValueError
            If it is no data that can be asked this.
        """
        if self.score is not None:
            if not callable(self.score):
                raise TypeError(
                    "score is a function (outputs, target) that gives a number from 0 to 1, or "
                    f"None; found {type(self.score).__name__}."
                )
            if isinstance(data, Images):
                data = data.source
            return Images(paired(data), AnyTargets())
        if _says_rows(data):
            return Images(data, LabelTargets())
        try:
            return Images(data)
        except LabelRowsError:
            return Images(data, LabelTargets())

    def ask(self, images: Images, network: Network, sample: Tensor, run: Run) -> Asked:
        """Return what is asked of this network on these images.

        Parameters
        ----------
        sample
            The images that plans are tried on, the first of them that of `images` which is
            visited first.
        """
        if self.score is not None:
            self._check_float32(run, "score= is")
            if self.several:
                raise ValueError(f"score= {ONE_BANK}")
            if check_whole(self.top, "top", what=TOP) != 1:
                raise ValueError(
                    "score= judges answers in place of classes; found top as well. Leave it out."
                )
            if not self.value.is_zero:
                raise ValueError(
                    "score= is measured of a filter that is removed; found "
                    f"value={self.value.given!r}. Leave one of the two out."
                )
            layout, answer = look_at_answers(network, sample)
            return Asked(self, run, "score", layout, answer)
        if isinstance(images.targets, LabelTargets):
            self._check_float32(run, "Labels are")
            if self.several:
                raise ValueError(f"Data with a row of labels an image {ONE_BANK}")
            if check_whole(self.top, "top", what=TOP) != 1:
                raise ValueError(
                    "top is for data with one class an image; this data has a row of labels an "
                    "image, each of which is there or not. Leave top out."
                )
            if self.value.kind == "optimal":
                raise ValueError(
                    "value='optimal' is chosen by log p of one class an image; this data has a "
                    "row of labels an image. Take another value."
                )
            return Asked(self, run, "labels")
        return Asked(self, run, "classes")

    def _check_float32(self, run: Run, what: str) -> None:
        if run.precision != "float32":
            raise ValueError(
                f"{what} measured in float32; found precision {run.precision!r}, whose audit looks "
                "at the first class alone. Leave the precision out."
            )


@dataclasses.dataclass(frozen=True)
class Asked:
    """What is asked of one network on some images.

    Parameters
    ----------
    kind
        "classes", "labels" or "score".
    layout, answer
        What of the network's output follows the images, and its answer to the first one; only of a
        score.
    """

    question: Question
    run: Run
    kind: str
    layout: Layout | None = None
    answer: Any = None

    def choose(
        self, network: Network, name: str, sample: Tensor, *, small: bool,
        tick: Callable[[], None] | None, answers: OutputKind | None, folded: Folded,
    ) -> tuple[Plan, Audit]:  # fmt: skip
        """Return the plan to measure a bank by; see `carviz.ablation.choose_plan`."""
        if self.layout is not None:
            if answers is not None:
                raise ValueError(
                    "answers says what logits are; score= judges all that the model gives, as it "
                    "is. Leave answers out."
                )
            return choose_score_plan(
                network, name, sample, self.layout, small=small, tick=tick, folded=folded
            )
        find = {"find": find_label_logits} if self.kind == "labels" else {}
        return choose_plan(
            network, name, sample, tick=tick, small=small, answers=answers, folded=folded,
            precision=self.run.precision, value=self.question.value, **find,
        )  # fmt: skip

    def reading(self, classes: int) -> AnswerReading:
        """Return what is read of the answers of a network of so many logits.

        Raises
        ------
        TypeError, ValueError
            If that is not what such a network can be asked.
        """
        if self.layout is not None:
            assert self.question.score is not None
            return ScoreReading(self.question.score, self.layout, self.layout.ragged)
        if self.kind == "labels":
            return LabelReading()
        if classes <= 2 and check_whole(self.question.top, "top", what=TOP) > 1:
            raise ValueError(
                f"top is {TOP}, fewer than there are classes; found {self.question.top}, and this "
                "network tells two classes apart. Leave top out."
            )
        note = f"fewer than the network's {classes} logits"
        most = max(1, classes - 1)
        top = check_whole(self.question.top, "top", 1, most, what=TOP, note=note)
        if top == 1:
            return CLASSES
        self.question._check_float32(self.run, "top above 1 is")
        return TopClasses(top)

    def check_first(self, images: Images, number: int) -> None:
        """Refuse targets of the first image that cannot be judged, before anything is measured."""
        score = self.question.score
        if score is None:
            return
        if self.run.checkpoint is not None and identity_of(score)["code"] == UNKNOWN:
            raise ValueError(
                "Run(checkpoint=…) keeps parts by what score is; this one cannot be told from "
                "another, since it, or something that it uses, holds what pickle does not take (a "
                "lock, a generator, an open file). Hold that elsewhere, or leave checkpoint out."
            )
        _check_travels(score, self.run)
        (target,) = images.targets.objects(images.read([number])[1]) or [None]
        first, again = (score_of(score, self.answer, target, number) for _ in range(2))
        if first != again:
            raise ValueError(
                "score gives the same number whenever it is asked of the same answer; of image "
                f"{number} it gave {first:.6g} and {again:.6g}. Let nothing in it be random, and "
                "let it keep nothing from one call for the next."
            )

    def passport(self) -> dict[str, Any]:
        """Return what the passport says of it: only what is not plain."""
        if self.question.score is not None:
            return {"score": identity_of(self.question.score)}
        if self.kind == "labels":
            return {"targets": "labels"}
        return {} if self.question.top == 1 else {"top": int(self.question.top)}


PLAIN = Question()


def _says_rows(data: Any) -> bool:
    """Return whether data say that an image has a row of labels."""
    said = False
    for layer in layers(data):
        value = getattr(layer, MULTI_LABEL, None)
        if value is not None and not isinstance(value, (bool, np.bool_)):
            raise TypeError(
                f"data.{MULTI_LABEL} is True where an image has a row of labels, else False; found "
                f"{found_words(value)}."
            )
        said = said or bool(value)
    return said


def _check_travels(score: Score, run: Run) -> None:
    """Refuse a function that cannot be sent to the processes of an executor, or is another there.

    What a module defines is sent by its name: a process has its own values of the module.
    """
    if run.executor is None or isinstance(run.executor, ThreadPoolExecutor):
        return
    try:
        from cloudpickle import dumps
    except ImportError:
        from pickle import dumps
    try:
        packed = dumps(score)
    except Exception as error:
        raise ValueError(
            "Run(executor=…) sends score to other processes, so pickle must take it; it does not "
            f"({type(error).__name__}: {error}). Define it by def in a module, without what "
            "cannot be sent, install cloudpickle, or leave executor out."
        ) from error
    try:
        here, there = code_of_sent(packed), run.executor.submit(code_of_sent, packed).result()
    except Exception:  # a pool that is broken is told, and done without, when chunks are sent
        return
    if isinstance(there, str) and here != there:
        raise ValueError(
            "Run(executor=…) has score asked in other processes, where it must be the same; a "
            "process of this executor finds other code, or other values of its module, than there "
            "are here. Give score what was set meanwhile by functools.partial or as an object's "
            "attribute, start the executor again, or leave it out."
        )
