"""What a forward pass may do that measuring has to know: fail, and set its layers' attributes."""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _BatchNorm

from carviz.evaluate.modes import no_grad

SIZE_FAULTS = (
    r"mat1 and mat2 shapes cannot be multiplied",
    r"shape '\[.*\]' is invalid for input of size",
    r"Kernel size can't be greater than actual input size",
    r"Output size is too small",
    r"Padding size should be less than the corresponding input dimension",
    r"Expected more than 1 spatial element",
    r"Sizes of tensors must match except in dimension",
    r"must match the (existing )?size .* at non-singleton dimension",
    r"doesn't match model",
)
"""How torch and the libraries of vision models say that images have the wrong size."""

NO_SETTINGS = {
    "_parameters", "_buffers", "_modules", "_non_persistent_buffers_set", "_state_dict_hooks",
    "_forward_hooks", "_forward_hooks_with_kwargs", "_forward_hooks_always_called",
    "_forward_pre_hooks", "_forward_pre_hooks_with_kwargs", "_backward_hooks",
    "_backward_pre_hooks",
}  # fmt: skip
"""Attributes of every module that hold no setting; parameters are looked at one by one."""


def quiet_call(model: nn.Module, *inputs: Any) -> Any:
    """Run a module; where it is a torch.fx graph that fails, nothing is printed.

    A graph's `__call__` prints its generated code with the traceback on stderr before it hands
    the error on; its `forward` does not. Hooks on the graph module itself do not run.
    """
    return model.forward(*inputs) if isinstance(model, fx.GraphModule) else model(*inputs)


def misfit(model: nn.Module, sample: Tensor, error: Exception) -> str:
    """Return in words why a model fails on images: their channels, their size, or its own fault.

    Parameters
    ----------
    model
        The model whose forward pass failed.
    sample
        The images ``(image, channel, height, width)`` on which it did.
    error
        What it raised.
    """
    channels, size = sample.shape[1], " × ".join(map(str, sample.shape[2:]))
    text = f"{type(error).__name__}: {error}"
    if (expected := _channels_wanted(str(error), sample)) is not None:
        return (
            f"The network reads images of {expected} channels; the data has {channels} ({text}). "
            "Convert the images (RGB: 3, grey: 1) in the data's transform."
        )
    if _is_of_size(model, sample, str(error)):
        return (
            f"The network must run on the data's images, {channels} channels of {size} pixels; it "
            f"fails on them ({text}). Resize them as the network expects."
        )
    return (
        f"The network must run on the data's images, {channels} channels of {size} pixels; the "
        f"forward pass of {type(model).__name__} itself raised {text}. Mend it there: "
        "model.eval()(images) has to return logits."
    )


def _channels_wanted(text: str, sample: Tensor) -> int | None:
    """Return how many channels the layer wants that reads the image, if that is the fault."""
    shape = ", ".join(map(str, sample.shape[1:]))
    conv = re.search(r"expected input\[(.*?)\] to have (\d+) channels, but got (\d+)", text)
    # Of the image's own shape, it is the image; a deeper layer's fault is the network's.
    if conv and conv[1] in (f"{len(sample)}, {shape}", shape, f"1, {shape}"):
        return int(conv[2])
    sums = re.search(r"size of tensor a \((\d+)\) .* b \((\d+)\) at .* dimension 1$", text)
    if sums and sample.ndim == 4 and {int(sums[1]), int(sums[2])} <= {1, 3, 4}:
        wanted = {int(sums[1]), int(sums[2])} - {sample.shape[1]}
        return wanted.pop() if len(wanted) == 1 else None
    return None


@no_grad()
def _is_of_size(model: nn.Module, sample: Tensor, text: str) -> bool:
    if not any(re.search(fault, text) for fault in SIZE_FAULTS):
        return False
    rows, channels, height, width = sample.shape
    try:
        quiet_call(model, sample.new_zeros(rows, channels, height + 32, width + 32))
    except Exception as error:
        # A layer that is too narrow behind a global pooling says the same at every size, and so
        # does a batch that does not fit.
        return str(error) != text
    return True


@no_grad()
def sets_attributes(model: nn.Module, images: Tensor) -> str:
    """Return which layer's setting a forward pass changes on its way; "" if none.

    A network that sets ``self.conv.stride = (2, 2)`` before one call and ``(1, 1)`` before the
    next (CORnet-S) is no graph of fixed layers: torch.fx would keep the last value for all calls.
    What a layer sets during its own calls is no such thing, a graph does it too. Costs one pass.

    Parameters
    ----------
    model
        A copy of the model; it is run once, and has its hooks back afterwards.
    images
        ``(image, channel, height, width)``, where the model is.

    Returns
    -------
    words
        The layer, the attribute and its values in order: "conv.stride: (2, 2), then (1, 1)".
    """
    layers = {name: m for name, m in model.named_modules() if _is_step(m)}
    now = {name: _settings(m) for name, m in layers.items()}
    called: dict[str, list[dict[str, Any]]] = {name: [] for name in layers}
    moved: dict[str, set[str]] = {name: set() for name in layers}
    hooks: list[Any] = []

    def before(name: str, layer: nn.Module) -> None:
        settings = _settings(layer)
        moved[name] |= _differences(now[name], settings)
        called[name].append(settings)

    def after(name: str, layer: nn.Module) -> None:
        now[name] = _settings(layer)

    try:
        for name, layer in layers.items():
            hooks += [
                # First and last of all, so that torch's own hooks count as part of the call.
                layer.register_forward_pre_hook(
                    lambda m, _args, name=name: before(name, m), prepend=True
                ),
                layer.register_forward_hook(lambda m, _args, _out, name=name: after(name, m)),
            ]
        model(images)
    finally:
        for hook in hooks:
            hook.remove()
    for name, layer in layers.items():
        last = _settings(layer)
        moved[name] |= _differences(now[name], last)
        for key in sorted(moved[name]):
            values = [*(call.get(key) for call in called[name]), last.get(key)]
            if any(not _same(value, values[-1]) for value in values):
                told = [_told(v) for v in values]
                return f"{name}.{key}: {', then '.join(dict.fromkeys(told))}"
    return ""


def _is_step(module: nn.Module) -> bool:
    """Whether torch.fx takes a module as one step, whose attributes it reads only when it runs."""
    if isinstance(module, nn.Sequential):
        return False
    own = isinstance(module, (nn.Conv2d, _BatchNorm))
    return own or type(module).__module__.startswith(("torch.nn", "torch.ao.nn"))


def _settings(module: nn.Module) -> dict[str, Any]:
    held = {
        name: tuple(value) if type(value) is list else value
        for name, value in vars(module).items()
        if name not in NO_SETTINGS
    }
    return {**held, **module._parameters, **module._buffers}


def _differences(a: dict[str, Any], b: dict[str, Any]) -> set[str]:
    return {key for key in a.keys() | b.keys() if not _same(a.get(key), b.get(key))}


def _same(a: Any, b: Any) -> bool:
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(_same, a, b))
    return isinstance(a, (bool, int, float, str, bytes, torch.dtype)) and a == b


def _told(value: Any) -> str:
    return f"a tensor {tuple(value.shape)}" if isinstance(value, Tensor) else repr(value)
