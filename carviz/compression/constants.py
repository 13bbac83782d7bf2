"""What layers read in the place of ablated filters: one constant each, or nothing may be removed.

A filter's channel is zero at the end of its unit, yet what a later layer reads there need not be:
a BatchNorm that is not the convolution's own answers the zero with beta - gamma * mean / std, and
an activation makes that another constant. Rather than deriving this operation by operation, the
ablated network is run with noise in the place of everything that varies. What is still the same
at every place of every image then depends on nothing but constants, and is one itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from carviz.compression.groups import Loss
from carviz.evaluate import no_grad

SAME = 1e-9
"""Values that differ by less, as a share of the largest, are one value in float64."""
STRENGTH = 3.0
"""Noise is this many times a normal number: it opens every usual activation, and shuts it."""

NOISY = (nn.modules.conv._ConvNd, nn.Linear, nn.modules.batchnorm._BatchNorm, nn.GroupNorm,
         nn.LayerNorm)  # fmt: skip


@no_grad()
def read_constants(model: nn.Module, images: Tensor, losses: Iterable[Loss]) -> dict[str, Tensor]:
    """Return what each layer reads in the channels that it loses.

    Parameters
    ----------
    model
        The ablated network; it is left as it was.
    images
        ``(image, channel, height, width)``, two at least.
    losses
        The layers that read.

    Returns
    -------
    dict of Tensor
        By name, (channel,) the constant, or NaN where it is none.
    """
    generator = torch.Generator().manual_seed(0)
    found: dict[str, Tensor] = {}

    def note(name: str, channels: list[int]) -> Any:
        def look(module: nn.Module, args: tuple[Tensor, ...]) -> None:
            rows = _by_channel(module, args[0])[channels]
            value = torch.where(_varies(rows), torch.nan, rows[:, 0])
            before = found.setdefault(name, value)  # a layer may be called again
            found[name] = torch.where((value - before).abs() <= SAME, value, torch.nan)

        return look

    def disturb(module: nn.Module, _args: Any, output: Any) -> Tensor | None:
        if not isinstance(output, Tensor) or output.ndim < 2:
            return None
        noise = torch.randn(output.shape, generator=generator, dtype=output.dtype) * STRENGTH
        rows = _by_channel(module, output)
        varies = _varies(rows)
        shape = [1] * output.ndim
        shape[-1 if _last(module) else 1] = len(varies)
        return torch.where(varies.view(shape), noise.to(output.device), output)

    with ExitStack() as hooks:
        for loss in losses:
            handle = loss_module(model, loss).register_forward_pre_hook(
                note(loss.name, loss.channels)
            )
            hooks.callback(handle.remove)
        for module in model.modules():
            if isinstance(module, NOISY):
                hooks.callback(module.register_forward_hook(disturb).remove)
        noise = torch.randn(images.shape, generator=generator, dtype=images.dtype)
        model(images + STRENGTH * noise.to(images.device))
    return found


def loss_module(model: nn.Module, loss: Loss) -> nn.Module:
    """Return the layer of the same name in a copy of the network."""
    return model.get_submodule(loss.name)


def _last(module: nn.Module) -> bool:
    """Whether a layer's channels are the last axis, not the second."""
    return isinstance(module, (nn.Linear, nn.LayerNorm))


def _by_channel(module: nn.Module, values: Tensor) -> Tensor:
    """Return values as rows (channel, image and place)."""
    return values.movedim(-1 if _last(module) else 1, 0).flatten(1)


def _varies(rows: Tensor) -> Tensor:
    low, high = rows.amin(1), rows.amax(1)
    # Written so that NaN counts as varying.
    return ~(high - low <= SAME * rows.abs().amax(1))


def is_padded(module: nn.Module | nn.Parameter) -> bool:
    """Whether a convolution sees zeros beyond the edge, where a constant would end."""
    return (
        isinstance(module, nn.modules.conv._ConvNd)
        and module.padding_mode == "zeros"
        and any(module._reversed_padding_repeated_twice)
    )


def fold(losses: Iterable[Loss], constants: Mapping[str, Tensor]) -> None:
    """Add to each layer's bias what it makes of the constants that it will no longer read."""
    for loss in losses:
        values = constants[loss.name]
        if values.any():
            module = loss.module
            assert isinstance(module, (nn.Conv2d, nn.Linear))
            share = _share(module, loss.channels, values)
            old = 0 if module.bias is None else module.bias.detach()
            module.bias = nn.Parameter((old + share).to(module.weight.dtype))


@no_grad()
def _share(module: nn.Conv2d | nn.Linear, channels: list[int], values: Tensor) -> Tensor:
    """Return what the layer adds to each of its outputs for constant channels: (output,)."""
    weight = module.weight.to(values.dtype)
    if isinstance(module, nn.Linear):
        return F.linear(_spread(values, channels, module.in_features), weight)
    reach = [d * (k - 1) + 1 for d, k in zip(module.dilation, module.kernel_size, strict=True)]
    window = _spread(values, channels, module.in_channels).view(1, -1, 1, 1).expand(-1, -1, *reach)
    return F.conv2d(window, weight, dilation=module.dilation, groups=module.groups).flatten()


def _spread(values: Tensor, channels: list[int], count: int) -> Tensor:
    whole = values.new_zeros(count)
    whole[channels] = values
    return whole
