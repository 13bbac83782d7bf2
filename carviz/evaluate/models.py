"""The given model is never touched: everything runs on a copy that shares its parameters."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter


def check_model(model: Any) -> nn.Module:
    """Return `model` if it is a module that can be measured.

    Raises
    ------
    TypeError
        If it is no `torch.nn.Module`.
    ValueError
        If it has lazy parameters that were never filled, or weights that are NaN or infinite.
    """
    if not isinstance(model, nn.Module):
        way_out = "Give the model itself, e.g. MyNetwork()."
        if isinstance(model, str):
            way_out = f"A name becomes a model with carviz.load_model({model!r})."
        raise TypeError(f"model is a torch.nn.Module; found {type(model).__name__}. {way_out}")
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        if isinstance(tensor, UninitializedParameter):
            raise ValueError(
                f"Every parameter must have its shape; {name!r} is lazy and was never filled. "
                "Run the model once on an image first."
            )
        if tensor.is_floating_point() and not _is_finite(tensor):
            raise ValueError(
                f"Weights must be finite; {name!r} holds NaN or infinity. "
                "Load the weights again, or a checkpoint from before training diverged."
            )
    return model


@torch.no_grad()
def _is_finite(tensor: Tensor) -> bool:
    # The sum is read off ten times as fast; only where it overflows each number has to be seen.
    return bool(tensor.sum().isfinite()) or bool(torch.isfinite(tensor).all())


def device_of(model: nn.Module, device: str | torch.device | None = None) -> torch.device:
    """Return `device`, or where the model is when it is None.

    Raises
    ------
    ValueError
        If the device is unknown, or is CUDA and there is none.
    """
    if device is None:
        first = next(model.parameters(), None)
        return first.device if first is not None else torch.device("cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise ValueError(f"device is a torch device, e.g. 'cpu' or 'cuda'; {error}") from error
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(
            f"device={str(device)!r} needs a CUDA GPU; torch sees none here. Use device='cpu'."
        )
    return chosen


def placement(model: nn.Module) -> tuple[torch.device, torch.dtype]:
    """Return the device and the floating-point type that the model's own parameters have."""
    like = next((p for p in model.parameters() if p.is_floating_point()), torch.empty(0))
    return like.device, like.dtype


def placed(
    images: Tensor, model: nn.Module, layout: torch.memory_format = torch.preserve_format
) -> Tensor:
    """Return images where the model is, of its floating-point type."""
    device, dtype = placement(model)
    return images.detach().to(device=device, dtype=dtype, memory_format=layout)


def shadow(model: nn.Module, device: torch.device | None = None) -> nn.Module:
    """Return a copy of the model's structure in evaluation mode that shares its parameters.

    Parameters are aliased, not copied, until something moves them to another device or format;
    buffers, which are small and which a forward pass may write, are copied. Whatever is done to
    the copy's modes, hooks or tensors' places, the given model stays as it is.
    """
    memo: dict[int, Any] = {}
    for module in model.modules():
        for parameter in module._parameters.values():
            if parameter is not None:
                memo[id(parameter)] = nn.Parameter(parameter.detach(), requires_grad=False)
        for value in vars(module).values():
            # Plain tensors kept as attributes (legacy weight norm) refuse to be deep-copied.
            if isinstance(value, Tensor):
                memo[id(value)] = value.detach()
    twin = copy.deepcopy(model, memo).eval()
    return twin if device is None else twin.to(device)
