"""What is made large: one number from what a filter answers over a picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from torch import Tensor

ObjectiveName = Literal["center", "mean", "max"]
Objective = Callable[[Tensor], Tensor]
"""Maps a filter's answers (image, height, width) to one number an image."""


def center(answers: Tensor) -> Tensor:
    """Return what the filter answers in the middle of its map."""
    row, column = middle(answers)
    return answers[:, row, column]


def mean(answers: Tensor) -> Tensor:
    """Return what it answers on average."""
    return answers.mean((1, 2))


def largest(answers: Tensor) -> Tensor:
    """Return the most that it answers anywhere."""
    return answers.amax((1, 2))


OBJECTIVES: dict[str, Objective] = {"center": center, "mean": mean, "max": largest}


def middle(answers: Tensor) -> tuple[int, int]:
    """Return row and column of the middle place of maps (…, height, width)."""
    return answers.shape[-2] // 2, answers.shape[-1] // 2
