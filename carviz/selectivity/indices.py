"""Two readings of how much a filter cares for colour: by its weights, and by its answers."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from carviz.banks import Answer, Network, answers
from carviz.evaluate import Images, Normalization, inference_mode, placed
from carviz.pictures import Exciting

Floats = NDArray[np.float64]

BATCH = 16


def color_index(weights: NDArray[Any]) -> Floats:
    """Return the colour index of filters that read RGB.

    The share of the weight's variance across channels in all its energy,

        Σ_{c,y,x} (w_cyx − mean_c w_cyx)² / Σ_{c,y,x} w_cyx²

    0 for a filter that treats R, G and B alike, 1 for a purely opponent one (its three weights sum
    to zero everywhere), 2/3 for a single primary, and on average for random weights.

    Parameters
    ----------
    weights
        (F, 3, height, width), per unit of raw RGB.

    Returns
    -------
    numpy.ndarray
        (F,), in [0, 1]; NaN for a filter without any weight.
    """
    weights = np.asarray(weights, dtype=np.float64)
    # The index does not depend on the scale; at scale 1 no square runs over, or under all at once.
    largest = np.abs(weights).max(axis=(1, 2, 3), keepdims=True)
    scaled = np.divide(weights, largest, out=np.zeros_like(weights), where=largest > 0)
    chromatic = scaled - scaled.mean(axis=1, keepdims=True)
    energy = np.square(scaled).sum(axis=(1, 2, 3))
    share = np.square(chromatic).sum(axis=(1, 2, 3)) / np.where(energy > 0, energy, np.nan)
    return np.asarray(np.clip(share, 0.0, 1.0))


class Reading(NamedTuple):
    """What the RGB weights of one filter say: their energy, the sum of squares, and their index."""

    energy: float
    color_index: float


def read_weights(weights: NDArray[Any]) -> Reading:
    """Read the RGB weights (3, height, width) of one filter; see `color_index`."""
    return Reading(float(np.square(weights).sum()), float(color_index(weights[None])[0]))


def iter_activation_index(
    network: Network,
    layer: str,
    images: Images,
    exciting: Exciting,
    normalization: Normalization | None,
) -> Generator[float, None, Floats]:
    """Find by how much the filters' responses fall when their exciting images are made grey.

    After Rafegas and Vanrell (arXiv 1702.00382): of the images that excite a filter most,

        1 − Σ response to the image made grey / Σ response to the image

    the response being that of the unit behind a ReLU, at the place where the image in colour
    excites the filter most. 0 for a filter that answers as much, or more, to the grey images, 1 for
    one that no longer answers. Unlike theirs, the grey is that of scikit-image's `rgb2gray`,
    the luminance 0.2125 R + 0.7154 G + 0.0721 B, so that a filter that weighs R, G and B alike
    answers a little less, or more, where the luminance is another than their mean.

    Parameters
    ----------
    exciting
        What `carviz.pictures.find_exciting` found for this bank on these images.
    normalization
        How the images were normalised; None where they are taken as raw RGB.

    Yields
    ------
    float
        The share done, after every batch; none of torch's modes is left switched meanwhile.

    Returns
    -------
    numpy.ndarray
        (F,), in [0, 1]; NaN for a filter without an exciting image.
    """
    response = np.zeros(exciting.response.shape)  # to grey, behind a ReLU
    numbers = np.unique(exciting.image[exciting.image >= 0]).tolist()
    chunks = [numbers[i : i + BATCH] for i in range(0, len(numbers), BATCH)]
    answer: Answer | None = None
    for done, (chunk, (batch, _)) in enumerate(zip(chunks, images.batches(chunks), strict=True), 1):
        with inference_mode():
            grey = placed(make_grey(batch, normalization), network.model, torch.channels_last)
            answer = answer or answers(network, layer, grey[:1])
            maps = answer(grey)[0].clamp_min(0)
            for number, values in zip(chunk, maps, strict=True):
                filter, rank = np.nonzero(exciting.image == number)
                row, column = exciting.row[filter, rank], exciting.column[filter, rank]
                response[filter, rank] = values[filter, row, column].double().cpu().numpy()
        yield done / len(chunks)
    colour = np.nansum(exciting.response, axis=1)
    rest = response.sum(axis=1) / np.where(colour > 0, colour, np.nan)
    return np.asarray(np.clip(1 - rest, 0.0, 1.0))


def make_grey(images: Tensor, normalization: Normalization | None) -> Tensor:
    """Return normalised RGB images in grey, normalised likewise: (image, 3, height, width)."""
    from skimage.color import rgb2gray

    pixels = images.detach().cpu().double().permute(0, 2, 3, 1).numpy()
    mean, std = (
        (np.zeros(1), np.ones(1))
        if normalization is None
        else (np.asarray(normalization.mean), np.asarray(normalization.std))
    )
    grey = np.repeat(rgb2gray(pixels * std + mean)[..., None], 3, axis=-1)
    return torch.from_numpy((grey - mean) / std).permute(0, 3, 1, 2)
