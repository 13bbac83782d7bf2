"""The weights that an image meets in a convolution, whatever the convolution makes of its own."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, fx, nn

from carviz.banks import PLUS, Network, Sum
from carviz.evaluate import arithmetic, inference_mode, shadow

Floats = NDArray[np.float64]

STRAIGHT = 1e-3
"""Largest share of its answer by which a convolution may be no straight line of its input."""


@dataclasses.dataclass(frozen=True)
class Window:
    """What one place of an answer reads of maps.

    Parameters
    ----------
    rows, columns
        Which rows and columns it reads, counted from the first one.
    before
        How many rows and columns of padding lie above and left of what place (0, 0) reads.
    after
        How many may lie below and right.
    stride
        How far the windows of neighbouring places are apart.
    """

    rows: list[int]
    columns: list[int]
    before: tuple[int, int]
    after: tuple[int, int]
    stride: tuple[int, int]


def met_weights(network: Network, layer: str) -> Floats:
    """Return (filter, channel, height, width) what the convolution of a bank multiplies by.

    Of torch's own convolution these are its weights. A subclass may standardise them in its forward
    pass, a hook or a parametrisation may make them anew: then they are read off its answers to
    single pixels. So are those of a sum of branches, with the normalisations in them, of all
    channels that its branches read.

    Raises
    ------
    ValueError
        If the convolution's answer is no straight line of its input, so that no weights are met.
    """
    if PLUS in layer:
        return _of_sum(network, network.sums()[layer])
    convolution = network.convolution(layer)
    if type(convolution) is nn.Conv2d and not convolution._forward_pre_hooks:
        return np.asarray(convolution.weight.detach().to("cpu", torch.float64).numpy())
    module = shadow(convolution)
    weights = _read_off(module, convolution.in_channels, _window([convolution]), convolution, layer)
    if convolution.groups == 1:
        return weights
    # A filter reads the channels of its own group only.
    each = convolution.in_channels // convolution.groups
    group = np.arange(len(weights)) * convolution.groups // len(weights)
    channels = group[:, None] * each + np.arange(each)
    return np.take_along_axis(weights, channels[:, :, None, None], axis=1)


def _of_sum(network: Network, total: Sum) -> Floats:
    convolutions = [network.convolution(name) for name in total.convolutions]
    window = _window(convolutions, itself=len(total.parts) > len(convolutions))
    assert network.graph is not None
    part = _between(network.graph, total.source, total.node)
    channels = convolutions[0].in_channels
    return _read_off(part, channels, window, convolutions[0], total.name)


def _window(convolutions: list[nn.Conv2d], itself: bool = False) -> Window:
    """Return what convolutions of one stride read together, and their input `itself` with them."""
    reach: tuple[list[int], list[int]] = ([], [])
    after = [0, 0]
    for convolution in convolutions:
        left, right, top, bottom = convolution._reversed_padding_repeated_twice
        for axis, (first, last) in enumerate(((top, bottom), (left, right))):
            size, apart = convolution.kernel_size[axis], convolution.dilation[axis]
            reach[axis].extend(range(-first, -first + size * apart, apart))
            after[axis] = max(after[axis], last)
    if itself:
        for axis in (0, 1):
            reach[axis].append(0)
    before, taps = [], []
    for read in (sorted(set(along)) for along in reach):
        if len(convolutions) > 1:  # a picture has no gaps where branches are dilated differently
            read = list(range(read[0], read[-1] + 1))
        before.append(max(0, -read[0]))
        taps.append([row + before[-1] for row in read])
    stride = convolutions[0].stride
    return Window(
        taps[0], taps[1], (before[0], before[1]), (after[0], after[1]), (stride[0], stride[1])
    )


def _between(module: fx.GraphModule, source: fx.Node, end: fx.Node) -> fx.GraphModule:
    """Return the part of a traced network that maps the output of one node to that of another."""
    needed, waiting = {end}, [end]
    while waiting:
        for node in waiting.pop().all_input_nodes:
            if node is not source and node not in needed:
                needed.add(node)
                waiting.append(node)
    graph = fx.Graph()
    copies = {source: graph.placeholder("maps")}
    for node in module.graph.nodes:
        if node in needed:
            copies[node] = graph.node_copy(node, lambda n: copies[n])
    graph.output(copies[end])
    return fx.GraphModule(module, graph, "Between")


@inference_mode()
def _read_off(
    run: Callable[[Tensor], Tensor], channels: int, window: Window, like: nn.Conv2d, name: str
) -> Floats:
    """Return (filter, channel, height, width) by how much an answer rises with each pixel.

    It is read at the first place whose window begins inside the maps, so that it sees no padding.
    """
    weight = next(like.parameters())  # one that a hook makes anew need not be a parameter
    place = tuple(math.ceil(p / s) for p, s in zip(window.before, window.stride, strict=True))
    first = tuple(o * s - p for o, s, p in zip(place, window.stride, window.before, strict=True))
    height, width = (
        f + taps[-1] + 1 + max(p, q)
        for f, taps, p, q in zip(
            first, (window.rows, window.columns), window.before, window.after, strict=True
        )
    )
    rows = torch.tensor(window.rows) + first[0]
    columns = torch.tensor(window.columns) + first[1]
    count = len(rows) * len(columns)

    def answer(maps: Tensor) -> Tensor:
        with arithmetic("float32", weight.device.type):
            return run(maps)[:, :, place[0], place[1]].double()

    nothing = answer(weight.new_zeros((1, channels, height, width)))
    met = []
    for channel in range(channels):  # one at a time: all of a wide bank would fill the memory
        pixels = weight.new_zeros((count, channels, height, width))
        at = torch.cartesian_prod(rows, columns)
        pixels[torch.arange(count), channel, at[:, 0], at[:, 1]] = 1.0
        met.append((answer(pixels) - nothing).T.reshape(-1, len(rows), len(columns)))
    weights = torch.stack(met, dim=1)
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn((1, channels, height, width), generator=generator).to(weight)
    read = noise[:, :, rows][..., columns].double()
    expected = (weights * read).sum((1, 2, 3))
    found = (answer(noise) - nothing)[0]
    if float((found - expected).abs().max()) > STRAIGHT * float(expected.abs().max()):
        raise ValueError(
            "A convolution's weights are what its answer grows by with each pixel; that of "
            f"{name!r}, a {type(like).__name__}, is no straight line of its input. Look at its "
            "filters with carviz.top_patches or carviz.excite."
        )
    return np.asarray(weights.cpu().numpy())
