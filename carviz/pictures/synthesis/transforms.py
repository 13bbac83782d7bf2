"""Small changes of a picture that a filter should put up with: moves, zooms and turns.

What excites only at one exact place and scale is mostly noise (Olah et al., "Feature
visualization", Distill 2017). A change is a function that draws a matrix; changes compose.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from carviz.pictures.synthesis.parameterisation import GREY

Change = Callable[[torch.Generator], Tensor]
"""Draws a matrix (3, 3): homogeneous (column, row, 1) in pixels from the middle, out to in."""


def jitter(reach: float) -> Change:
    """Move by up to `reach` pixels along each axis."""

    def draw(generator: torch.Generator) -> Tensor:
        matrix = torch.eye(3)
        matrix[:2, 2] = reach * _even(2, generator)
        return matrix

    return draw


def zoom(share: float) -> Change:
    """Make larger or smaller by up to a share of the size."""

    def draw(generator: torch.Generator) -> Tensor:
        factor = 1 + share * float(_even(1, generator))
        return torch.diag(torch.tensor([factor, factor, 1.0]))

    return draw


def turn(degrees: float) -> Change:
    """Turn by up to `degrees` either way."""

    def draw(generator: torch.Generator) -> Tensor:
        angle = math.radians(degrees) * float(_even(1, generator))
        cos, sin = math.cos(angle), math.sin(angle)
        return torch.tensor([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])

    return draw


def compose(*changes: Change) -> Change:
    """Return one change that does what all of them do."""

    def draw(generator: torch.Generator) -> Tensor:
        matrix = torch.eye(3)
        for change in changes:
            matrix = matrix @ change(generator)
        return matrix

    return draw


def moved(pictures: Tensor, matrix: Tensor) -> Tensor:
    """Return pictures (image, channel, height, width) changed all alike; grey comes in outside.

    One interpolation does for any number of changes. All pictures are changed alike, so that a
    filter's picture does not depend on how many others are made beside it.
    """
    height, width = pictures.shape[2:]
    half = torch.diag(torch.tensor([width / 2, height / 2, 1.0]))
    relative = (torch.linalg.inv(half) @ matrix @ half)[:2].to(pictures)
    grid = functional.affine_grid(
        relative.expand(len(pictures), 2, 3), list(pictures.shape), align_corners=False
    )
    return GREY + functional.grid_sample(pictures - GREY, grid, align_corners=False)


def _even(count: int, generator: torch.Generator) -> Tensor:
    return 2 * torch.rand(count, generator=generator) - 1
