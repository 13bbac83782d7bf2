"""Copies with tensors of their own: nothing that is done to them reaches the given model."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from carviz.evaluate import enable_grad, inference_mode
from carviz.interrupts import Whole, whole


def ordinary_tensors() -> Whole[None]:
    """Make tensors that autograd can follow, whatever mode the caller is in."""
    return whole(_followed)


@contextmanager
def _followed() -> Iterator[None]:
    with inference_mode(False), enable_grad():
        yield


def own_copy(model: nn.Module) -> nn.Module:
    """Return a copy of a model that shares no tensor with it: modes, hooks and ties are kept.

    Gradients are left behind. Call it within `ordinary_tensors`.
    """
    memo: dict[int, Any] = {}
    for module in model.modules():
        for parameter in module._parameters.values():
            if parameter is not None:
                values = parameter.detach().clone()
                memo[id(parameter)] = nn.Parameter(values, requires_grad=parameter.requires_grad)
        # Inference tensors among the buffers would stay so, and plain tensors kept as attributes
        # (legacy weight norm) refuse to be deep-copied.
        for value in [*module._buffers.values(), *vars(module).values()]:
            if isinstance(value, Tensor):
                memo[id(value)] = value.detach().clone()
    return copy.deepcopy(model, memo)
