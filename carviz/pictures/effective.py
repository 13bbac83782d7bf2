"""What the filters of a deeper bank weigh in the image: their effective RGB weights."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from carviz.banks import Model, find_layer, open_network
from carviz.checks import check_filters, check_whole
from carviz.evaluate import Data, Images, Progress, find_normalization, inference_mode, telling
from carviz.pictures.exciting import A_FILTER, Exciting, find_exciting
from carviz.pictures.filters import RgbFilters
from carviz.pictures.patches import check_exciting
from carviz.pictures.pulling import GradientSource, pull_back

Floats = NDArray[np.float64]

IMAGES = 9
"""Images a filter that the weights are averaged over."""


def effective_weights(
    model: Model,
    data: Data,
    layer: str | nn.Module,
    *,
    images: int = IMAGES,
    normalize: tuple[Any, Any] | None = None,
    exciting: Exciting | None = None,
    device: Any = None,
    progress: Progress = False,
) -> RgbFilters:
    """Return the effective RGB weights of all filters of a bank.

    What a filter weighs in an image is the pull-back of its response to the pixels: by how much
    the output of its unit, before any ReLU, rises with each raw RGB value, at the place where the
    image excites it most. That is its gradient there: the weights of all layers below, composed,
    through the gates as this image has set them (ReLUs that are open, maxima where they were taken;
    smooth gates, GELU, SiLU and the like, and gates of squeeze-and-excite, by their slope). It is
    cut to the receptive field, laid place upon place, and averaged over the `images` images that
    excite the filter most; at the borders over those in which a pixel is inside the image, and
    what is inside in none has weight 0.

    For a bank that reads the image it is the bank's own weights; for a network without gates it
    is the composed convolution (near the image's borders without what passes through padding). No
    bias is in it.

    Parameters
    ----------
    model
        Any `torch.nn.Module` that maps ``(image, channel, height, width)`` to logits, or an opened
        `carviz.banks.Network`. It is not touched.
    data
        RGB images, as in `carviz.measure_car`; labels do not matter.
    layer
        The bank: a convolution's name, or the module itself.
    images
        How many exciting images the weights are averaged over, at most.
    normalize
        The preprocessing's (mean, std), one number a channel each; None for what `data` or the
        model says of it. Weights are divided by the std; where nothing says one they stay so.
    exciting
        What `carviz.pictures.find_exciting` found on the same data, to spare that pass.
    device
        Where to run; None for where the model is.
    progress
        True for a progress bar; a function to be told the share done, 0 to 1 (what it raises ends
        the work); False for silence.

    Returns
    -------
    RgbFilters
        With weights (F, 3, height, width), float64, as large as the receptive field, or as the
        image where that is what a place reads. A filter that nothing excites has no weight.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind.
    ValueError
        If there is no such layer, or images are not RGB.

    Examples
    --------
    >>> import torch
    >>> model = nn.Sequential(nn.Conv2d(3, 2, 1), nn.ReLU(), nn.Conv2d(2, 1, 1))
    >>> for bank, weights in ((model[0], [[1.0, 0, 0], [0, 3.0, 0]]), (model[2], [[2.0, 1.0]])):
    ...     _ = bank.weight.data.copy_(torch.tensor(weights)[:, :, None, None])
    ...     _ = bank.bias.data.zero_()
    >>> red = torch.tensor([1.0, -1.0, 0.0]).view(1, 3, 1, 1)  # closes the gate of green
    >>> found = effective_weights(model, (red, torch.tensor([0])), "2")
    >>> found.weights.ravel().tolist()
    [2.0, 0.0, 0.0]
    """
    weights = []
    with telling(progress, "Effective weights") as tell:
        source = open_source(
            model, data, layer, images, normalize, exciting, device, lambda share: tell(share / 2)
        )
        for number, (_, found) in enumerate(pull_back(source), 1):
            weights.append(found)
            tell(0.5 + 0.5 * number / len(source.exciting))
    return RgbFilters(source.layer, np.stack(weights), source.normalization, source.most)


def iter_effective_weights(
    model: Model,
    data: Data,
    layer: str | nn.Module,
    *,
    filters: Iterable[int] | None = None,
    images: int = IMAGES,
    normalize: tuple[Any, Any] | None = None,
    exciting: Exciting | None = None,
    device: Any = None,
    progress: Progress = False,
) -> Iterator[tuple[int, Floats]]:
    """Yield (filter, its effective RGB weights (3, height, width)), a few at a time.

    `filters` are the filters' numbers in the order in which they are wanted; None for all. Closing
    the iterator ends the work. All else is as in `effective_weights`, and checked at once; the
    exciting images, where none are given, are found at once as well, and `progress` tells of that.
    """
    source = open_source(model, data, layer, images, normalize, exciting, device, progress)
    count = len(source.exciting)
    wanted = range(count) if filters is None else check_filters(filters, count, layer)
    return pull_back(source, list(wanted))


@inference_mode(False)
def open_source(
    model: Model,
    data: Data,
    layer: str | nn.Module,
    images: int,
    normalize: tuple[Any, Any] | None,
    exciting: Exciting | None,
    device: Any = None,
    progress: Progress = False,
) -> GradientSource:
    """Check the arguments of `effective_weights`, and find the exciting images where none are."""
    most = check_whole(images, "images", what=A_FILTER)
    view = Images(data)
    network = open_network(model, device)
    name = find_layer(network, model, layer)
    refuse_other_than_rgb_images(view)
    normalization = find_normalization(view, network.model, normalize)
    if exciting is None:
        exciting = find_exciting(network, view, name, count=most, progress=progress)
    exciting = check_exciting(
        exciting, name, network.convolution(name).out_channels, len(view)
    ).first(most)
    return GradientSource(network, name, view, exciting, normalization, most)


def refuse_other_than_rgb_images(images: Images) -> None:
    """Raise ValueError if the images are not RGB."""
    channels = images.read([0])[0].shape[1]
    if channels != 3:
        raise ValueError(
            "Colours are read in images with three channels (RGB); the data's have "
            f"{channels}. Convert them, e.g. images.expand(-1, 3, -1, -1) for grey ones."
        )
