"""What functions do to a convolution's output: ask about it, hand it on, normalise it, add it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

CHANNEL = -3
"""The channel's axis in whatever a convolution gives, with a batch axis or without one."""

ASKS = {
    "shape", "dtype", "device", "ndim", "layout", "requires_grad", "is_cuda", "is_leaf", "grad_fn",
    "is_quantized", "is_sparse", "is_mkldnn", "names", "size", "dim", "numel", "nelement", "stride",
    "is_floating_point", "is_complex", "is_contiguous", "storage_offset", "element_size",
    "get_device", "data_ptr", "__len__", "__hash__", "__repr__", "is_tensor",
}  # fmt: skip
"""Functions that ask a tensor about itself and read none of its numbers."""
HANDS_ON = {
    "clone", "contiguous", "detach", "to", "type", "type_as", "float", "double", "half", "bfloat16",
    "cpu", "cuda", "positive", "alias", "requires_grad_",
}  # fmt: skip
"""Functions whose output has the same numbers, a cast's rounding apart."""
DROPS = {
    "dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout",
    "feature_dropout", "stochastic_depth", "native_dropout",
}  # fmt: skip
"""Functions whose output is their input in evaluation mode."""

ACTIVATES = {
    "relu", "relu6", "leaky_relu", "prelu", "elu", "celu", "selu", "gelu", "silu", "mish",
    "hardswish", "hardsigmoid", "hardtanh", "tanh", "sigmoid", "softplus", "softsign",
}  # fmt: skip
"""Functions of each number by itself, behind which a value is set; in place they end in "_"."""

ADDS = {"add", "add_", "__add__", "__iadd__", "__radd__", "sub", "sub_", "__sub__", "__isub__",
        "__rsub__"}  # fmt: skip
SCALES = {"mul", "mul_", "__mul__", "__rmul__", "__imul__", "div", "div_", "__truediv__", "neg",
          "__neg__"}  # fmt: skip
PLUS = " + "
"""Between the names of the summands, in the name of a sum of branches."""


def name_of(func: Callable[..., Any]) -> str:
    """Return a function's name, as `torch.overrides` hands functions over."""
    name = getattr(func, "__name__", str(func))
    if name in ("__get__", "__set__"):  # an attribute: torch hands over its getter
        name = getattr(getattr(func, "__self__", None), "__name__", name)
    return str(name)


def normalises(name: str, args: Any, kwargs: Any) -> bool:
    """Whether a call is `F.batch_norm` (or torch's own below it) by stored statistics."""
    if name != "batch_norm":
        return False
    # torch.batch_norm has weight and bias before the statistics; F.batch_norm behind them. Either
    # way evaluation says so in the sixth place.
    training = kwargs.get("training", args[5] if len(args) > 5 else False)
    return not training


def activates(name: str) -> bool:
    """Whether a function is an activation, in place or not."""
    return name.rstrip("_") in ACTIVATES


def hands_on(name: str, given: Tensor, output: Tensor) -> bool:
    """Whether a function gave the numbers that it was given."""
    if name in DROPS:
        return output is given or torch.equal(output, given)
    return name in HANDS_ON
