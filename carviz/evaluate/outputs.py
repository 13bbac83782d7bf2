"""Which of a model's outputs are the logits, and how to take them."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from carviz.evaluate.describing import brief, described
from carviz.evaluate.last_steps import LastSteps, log_probability
from carviz.interrupts import whole

WAY_OUT = "Wrap it in a module that returns the logits alone."


OutputKind = Literal["logits", "probabilities"]
"""What `answers` may say of a model's output."""

Form = Literal["logits", "one logit", "probabilities", "one probability", "label probabilities"]

SUM = 1e-4
"""How far from 1 the sum of a row of probabilities may be."""


@dataclasses.dataclass(frozen=True)
class Pick:
    """Take the logits out of what a model returns.

    Parameters
    ----------
    key
        The name or the number under which the output holds them; None where it is the logits.
    classes
        How many classes they have; 0 where that is not asked.
    words
        What was taken, for the passport; "" where the output is the logits.
    step
        The last step, "softmax" or "sigmoid", whose input is taken in place of the output.
    form
        What is there: logits; one logit an image, that of class 1 against class 0; probabilities
        that sum to 1; one probability an image, that of class 1; or one a label.
    assumed
        Whether the output may as well be something else, and nobody has said what it is.
    """

    key: str | int | None
    classes: int
    words: str = ""
    step: str = ""
    form: Form = "logits"
    assumed: bool = False

    @property
    def answers(self) -> str:
        """What was taken for the logits, for the passport; "logits" where that is plain."""
        told = f"{self.form} before the {self.step}" if self.step else self.form
        return f"{told} (assumed)" if self.assumed else told

    @contextmanager
    def reading(self) -> Iterator[Callable[[Any], Tensor]]:
        """Watch a forward pass; what is given turns its output into logits, ``(image, class)``."""
        if not self.step:
            yield self
            return
        with whole(LastSteps) as steps:
            yield functools.partial(self, steps=steps)

    def __call__(self, output: Any, steps: LastSteps | None = None) -> Tensor:
        """Return the logits, ``(image, class)``.

        A model that squeezes its maps returns (class,) for one image alone; as several images had
        given (image, class), that is told apart and becomes (1, class).
        """
        taken: Tensor = output if self.key is None else _member(output, self.key)
        if self.step:
            found = None if steps is None else steps.find(taken)
            if found is None or found[1] != self.step:
                raise ValueError(
                    f"The model's last step was a {self.step} on the first images, and is not on "
                    "others. Let it return logits."
                )
            taken = found[0]
        if self.form.startswith("one"):
            return _two_classes(taken.reshape(-1), self.form)
        if taken.ndim == 1 and len(taken) == self.classes:
            taken = taken.unsqueeze(0)
        if self.form == "probabilities":
            if not are_probabilities(taken):
                raise ValueError(
                    "The model's output was taken for probabilities, which sum to 1 for each "
                    "image; one does not. Say what it is: answers='logits', or let it return "
                    "logits."
                )
            return log_probability(taken)
        if self.form == "label probabilities":
            return _log_odds(taken)
        return taken


AS_IS = Pick(None, 0)
"""Takes what a model gives for its logits."""


def _two_classes(numbers: Tensor, form: str) -> Tensor:
    """Return logits (image, 2) of one number an image: class 1 is predicted above 0, or above ½."""
    if form == "one logit":
        return torch.stack([torch.zeros_like(numbers), numbers], 1)
    if bool(((numbers < 0) | (numbers > 1)).any()):
        raise ValueError(
            "answers='probabilities' says that the model gives the probability of class 1, 0 to "
            f"1; found {float(numbers.min()):.3g} to {float(numbers.max()):.3g}. Say "
            "answers='logits'."
        )
    return torch.stack([log_probability(1 - numbers), log_probability(numbers)], 1)


def _log_odds(shares: Tensor) -> Tensor:
    """Return the logits of probabilities ``(image, label)``; above 0 is above ½."""
    if bool(((shares < 0) | (shares > 1)).any()):
        raise ValueError(
            "answers='probabilities' says that the model gives each label's probability, 0 to 1; "
            f"found {float(shares.min()):.3g} to {float(shares.max()):.3g}. Say answers='logits'."
        )
    return log_probability(shares) - log_probability(1 - shares)


def are_probabilities(rows: Tensor) -> bool:
    """Whether rows ``(image, class)`` of two classes or more are 0 or more and sum to 1."""
    if rows.ndim != 2 or rows.shape[1] < 2:
        return False
    apart = (rows.double().sum(1) - 1).abs().max()
    return bool((rows >= 0).all() and apart <= SUM)


def find_logits(
    output: Any, rows: int, steps: LastSteps | None = None, answers: OutputKind | None = None
) -> Pick:
    """Return how to take the logits out of a model's output.

    They are the output itself, or its member called "logits" (of a mapping, a named tuple, a
    dataclass, any object with such an attribute), or the only floating-point tensor
    ``(image, class)`` of a tuple or list. A mapping without "logits" is refused, though it hold a
    single such tensor: under a name of its own that may well be an embedding.

    Where the last step is a softmax or a sigmoid, its input is taken. Rows that sum to 1 are
    probabilities otherwise. One number an image, ``(image, 1)`` or ``(image,)``, is the logit of
    class 1 against class 0.

    Parameters
    ----------
    output
        What the model returned for several images.
    rows
        How many images these were.
    steps
        What watched the pass; None where nothing did.
    answers
        "logits" or "probabilities" where somebody says what the output is; None where nobody does.

    Raises
    ------
    ValueError
        If the output holds no logits that can be told from the rest, or is not what `answers`
        says.
    """
    pick, taken = find_member(output, rows)
    found = None if steps is None or answers == "logits" else steps.find(taken)
    one = taken.ndim == 1 or taken.shape[1] == 1
    if found is not None and (found[1] == "sigmoid" or not one):
        form: Form = "one logit" if one else "logits"
        words = f"the input of the {found[1]} that is the model's last step"
        return _with(pick, words, step=found[1], form=form)
    if one:
        return _one_number(pick, taken, answers)
    if answers != "logits" and are_probabilities(taken):
        words = "logs of the model's output, whose rows sum to 1, as probabilities do"
        return _with(pick, words, form="probabilities")
    if answers == "probabilities":
        raise ValueError(
            "answers='probabilities' says that each image's numbers are 0 or more and sum to 1; "
            f"found {float(taken.min()):.3g} to {float(taken.max()):.3g}, with sums of "
            f"{float(taken.sum(1).min()):.6g} to {float(taken.sum(1).max()):.6g}. Let the model "
            "return logits."
        )
    # Independent columns of probabilities look like this; so do logits of a small network.
    assumed = answers is None and bool(((taken >= 0) & (taken <= 1)).all())
    return dataclasses.replace(pick, assumed=assumed)


def _with(pick: Pick, words: str, **changes: Any) -> Pick:
    words = f"{words} ({pick.words})" if pick.words else words
    classes = 2 if changes.get("form", "").startswith("one") else pick.classes
    return dataclasses.replace(pick, words=words, classes=classes, **changes)


def _one_number(pick: Pick, numbers: Tensor, answers: OutputKind | None) -> Pick:
    if answers == "probabilities":
        words = "those of one probability an image, that of class 1, which is predicted above 0.5"
        return _with(pick, words, form="one probability")
    words = "one an image, that of class 1 against class 0: class 1 is predicted above 0"
    if answers is None:
        words += (
            "; that it is a logit is assumed (answers='logits' says so, answers='probabilities' "
            "that it is the probability of class 1)"
        )
    return _with(pick, words, form="one logit", assumed=answers is None)


def find_member(output: Any, rows: int) -> tuple[Pick, Tensor]:
    """Return the member of an output that has the logits; ValueError if it cannot be told."""
    if isinstance(output, Tensor):
        if not _fits(output, rows):
            raise ValueError(_refusal(rows, brief(output), WAY_OUT))
        return Pick(None, _width(output)), output
    named = _member(output, "logits")
    if isinstance(named, Tensor):
        if not _fits(named, rows):
            raise ValueError(_refusal(rows, f"'logits' as {brief(named)}", WAY_OUT))
        return Pick("logits", _width(named), "the output's 'logits'"), named
    if isinstance(output, (tuple, list)):
        fitting = [i for i, member in enumerate(output) if _fits(member, rows)]
        # One number an image, beside logits, is a loss or a weight.
        fitting = [i for i in fitting if output[i].ndim == 2] or fitting
        if len(fitting) == 1:
            number = fitting[0]
            words = f"output {number + 1} of {len(output)}" if len(output) > 1 else ""
            return Pick(number, _width(output[number]), words), output[number]
        count = "no member" if not fitting else f"{len(fitting)} members"
        found = f"{described(output)}, of which {count} could be the logits"
        raise ValueError(_refusal(rows, found, WAY_OUT))
    way_out = "Return the logits alone, or under the name 'logits', from a module around the model."
    raise ValueError(_refusal(rows, described(output), way_out))


def check_answers(answers: Any) -> OutputKind | None:
    """Return `answers`; ValueError if it is neither None nor an `OutputKind`."""
    if answers is not None and answers not in get_args(OutputKind):
        raise ValueError(
            "answers says what the model's output is, 'logits' or 'probabilities', or None to "
            f"find out; found {answers!r}."
        )
    kind: OutputKind | None = answers
    return kind


def _member(output: Any, key: str | int) -> Any:
    if isinstance(key, int) or isinstance(output, Mapping):
        return output.get(key) if isinstance(output, Mapping) else output[key]
    return getattr(output, key, None)


def _fits(member: Any, rows: int) -> bool:
    return (
        isinstance(member, Tensor)
        and member.ndim in (1, 2)
        and len(member) == rows
        and member.numel() > 0
        and member.is_floating_point()
    )


def _width(member: Tensor) -> int:
    return 1 if member.ndim == 1 else member.shape[1]


def _refusal(rows: int, found: str, way_out: str) -> str:
    return (
        f"The model maps {rows} images to logits ({rows}, class), floating-point numbers; "
        f"found {found}. {way_out}"
    )
