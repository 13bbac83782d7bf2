"""An order that was chosen before, to be followed on these images."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from carviz.car import Measurement
from carviz.checks import found_words, is_whole
from carviz.pruning.criteria import Scores
from carviz.results import PruningPath

GIVEN = "given"
"""The criterion of an order whose origin is not known."""


@dataclasses.dataclass(frozen=True, eq=False)
class Given:
    """An order that fits the banks.

    Parameters
    ----------
    criterion
        What chose it.
    steps
        Bank and filter of each step.
    scores
        The place of each filter in the order, bank after bank; infinite for those that stay.
    words
        What tells this order from others, for the passport.
    """

    criterion: str
    steps: Sequence[tuple[str, int]]
    scores: Scores
    words: str


def read_order(order: Any, banks: Sequence[Measurement], criterion: str) -> Given:
    """Check an order against the banks that are pruned.

    Raises
    ------
    TypeError, ValueError
        If it is no order, or not one of these banks' filters.
    """
    sizes = {bank.layer: len(bank.filters) for bank in banks}
    if isinstance(order, PruningPath):
        steps, chosen = list(order.steps), order.criterion
        origin = str(order.passport.get("data", ""))
    else:
        steps, chosen, origin = _numbers(order, list(sizes)), GIVEN, ""
    if criterion not in ("car", chosen):
        raise ValueError(
            f"Filters go in the given order or by a criterion; found both, order and "
            f"criterion={criterion!r}. Leave one out."
        )
    wrong = [(bank, i) for bank, i in steps if not 0 <= i < sizes.get(bank, 0)]
    if wrong or len(set(steps)) < len(steps):
        found = f"filter {wrong[0][1]} of {wrong[0][0]!r}" if wrong else "a repetition"
        told = ", ".join(f"{layer!r} ({size} filters)" for layer, size in sizes.items())
        raise ValueError(
            f"order names filters of the banks that are pruned, {told}, each once; found {found}."
        )
    starts = dict(zip(sizes, np.cumsum([0, *sizes.values()]), strict=False))
    scores = np.full(sum(sizes.values()), np.inf)
    for place, (bank, filter) in enumerate(steps):
        scores[starts[bank] + filter] = place
    digest = hashlib.sha256(scores.tobytes()).hexdigest()[:16]
    return Given(chosen, steps, scores, f"{digest} of {origin}" if origin else digest)


def _numbers(order: Any, layers: list[str]) -> list[tuple[str, int]]:
    rule = "order is a PruningPath or a list of filter numbers"
    if isinstance(order, str) or not isinstance(order, Sequence | np.ndarray):
        raise TypeError(f"{rule}; found {type(order).__name__}.")
    if len(layers) != 1:
        raise ValueError(f"{rule}; numbers say nothing of {len(layers)} banks. Give a path.")
    wrong = [i for i in order if not is_whole(i)]
    if wrong:
        raise TypeError(f"{rule}; found {found_words(wrong[0])} among them.")
    return [(layers[0], int(i)) for i in order]
