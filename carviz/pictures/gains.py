"""By how much a unit's own normalisation multiplies each channel, with a graph and without."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, fx, nn

from carviz.banks import PLUS, Network, gain_of, stored_gain, watched_norms
from carviz.evaluate import arithmetic, inference_mode, no_grad, placement, shadow

Floats = NDArray[np.float64]

SIDES = (64, 224, 32, 28, 299)
"""Sides in pixels of the images on which a network without a graph is watched, where none are
given: the first one that it takes."""


def unit_gain(network: Network, layer: str, sample: Tensor | None = None) -> Floats | None:
    """Return by how much the unit's own normalisation multiplies each channel (filter,).

    None where the unit has no normalisation, or is a sum, whose weights hold it already. Where
    calls have normalisations of their own it is that of the first.

    Parameters
    ----------
    sample
        An image ``(1, channel, height, width)`` to watch a network without a graph with.

    Raises
    ------
    ValueError
        If a network without a graph takes no image that was tried.
    """
    if PLUS in layer:
        return None
    if network.graph is None:
        return _watched(network, layer, sample)
    end = network.unit_ends(layer)[0]
    if end in network.calls(layer):
        return None
    graph = network.graph
    if end.op == "call_module" and not network.norms[str(end.target)].plain:
        # An activation inside would bend a trial.
        return _doubles(stored_gain(graph.get_submodule(str(end.target))))

    def resolved(value: Any) -> Any:
        if isinstance(value, fx.Node):
            assert value.op == "get_attr"
            return operator.attrgetter(str(value.target))(graph)
        return value

    def normalised(maps: Tensor) -> Tensor:
        if end.op == "call_module":
            return graph.get_submodule(str(end.target))(maps)  # type: ignore[no-any-return]
        kwargs = {k: resolved(v) for k, v in end.kwargs.items() if k != "input"}
        rest = end.args[1:] if end.args else ()
        return end.target(maps, *(resolved(v) for v in rest), **kwargs)  # type: ignore[operator, no-any-return]

    return _slope(normalised, network.convolution(layer))


@no_grad()
def _slope(normalised: Any, convolution: nn.Conv2d) -> Floats:
    like = next(convolution.parameters()).detach()
    with arithmetic("float32", like.device.type):
        none, one = (
            normalised(like.new_full((1, convolution.out_channels, 1, 1), x)) for x in (0.0, 1.0)
        )
    return _doubles((one.double() - none.double()).reshape(-1))


def _watched(network: Network, layer: str, sample: Tensor | None) -> Floats | None:
    copy = shadow(network.model)  # of its own: another thread may run the network
    reader = _first_reader(network, copy, layer, sample)
    if reader is None:
        return None
    if not isinstance(reader, str):  # of a function its arguments are all there is
        return _doubles(gain_of(*reader))
    module = copy.get_submodule(reader)
    if network.norms[reader].plain:
        return _slope(module, network.convolution(layer))
    return _doubles(stored_gain(module))


def _doubles(gain: Tensor) -> Floats:
    return np.asarray(gain.detach().cpu().numpy())


@inference_mode()
def _first_reader(network: Network, copy: nn.Module, layer: str, sample: Tensor | None) -> Any:
    device, dtype = placement(network.model)
    channels = network.convolution(network.layers()[0]).in_channels
    generator = torch.Generator().manual_seed(0)
    tried = (
        [sample.to(device, dtype)]
        if sample is not None
        else [torch.rand(1, channels, n, n, generator=generator).to(device, dtype) for n in SIDES]
    )
    said = ""
    for images in tried:
        try:
            return watched_norms(copy, layer, images, network.norms)[0]
        except Exception as error:  # whatever a forward pass raises at images of another size
            said = f"{type(error).__name__}: {error}"
    sides = ", ".join(str(images.shape[-1]) for images in tried)
    raise ValueError(
        "A filter's weights are told with the gain of its BatchNorm, which is found by running "
        f"a network that torch.fx cannot trace; this one did not run on images {sides} pixels "
        f"wide ({said}). Give data: images that it takes."
    )
