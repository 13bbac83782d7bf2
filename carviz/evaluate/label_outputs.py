"""Which of a model's outputs are the logits of several labels an image."""

from __future__ import annotations

import dataclasses
from typing import Any

from carviz.evaluate.last_steps import LastSteps
from carviz.evaluate.outputs import OutputKind, Pick, are_probabilities, find_member

RULE = "Data with a row of labels an image is answered by a logit for each label"
SCORE_IT = (
    "Give the data one class an image, or judge the network by a function of your own: "
    "measure_car(…, score=)."
)


def find_label_logits(
    output: Any, rows: int, steps: LastSteps | None = None, answers: OutputKind | None = None
) -> Pick:
    """Return how to take the logits of labels, each of which is there or not by itself.

    They are looked for as `carviz.evaluate.find_logits` looks for those of classes. Where the last
    step is a sigmoid, its input is taken; numbers from 0 to 1 are probabilities if `answers` says
    so. A softmax lets labels compete: above which of its inputs one is there, nobody can say.

    Raises
    ------
    ValueError
        If there are none, or they are those of classes that exclude one another.
    """
    pick, taken = find_member(output, rows)
    if taken.ndim == 1 or taken.shape[1] == 1:
        raise ValueError(f"{RULE}; found one number an image. {SCORE_IT}")
    found = None if steps is None or answers == "logits" else steps.find(taken)
    if found is not None and found[1] == "sigmoid":
        return _told(pick, "the input of the sigmoid that is the model's last step", step="sigmoid")
    if found is not None or (answers is None and are_probabilities(taken)):
        raise ValueError(
            f"{RULE}; the model gives shares that sum to 1, of classes that exclude one another. "
            f"{SCORE_IT}"
        )
    inside = bool(((taken >= 0) & (taken <= 1)).all())
    if answers == "probabilities":
        if not inside:
            raise ValueError(
                "answers='probabilities' says that each label's number is 0 to 1; found "
                f"{float(taken.min()):.3g} to {float(taken.max()):.3g}. Say answers='logits'."
            )
        words = "those of one probability a label, which is predicted above 0.5"
        return _told(pick, words, form="label probabilities")
    if answers is None and inside:
        raise ValueError(
            f"{RULE}; all numbers found lie in 0 to 1 and may be logits, predicted above 0, or "
            "probabilities, predicted above 0.5. Say answers='logits' or answers='probabilities'."
        )
    return pick


def _told(pick: Pick, words: str, **changes: Any) -> Pick:
    words = f"{words} ({pick.words})" if pick.words else words
    return dataclasses.replace(pick, words=words, **changes)
