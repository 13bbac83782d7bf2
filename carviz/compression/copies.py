"""Copies with tensors of their own: nothing that is done to them reaches the given model."""

from __future__ import annotations

import collections
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
        # Inference tensors among the buffers would stay so.
        for value in module._buffers.values():
            if isinstance(value, Tensor):
                memo[id(value)] = value.detach().clone()
    return copy_freely(model, memo)


def copy_freely(model: nn.Module, memo: dict[int, Any] | None = None) -> nn.Module:
    """Return a deep copy of a model, whatever it keeps of a forward pass.

    Tensors that autograd made (the older weight norm keeps its weights so, and some models their
    activations) refuse to be deep-copied: the copy has their values. `memo` is that of
    `copy.deepcopy`.
    """
    memo = {} if memo is None else memo
    for module in model.modules():
        for value in _kept(vars(module), set()):
            if id(value) not in memo and (value.grad_fn is not None or value.is_inference()):
                memo[id(value)] = value.detach().clone()
    return copy.deepcopy(model, memo)


def _kept(value: Any, seen: set[int]) -> Iterator[Tensor]:
    """Yield the tensors in an object and in the containers that it holds."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, nn.Module) or id(value) in seen:
        return
    elif isinstance(value, (dict, list, tuple, set, collections.deque)):
        seen.add(id(value))
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _kept(inner, seen)
    elif hasattr(value, "__dict__") and not isinstance(value, type):
        seen.add(id(value))
        yield from _kept(vars(value), seen)
