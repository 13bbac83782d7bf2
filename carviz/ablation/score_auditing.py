"""Choose the plan that a bank is scored by: judged by all numbers that the network gives.

Where answers are lists of any length, as a detector's are, a box that rounding moves across a
threshold changes all that follows, and no tolerance tells that from a mistake. There the reference
itself measures, and images run one at a time: what it gives is the network's own answer, bit by
bit, and hangs on no other image.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from carviz.ablation.auditing import Audit, choose_plan
from carviz.ablation.plan import Plan, ReferencePlan
from carviz.ablation.planning import plan_by_reference
from carviz.ablation.tidy import Folded
from carviz.ablation.truth import Tick
from carviz.banks import Network
from carviz.evaluate import AnswersPick, Layout, WholePick, find_layout, misfit
from carviz.reference import NeverCalledError, Reference

RAGGED = (
    "The network's answer to an image is a list of any length, so it runs as it is, one filter and "
    "one image at a time; the numbers are exact, only slower."
)
WHOLE = (
    "The network's answers are whole numbers, of which no filter tried moves one, so it runs as it "
    "is, one filter at a time; the numbers are exact, only slower."
)


def look_at_answers(network: Network, sample: Tensor) -> tuple[Layout, Any]:
    """Return what of a network's output follows the images, and what it gives for the first.

    Parameters
    ----------
    sample
        ``(image, channel, height, width)`` where the network is, several images.

    Raises
    ------
    ValueError
        If the network cannot run on them, or its output follows no image.
    """
    reference = Reference(network.model)
    try:
        many, one = reference.answer(sample), reference.answer(sample[:1])
    except Exception as error:
        text = misfit(reference.model, sample, error)
        raise ValueError(text.replace("has to return logits", "has to return answers")) from error
    layout = find_layout(many, one, len(sample))
    return layout, AnswersPick(layout=layout)(one)[0]


def choose_score_plan(
    network: Network, layer: str, sample: Tensor, layout: Layout, *,
    small: bool, tick: Tick | None, folded: Folded | None,
) -> tuple[Plan, Audit]:  # fmt: skip
    """Return the plan to score a bank by; see `carviz.ablation.choose_plan`.

    Raises
    ------
    ValueError
        If the network gives other answers on a second pass, or answers that depend on the batch.
    """
    whole, answers = WholePick(layout=layout), AnswersPick(layout=layout)
    if layout.ragged:
        return _by_reference(network, layer, sample[:1], answers, tick or (lambda: None), RAGGED)
    try:
        plan, audit = choose_plan(
            network, layer, sample, small=small, tick=tick, folded=folded,
            find=lambda *_answer: whole,
        )  # fmt: skip
    except NeverCalledError:
        raise
    except ValueError as error:  # the audit speaks of logits
        raise ValueError(str(error).replace("logits", "answers")) from error
    if not audit.filters and not layout.fractions:
        # Of whole numbers few move on a few images: nothing has told that the plan removes a thing.
        return _by_reference(network, layer, sample, answers, tick or (lambda: None), WHOLE)
    if isinstance(plan, ReferencePlan):
        plan.reference.pick = answers
    else:
        plan.pick = answers
    remark = audit.remark.replace("logits", "answers")
    words = audit.words.replace("no filter tried moves a logit", "no filter tried moves an answer")
    told = Audit(
        words.replace("logits", "answers"), remark, audit.filters, audit.images, audit.passes,
        audit.seconds, audit.rounding, audit.reference,
    )  # fmt: skip
    return plan, told


def _by_reference(
    network: Network, layer: str, images: Tensor, pick: AnswersPick, tick: Callable[[], None],
    remark: str,
) -> tuple[Plan, Audit]:  # fmt: skip
    begun = time.perf_counter()
    plan = plan_by_reference(network, layer, images, pick=pick)
    reference = plan.reference
    first = pick(reference.answer(images))[0]
    tick()
    if not alike(first, pick(reference.answer(images))[0]):
        raise ValueError(
            "The model must give the same answer for the same image; a second pass gave another. "
            "Switch off what is random in its forward pass (dropout called without "
            "training=self.training, for instance)."
        )
    audit = Audit(
        "measured by the reference itself", remark, (), len(images), reference.passes,
        time.perf_counter() - begun, 0.0, reference,
    )  # fmt: skip
    return plan, audit


def alike(a: Any, b: Any) -> bool:
    """Whether two answers are the same, bit by bit."""
    if type(a) is not type(b):
        return False
    if isinstance(a, Tensor):
        same = a.shape == b.shape and a.dtype == b.dtype
        return same and bool(np.array_equal(_bits(a), _bits(b)))
    if isinstance(a, dict):
        return list(a) == list(b) and all(alike(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(alike, a, b))
    if hasattr(a, "__dict__"):
        return alike(vars(a), vars(b))
    return bool(a == b)


def _bits(tensor: Tensor) -> Any:
    return tensor.contiguous().reshape(-1).view(torch.uint8).numpy()
