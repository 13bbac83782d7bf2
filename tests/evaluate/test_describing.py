"""What was found is told in words."""

import dataclasses
from collections import namedtuple

import numpy as np
import pytest
import torch

from carviz.evaluate.describing import described

Pair = namedtuple("Pair", "maps labels")


@dataclasses.dataclass
class Answer:
    """As model libraries return it."""

    logits: torch.Tensor
    loss: float | None = None


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (3, "an int"),
        (None, "a NoneType"),
        (torch.zeros(2, 3), "a tensor of shape (2, 3)"),
        (torch.zeros(2, dtype=torch.uint8), "a tensor of shape (2,) of uint8"),
        (np.zeros((2, 1)), "an array of shape (2, 1)"),
        (np.zeros(2, bool), "an array of shape (2,) of bool"),
        ({"x": torch.zeros(1), "y": 3}, "a dict of 2 ('x': a tensor of shape (1,), 'y': int)"),
        (("a", [1]), "a tuple of 2 (str, list)"),
        (Pair(torch.zeros(1), 2), "a Pair of 2 (maps: a tensor of shape (1,), labels: int)"),
        (Answer(torch.zeros(1)), "an Answer of 2 (logits: a tensor of shape (1,), loss: NoneType)"),
        (list(range(9)), "a list of 9 (int, int, int, int, int, int, …)"),
    ],
)
def test_values_are_described(value, words):
    assert described(value) == words
