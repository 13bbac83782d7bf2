"""Measure, for every filter of a bank, whether it selects colour or shape."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from carviz.banks import Network, find_layer, open_network
from carviz.evaluate import (
    Images,
    Normalization,
    Progress,
    find_normalization,
    fingerprint_images,
    fingerprint_model,
    stratified_order,
    telling,
    versions,
)
from carviz.pictures import Exciting, find_exciting, read_rgb_filters
from carviz.pictures.effective import IMAGES, open_source, refuse_other_than_rgb_images
from carviz.pictures.exciting import check_count
from carviz.pictures.filters import reads_rgb
from carviz.pictures.patches import check_exciting
from carviz.pictures.pulling import pull_back
from carviz.results import SelectivityTable
from carviz.selectivity.indices import activation_index, color_index

Floats = NDArray[np.float64]

DEAD = 0.01
"""A filter under this share of its bank's median energy is dead."""
MOST_IMAGES = 512
"""Images that are looked at for those that excite the filters, at most."""
SEED = 0


def measure_selectivity(
    model: Any,
    layer: str | nn.Module,
    *,
    data: Any = None,
    normalize: tuple[Any, Any] | None = None,
    threshold: float = 0.5,
    activation_threshold: float = 0.5,
    images: int = IMAGES,
    exciting: Exciting | None = None,
    progress: Progress = False,
) -> SelectivityTable:
    """Tell a bank's colour-selective filters from its shape-selective ones.

    The colour index of a filter is the share of its weight's variance across R, G and B in all its
    energy (see `carviz.selectivity.color_index`). Of a bank that reads RGB it is that of the
    weights; of a deeper bank that of its effective RGB weights
    (`carviz.pictures.effective_weights`), which need `data`. Above `threshold` a filter is "color",
    otherwise "shape". It is "dead", with index NaN, when its energy is under 1% of its bank's
    median, or when it never rises above zero on `data`: at the output of its unit, that is of the
    convolution with its own BatchNorm, before any ReLU.

    With `data` there is a second reading beside it, in every bank: the activation index, the share
    of the response that goes when the images that excite the filter most are made grey
    (`carviz.selectivity.activation_index`). It changes no filter's kind; the table says where the
    two disagree.

    Parameters
    ----------
    model
        Any `torch.nn.Module` that maps ``(image, channel, height, width)`` to logits, or an opened
        `carviz.banks.Network`. It is not touched.
    layer
        The bank: a convolution's name, or the module itself.
    data
        RGB images, as in `carviz.measure_car`; None judges a bank that reads RGB by its weights
        alone. At most 512 images are looked at, spread over the classes; the passport says how
        many there were to look at.
    normalize
        The preprocessing's (mean, std), one number a channel each. None for what `data` or the
        model says of it; the passport tells what was found, and where.
    threshold
        Of the colour index, in [0, 1].
    activation_threshold
        Of the activation index, in [0, 1]: above it the answers of a filter are about colour.
    images
        How many exciting images are looked at for each filter, at most.
    exciting
        What `carviz.pictures.find_exciting` found on the same data, to look at all of it, or to
        spare that pass.
    progress
        True for a progress bar; a function to be told the share done, 0 to 1 (what it raises ends
        the measurement); False for silence.

    Returns
    -------
    SelectivityTable

    Raises
    ------
    TypeError
        If an argument is of the wrong kind.
    ValueError
        If the bank does not read RGB and there is no data, there is no such layer, images are not
        RGB, or a value is out of its range.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> bank = nn.Conv2d(3, 3, 1)
    >>> weights = torch.tensor([[1.0, 1.0, 1.0], [1.0, -1.0, 0.0], [0.0, 0.0, 2.0]])
    >>> _ = bank.weight.data.copy_(weights[:, :, None, None])
    >>> table = measure_selectivity(nn.Sequential(bank), "0")
    >>> table.color_index.round(3).tolist(), table.kind.tolist()
    ([0.0, 1.0, 0.667], ['shape', 'color', 'color'])
    """
    threshold = _check_threshold(threshold, "threshold")
    activation_threshold = _check_threshold(activation_threshold, "activation_threshold")
    network = open_network(model)
    # A module given as the layer is one of the given model, not of the opened copy.
    name = find_layer(network, model, layer)
    own = reads_rgb(network, name)
    if data is None and not own:
        raise ValueError(
            "Colour in a bank that does not read the image's RGB is read from effective RGB "
            f"weights, which are found on images; for {name!r} give data, e.g. "
            "carviz.measure_selectivity(model, layer, data=data)."
        )
    most = check_count(images, "images")
    view = None if data is None else Images(data)
    normalization = find_normalization(view, network.model, normalize)
    subject = _Subject(network, name, own, normalization, most)
    with telling(progress, f"Colour or shape in {name}") as tell:
        if view is not None:
            exciting = _find_exciting(subject, view, exciting, lambda share: tell(0.4 * share))
        energy, index = _weights(subject, view, exciting, lambda share: tell(0.4 + 0.4 * share))
        activation = np.full(len(energy), np.nan)
        dead = (energy == 0) | (energy < DEAD * np.median(energy))
        if view is not None and exciting is not None:
            dead |= exciting.found == 0
            activation = activation_index(
                network, name, view, exciting, normalization, lambda share: tell(0.8 + 0.2 * share)
            )
    return SelectivityTable(
        layer=name,
        threshold=threshold,
        color_index=np.where(dead, np.nan, index),
        kind=np.where(dead, "dead", np.where(index > threshold, "color", "shape")),
        energy=energy,
        activation_index=np.where(dead, np.nan, activation),
        activation_threshold=activation_threshold,
        reading="weights" if own else f"effective weights, {most} images",
        passport=_passport(subject, view, exciting),
    )


@dataclasses.dataclass(frozen=True, eq=False)
class _Subject:
    """A bank, checked; `own` where it reads RGB, `most` exciting images a filter."""

    network: Network
    layer: str
    own: bool
    normalization: Normalization | None
    most: int

    def normalize(self) -> tuple[Any, Any] | None:
        found = self.normalization
        return None if found is None else (found.mean, found.std)


def _find_exciting(
    subject: _Subject, images: Images, given: Exciting | None, tell: Callable[[float], None]
) -> Exciting:
    refuse_other_than_rgb_images(images)
    if given is not None:
        filters = subject.network.convolution(subject.layer).out_channels
        return check_exciting(given, subject.layer, filters, len(images)).first(subject.most)
    numbers = stratified_order(images.hints, len(images), SEED)[:MOST_IMAGES].tolist()
    return find_exciting(
        subject.network, images, subject.layer, count=subject.most, numbers=numbers, progress=tell
    )


def _weights(
    subject: _Subject,
    images: Images | None,
    exciting: Exciting | None,
    tell: Callable[[float], None],
) -> tuple[Floats, Floats]:
    """Return (F,) the energy and (F,) the colour index of the filters' RGB weights."""
    network, layer, normalize = subject.network, subject.layer, subject.normalize()
    if subject.own:
        weights = read_rgb_filters(network, layer, normalize=normalize).weights
        return np.square(weights).sum(axis=(1, 2, 3)), color_index(weights)
    source = open_source(network, images, layer, subject.most, normalize, exciting)
    energy, index = np.zeros(len(source.exciting)), np.full(len(source.exciting), np.nan)
    for filter, found in pull_back(source):  # one at a time: together they may fill the memory
        energy[filter] = np.square(found).sum()
        index[filter] = color_index(found[None])[0]
        tell((filter + 1) / len(energy))
    return energy, index


def _check_threshold(threshold: Any, name: str) -> float:
    if isinstance(threshold, bool) or not isinstance(threshold, (int, float, np.number)):
        raise TypeError(f"{name} is a number in [0, 1]; found {threshold!r}.")
    if not 0 <= threshold <= 1:  # NaN too
        raise ValueError(
            f"{name} is the index above which a filter is colour-selective, in [0, 1]; "
            f"found {threshold!r}. 0.5 is the default."
        )
    return float(threshold)


def _passport(
    subject: _Subject, images: Images | None, exciting: Exciting | None
) -> dict[str, Any]:
    known = subject.normalization
    seen = 0 if images is None or exciting is None else exciting.images
    return {
        "model": fingerprint_model(subject.network.model),
        "data": None if images is None else fingerprint_images(images),
        "images": seen,
        "total": 0 if images is None else len(images),
        "exciting": 0 if images is None else subject.most,
        "dead": f"energy under {DEAD:.0%} of the bank's median"
        + ("" if images is None else f", or never above zero on {seen:,} images"),
        "grey": "not measured" if images is None else "scikit-image's rgb2gray on raw RGB",
        "normalization": "none found"
        if known is None
        else {"mean": known.mean, "std": known.std, "source": known.source},
        "seed": SEED,
        "versions": versions(),
    }
