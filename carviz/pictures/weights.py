"""Pictures of weights: mid-grey is no weight."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from torch import nn

from carviz.banks import Model, find_layer, open_network
from carviz.checks import check_filter, check_filters
from carviz.evaluate import Data, Progress, telling
from carviz.pictures.effective import IMAGES, iter_effective_weights
from carviz.pictures.exciting import Exciting
from carviz.pictures.filters import read_rgb_filters, reads_rgb

Floats = NDArray[np.float64]

GREY = 0.5
"""The picture's value where a filter has no weight."""


def rgb_weights(
    model: Model,
    layer: str | nn.Module,
    filter: int | Sequence[int] | None = None,
    *,
    data: Data | None = None,
    images: int = IMAGES,
    normalize: tuple[Any, Any] | None = None,
    exciting: Exciting | None = None,
    scale: Literal["filter", "bank"] = "filter",
    progress: Progress = True,
) -> Floats:
    """Return the picture of a filter's weights, or of all filters of its bank.

    Mid-grey, 0.5, is no weight; brighter than that in a channel is a weight above zero there, and
    darker one below, equally far: a filter and its negative mirror each other about grey. A filter
    that treats R, G and B alike is all grey tones.

    A bank that reads RGB shows its own weights. Of a deeper one the effective RGB weights are
    shown: what a filter weighs in the pixels of its receptive field, through the layers below as
    the images that excite it most have set their gates (`carviz.pictures.effective_weights`).

    Parameters
    ----------
    model
        Any `torch.nn.Module` that maps ``(image, channel, height, width)`` to logits, or an opened
        `carviz.banks.Network`. It is not touched.
    layer
        The bank: a convolution's name, or the module itself.
    filter
        The filter's number in its bank; None for the whole bank.
    data
        RGB images, as in `carviz.measure_car`, to find those that excite the filters of a deeper
        bank; a bank that reads RGB needs none.
    images
        How many exciting images effective weights are averaged over, at most.
    normalize
        The preprocessing's (mean, std), one number a channel each; None for what `data` says of
        it, or what the model itself carries, as those of `carviz.load_model` do. Weights are taken
        per unit of raw RGB, that is divided by the std; where nothing says a std they stay as they
        are.
    exciting
        What `carviz.pictures.find_exciting` found on `data`, to spare that pass.
    scale
        What reaches the ends of the range 0 to 1: the largest weight of each "filter", so that
        every pattern is seen, or the largest of the "bank", so that strengths can be compared.
    progress
        True for a progress bar; a function to be told the share done, 0 to 1, of finding effective
        weights; False for silence.

    Returns
    -------
    numpy.ndarray
        (height, width, 3), or (filter, height, width, 3) for several or the whole bank; floats in
        [0, 1]. Of effective weights height and width are the receptive field's, or the image's
        where the filter reads all of it.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind.
    ValueError
        If the bank does not read RGB and there is no data, there is no such layer or filter, or
        `scale` or `normalize` is not one of what they can be.

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
    network = open_network(model)
    name = find_layer(network, model, layer)
    chosen = _check_filters(filter, network.convolution(name).out_channels, layer)
    # On the bank's scale the filters that are not drawn count as well.
    needed = chosen if scale == "filter" else list(range(network.convolution(name).out_channels))
    if data is None or reads_rgb(network, name):
        weights = read_rgb_filters(network, name, data=data, normalize=normalize).weights[needed]
    else:
        with telling(progress, f"Effective weights of {name}") as tell:
            found = iter_effective_weights(
                network,
                data,
                name,
                filters=needed,
                images=images,
                normalize=normalize,
                exciting=exciting,
                progress=lambda share: tell(share / 2),
            )
            weights = _gather(found, len(needed), lambda share: tell(0.5 + share / 2))
    pictures = weight_pictures(weights, scale)
    pictures = pictures if scale == "filter" else pictures[chosen]
    one = filter is not None and np.ndim(filter) == 0
    return np.asarray(pictures[0]) if one else pictures


def weight_pictures(weights: Floats, scale: Literal["filter", "bank"] = "filter") -> Floats:
    """Return weights (F, 3, height, width) as pictures (F, height, width, 3) about mid-grey."""
    reach = np.abs(weights)
    largest = reach.max(axis=(1, 2, 3), keepdims=True) if scale == "filter" else reach.max()
    # A filter without any weight is grey, not 0/0.
    shares = weights / np.where(largest > 0, largest, 1.0)
    return np.asarray(GREY + 0.5 * np.moveaxis(shares, 1, -1))


def _gather(
    found: Iterator[tuple[int, Floats]], count: int, tell: Callable[[float], None]
) -> Floats:
    """Return the weights (filter, 3, height, width) of `count` filters, telling how far it is."""
    weights = []
    for _, one in found:
        weights.append(one)
        tell(len(weights) / count)
    return np.stack(weights)


def _check_filters(filter: Any, count: int, layer: Any) -> list[int]:
    """Return the numbers of the filters that are drawn."""
    if filter is None:
        return list(range(count))
    if isinstance(filter, (list, tuple, range, np.ndarray)):
        return check_filters(filter, count, layer, some=True)
    return [check_filter(filter, count, layer, or_none=True)]
