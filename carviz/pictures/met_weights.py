"""The weights that an image meets in a convolution, whatever the convolution makes of its own."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from carviz.evaluate import arithmetic, shadow

Floats = NDArray[np.float64]

STRAIGHT = 1e-3
"""Largest share of its answer by which a convolution may be no straight line of its input."""


def met_weights(convolution: nn.Conv2d, name: str) -> Floats:
    """Return (filter, channel, height, width) what a convolution multiplies its input by.

    Of torch's own convolution these are its weights. A subclass may standardise them in its forward
    pass, a hook or a parametrisation may make them anew: then they are read off its answers to
    single pixels.

    Raises
    ------
    ValueError
        If the convolution's answer is no straight line of its input, so that no weights are met.
    """
    plain = type(convolution) is nn.Conv2d and not convolution._forward_pre_hooks
    if plain or convolution.groups > 1:
        return np.asarray(convolution.weight.detach().to("cpu", torch.float64).numpy())
    with arithmetic("float32", convolution.weight.device.type):
        return _read_off(shadow(convolution), name)


@torch.inference_mode()
def _read_off(module: nn.Module, name: str) -> Floats:
    assert isinstance(module, nn.Conv2d)
    like = next(module.parameters())
    taps = module.kernel_size
    left, right, top, bottom = module._reversed_padding_repeated_twice
    # The output's place whose window begins inside the image, so that it sees no padding.
    place = tuple(math.ceil(p / s) for p, s in zip((top, left), module.stride, strict=True))
    first = tuple(o * s - p for o, s, p in zip(place, module.stride, (top, left), strict=True))
    reach = [d * (k - 1) + 1 for d, k in zip(module.dilation, taps, strict=True)]
    height, width = (
        f + r + max(p, q)
        for f, r, p, q in zip(first, reach, (top, left), (bottom, right), strict=True)
    )
    pixels = like.new_zeros((module.in_channels, *taps, module.in_channels, height, width))
    for channel in range(module.in_channels):
        for row in range(taps[0]):
            for column in range(taps[1]):
                at = (first[0] + row * module.dilation[0], first[1] + column * module.dilation[1])
                pixels[channel, row, column, channel, at[0], at[1]] = 1.0
    nothing = module(like.new_zeros((1, module.in_channels, height, width)))

    def answer(images: Tensor) -> Tensor:
        found: Tensor = module(images) - nothing
        return found[:, :, place[0], place[1]].double()

    met = answer(pixels.flatten(0, 2)).reshape(module.in_channels, *taps, -1)
    weights = met.permute(3, 0, 1, 2)
    noise = torch.randn(
        (1, module.in_channels, height, width), generator=torch.Generator().manual_seed(0)
    ).to(like)
    rows = slice(first[0], first[0] + reach[0], module.dilation[0])
    columns = slice(first[1], first[1] + reach[1], module.dilation[1])
    expected = (weights * noise[:, :, rows, columns].double()).sum((1, 2, 3))
    found = answer(noise)[0]
    if float((found - expected).abs().max()) > STRAIGHT * float(expected.abs().max()):
        raise ValueError(
            "A convolution's weights are what its answer grows by with each pixel; that of "
            f"{name!r}, a {type(module).__name__}, is no straight line of its input. Look at its "
            "filters with carviz.top_patches or carviz.excite."
        )
    return np.asarray(weights.cpu().numpy())
