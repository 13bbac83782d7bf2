"""The weights of a bank that reads RGB, per unit of raw RGB, as numbers."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from carviz.banks import PLUS, Network, banks_of, find_layer, open_network
from carviz.evaluate import Images, Normalization, find_normalization, inference_mode, shadow
from carviz.pictures.gains import unit_gain
from carviz.pictures.met_weights import met_weights

Floats = NDArray[np.float64]

PROBE = 64
"""Side in pixels of the images that show what arithmetic a model does before its first bank."""


@dataclasses.dataclass(frozen=True, eq=False)
class RgbFilters:
    """The RGB weights of a bank's filters, per unit of raw RGB: their own, or effective ones.

    Parameters
    ----------
    layer
        The bank's name.
    weights
        (F, 3, height, width), float64: by how much the unit's output rises with each raw value.
        The unit is the convolution with its own BatchNorm, so the BatchNorm's gain is in them
        (it may turn a filter's sign); no bias or mean is, since they are no weight.
    normalization
        The preprocessing whose std the weights were divided by; None where nothing says it.
    images
        Over how many images effective weights were averaged, at most; 0 for a bank that reads
        RGB, whose weights are its own.
    """

    layer: str
    weights: Floats
    normalization: Normalization | None
    images: int = 0


def read_rgb_filters(
    model: Any,
    layer: str | nn.Module,
    *,
    data: Any = None,
    normalize: tuple[Any, Any] | None = None,
) -> RgbFilters:
    """Return the weights of a bank that reads RGB, per unit of raw RGB.

    `data` serves only to find the preprocessing (see `carviz.evaluate.find_normalization`), and
    its first image to watch a network without a graph with.
    The other arguments and the errors are those of `carviz.rgb_weights`.
    """
    network = open_network(model)
    name = find_layer(network, model, layer)
    _refuse_other_than_rgb(network, name)
    found = find_normalization(data, network.model, normalize)
    watched = network.graph is None and data is not None
    weights = unit_weights(network, name, Images(data).read([0])[0] if watched else None)
    weights = np.einsum("fchw,cr->frhw", weights, _first_arithmetic(network, name))
    if found is not None:
        weights = weights / std_of_rgb(found)[:, None, None]
    return RgbFilters(name, weights, found)


def reads_rgb(network: Network, layer: str) -> bool:
    """Whether a bank reads the image's R, G and B together, so that its own weights are colours."""
    return next(bank for bank in banks_of(network) if bank.layer == layer).reads_rgb


def _refuse_other_than_rgb(network: Network, layer: str) -> None:
    banks = banks_of(network)
    bank = next(bank for bank in banks if bank.layer == layer)
    if bank.reads_rgb:
        return
    others = ", ".join(repr(b.layer) for b in banks if b.reads_rgb) or "none in this model"
    raise ValueError(
        "A bank's own weights are colours only where it reads the image's R, G and B together; "
        f"{layer!r} does not (its input has {bank.in_channels} channels). Banks that read RGB: "
        f"{others}. Of any bank effective RGB weights can be found, on images: give data."
    )


def unit_weights(network: Network, layer: str, sample: Tensor | None = None) -> Floats:
    """Return the weights that a unit's input meets: the convolution's, with the norm's gain.

    Of a convolution that makes its weight in its forward pass (standardised weights, weight norm)
    they are those that it makes; of a sum of branches what they are together. `sample` is an image
    to watch a network without a graph with.
    """
    weights = met_weights(network, layer)
    gain = unit_gain(network, layer, sample)
    return weights if gain is None else weights * gain[:, None, None, None]


def _first_arithmetic(network: Network, layer: str) -> Floats:
    """Return (c, r): by how much the bank's input channel c rises with channel r of the image.

    The identity for most models. Some normalise the image themselves, or turn RGB into BGR: that
    arithmetic is between raw RGB and the weights as well. It is seen from outside, by what becomes
    of a black, a red, a green and a blue image on their way to the convolution.
    """
    images = torch.zeros(4, 3, PROBE, PROBE)
    for channel in range(3):
        images[channel + 1, channel] = 1.0
    # A copy, so that no other thread that runs this network meets the hook.
    copy = shadow(network.model)
    # All branches of a sum read the same.
    first = network.sums()[layer].convolutions[0] if PLUS in layer else layer
    bank = copy.get_submodule(first)
    seen: list[Tensor] = []

    def stop(_module: nn.Module, args: tuple[Tensor, ...]) -> None:
        seen.append(args[0])
        raise _Reached

    bank.register_forward_pre_hook(stop)
    weight = next(network.model.parameters())
    try:
        with inference_mode():
            copy(images.to(weight))
    except _Reached:
        pass
    except Exception:  # a model that wants images of another size: take it that it does nothing
        return np.eye(3)
    if not seen or seen[0].ndim != 4 or seen[0].shape[:2] != (4, 3):
        return np.eye(3)
    values = np.median(_doubles(seen[0]), axis=(2, 3))
    return np.asarray((values[1:] - values[0]).T)


class _Reached(Exception):  # noqa: N818 - it ends a forward pass, nothing is wrong
    """The forward pass has come to the bank."""


def std_of_rgb(normalization: Normalization) -> Floats:
    """Return the preprocessing's std (3,); ValueError if it has other than one or three."""
    std = np.asarray(normalization.std, dtype=np.float64)
    if len(std) not in (1, 3):
        raise ValueError(
            "The preprocessing of a network that reads RGB has one std for each of R, G and B; "
            f"found {len(std)} ({normalization.source}). Give normalize=(mean, std)."
        )
    return np.broadcast_to(std, (3,))


def _doubles(tensor: Tensor) -> Floats:
    return tensor.detach().to("cpu", torch.float64).numpy()
