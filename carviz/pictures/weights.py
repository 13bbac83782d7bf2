"""The weights of a bank that reads RGB: per unit of raw RGB as numbers, and as pictures."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from carviz.banks import Network, banks_of, find_layer, open_network
from carviz.banks.network import unit_end
from carviz.evaluate import Normalization, find_normalization, shadow

Floats = NDArray[np.float64]

GREY = 0.5
"""The picture's value where a filter has no weight."""
PROBE = 64
"""Side in pixels of the images that show what arithmetic a model does before its first bank."""


@dataclasses.dataclass(frozen=True, eq=False)
class RgbFilters:
    """The weights of a bank that reads RGB, per unit of raw RGB.

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
    """

    layer: str
    weights: Floats
    normalization: Normalization | None


def rgb_weights(
    model: Any,
    layer: str | nn.Module,
    filter: int | None = None,
    *,
    normalize: tuple[Any, Any] | None = None,
    scale: Literal["filter", "bank"] = "filter",
) -> Floats:
    """Return the picture of a filter's weights, or of all filters of its bank.

    Mid-grey, 0.5, is no weight; brighter than that in a channel is a weight above zero there, and
    darker one below, equally far: a filter and its negative mirror each other about grey. A filter
    that treats R, G and B alike is all grey tones.

    Parameters
    ----------
    model
        Any `torch.nn.Module` that maps ``(image, channel, height, width)`` to logits, or an opened
        `carviz.banks.Network`. It is not touched.
    layer
        A bank that reads RGB: a convolution's name, or the module itself.
    filter
        The filter's number in its bank; None for the whole bank.
    normalize
        The preprocessing's (mean, std), one number a channel each; None for what the model itself
        carries, as those of `carviz.load_model` do. Weights are taken per unit of raw RGB, that is
        divided by the std; where nothing says a std they stay as they are.
    scale
        What reaches the ends of the range 0 to 1: the largest weight of each "filter", so that
        every pattern is seen, or the largest of the "bank", so that strengths can be compared.

    Returns
    -------
    numpy.ndarray
        (height, width, 3), or (F, height, width, 3) for the whole bank; floats in [0, 1].

    Raises
    ------
    TypeError
        If an argument is of the wrong kind.
    ValueError
        If the bank does not read RGB, there is no such layer or filter, or `scale` or `normalize`
        is not one of what they can be.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> bank = nn.Conv2d(3, 1, 1)
    >>> _ = bank.weight.data.copy_(torch.tensor([1.0, 0.0, -0.5]).view(1, 3, 1, 1))
    >>> rgb_weights(nn.Sequential(bank), "0", 0).tolist()
    [[[1.0, 0.5, 0.25]]]
    """
    if scale not in ("filter", "bank"):
        raise ValueError(f"scale is 'filter' or 'bank'; found {scale!r}.")
    weights = read_rgb_filters(model, layer, normalize=normalize).weights
    chosen = slice(None) if filter is None else _check_filter(filter, len(weights), layer)
    reach = np.abs(weights)
    largest = reach.max(axis=(1, 2, 3), keepdims=True) if scale == "filter" else reach.max()
    # A filter without any weight is grey, not 0/0.
    shares = weights / np.where(largest > 0, largest, 1.0)
    pictures: Floats = GREY + 0.5 * np.moveaxis(shares, 1, -1)
    return pictures[chosen]


def read_rgb_filters(
    model: Any,
    layer: str | nn.Module,
    *,
    data: Any = None,
    normalize: tuple[Any, Any] | None = None,
) -> RgbFilters:
    """Return the weights of a bank that reads RGB, per unit of raw RGB.

    `data` serves only to find the preprocessing (see `carviz.evaluate.find_normalization`).
    The other arguments and the errors are those of `rgb_weights`.
    """
    network = open_network(model)
    name = find_layer(network, model, layer)
    _refuse_other_than_rgb(network, name)
    found = find_normalization(data, network.model, normalize)
    weights = unit_weights(network, name)
    weights = np.einsum("fchw,cr->frhw", weights, _first_arithmetic(network, name))
    if found is not None:
        weights = weights / _std_of_rgb(found)[:, None, None]
    return RgbFilters(name, weights, found)


def _refuse_other_than_rgb(network: Network, layer: str) -> None:
    banks = banks_of(network)
    bank = next(bank for bank in banks if bank.layer == layer)
    if bank.reads_rgb:
        return
    others = ", ".join(repr(b.layer) for b in banks if b.reads_rgb) or "none in this model"
    raise ValueError(
        "Weights can be seen as colours only in a bank that reads the image's R, G and B together; "
        f"{layer!r} does not (its input has {bank.in_channels} channels). Banks that read RGB: "
        f"{others}. Effective RGB weights of deeper banks come in a later version of carviz."
    )


def unit_weights(network: Network, layer: str) -> Floats:
    """Return the convolution's weights times the gain of its own BatchNorm, if it has one."""
    weights = _doubles(network.convolution(layer).weight)
    if network.graph is None:
        return weights
    unit = network.model.get_submodule(str(unit_end(network, network.calls(layer)[0]).target))
    if not isinstance(unit, nn.BatchNorm2d):
        return weights
    assert unit.running_var is not None  # open_network refuses a BatchNorm without it
    gain = 1.0 / np.sqrt(_doubles(unit.running_var) + unit.eps)
    if unit.weight is not None:
        gain = gain * _doubles(unit.weight)
    return weights * gain[:, None, None, None]


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
    bank = copy.get_submodule(layer)
    seen: list[Tensor] = []

    def stop(_module: nn.Module, args: tuple[Tensor, ...]) -> None:
        seen.append(args[0])
        raise _Reached

    bank.register_forward_pre_hook(stop)
    weight = network.convolution(layer).weight
    try:
        with torch.inference_mode():
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


def _std_of_rgb(normalization: Normalization) -> Floats:
    std = np.asarray(normalization.std, dtype=np.float64)
    if len(std) not in (1, 3):
        raise ValueError(
            "The preprocessing of a network that reads RGB has one std for each of R, G and B; "
            f"found {len(std)} ({normalization.source}). Give normalize=(mean, std)."
        )
    return np.broadcast_to(std, (3,))


def _check_filter(filter: Any, count: int, layer: Any) -> int:
    if isinstance(filter, bool) or not isinstance(filter, (int, np.integer)):
        raise TypeError(
            f"filter is a filter's number in its bank, or None for all; found {filter!r}."
        )
    if not 0 <= filter < count:
        name = repr(layer) if isinstance(layer, str) else "this bank"
        raise ValueError(
            f"A filter is a number in its bank; {name} has filters 0 to {count - 1}; "
            f"found {filter}."
        )
    return int(filter)


def _doubles(tensor: Tensor) -> Floats:
    return tensor.detach().to("cpu", torch.float64).numpy()
