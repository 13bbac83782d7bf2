"""How alike a bank's filters are: by weights, by when they answer, by what they do to classes."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from carviz.banks import PLUS, Answer, Model, Network, answers, banks_of, find_layer, open_network
from carviz.evaluate import (
    Data,
    Images,
    Progress,
    drive,
    fingerprint_images,
    fingerprint_model,
    inference_mode,
    placed,
    telling,
    versions,
)
from carviz.pictures import read_rgb_filters, unit_weights
from carviz.results import CarTable, SiblingTable, check_car, tidy

Floats = NDArray[np.float64]

BATCH = 16
PIECE = 2**20
"""Numbers that are summed up together in double precision: 8 MiB."""


def measure_siblings(
    model: Model,
    data: Data,
    layer: str | nn.Module,
    *,
    table: CarTable | None = None,
    device: str | torch.device | None = None,
    progress: Progress = True,
) -> SiblingTable:
    """Tell how alike a bank's filters are, each with each: by weights, activation and classes.

    By weights it is the cosine of the angle between them: 1 for the same pattern, whatever its
    strength, -1 for its negative. The weights are those of `carviz.rgb_weights`: with the sign of
    the convolution's own BatchNorm and, where the bank reads RGB, per unit of raw RGB. Filters of
    a grouped convolution that read other channels have a cosine of 0.

    By activation it is Pearson's correlation of what two filters answer at the same places of the
    same images: the output of the unit, the convolution with its own BatchNorm, cut off at zero as
    by a ReLU, whatever follows it in this network.

    By classes it is Pearson's correlation of what pruning either filter does to the accuracy of
    each class, where a `CarTable` says that; see `carviz.SiblingTable.with_classes`, which adds it
    later as well.

    Parameters
    ----------
    model
        Any `torch.nn.Module` that maps ``(image, channel, height, width)`` to logits, or an opened
        `carviz.banks.Network`. It is not touched.
    data
        As in `carviz.measure_car`; all images are run once, and labels do not matter.
    layer
        The bank: a convolution's name, or the module itself.
    table
        What `carviz.measure_car` returned for the same bank of the same network, on these images
        or others; None to leave out the comparison by classes.
    device
        Where to run; None for where the model is.
    progress
        True for a progress bar; a function to be told the share done, 0 to 1, after every batch
        (what it raises ends the measurement); False for silence.

    Returns
    -------
    SiblingTable

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind, there is no such layer, or `table` is of another bank
        or network.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> bank = nn.Conv2d(1, 3, 1, bias=False)  # the second is the first, only stronger
    >>> _ = bank.weight.data.copy_(torch.tensor([1.0, 2.0, -1.0]).view(3, 1, 1, 1))
    >>> model = nn.Sequential(bank, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    >>> data = (torch.tensor([-1.0, 0.0, 1.0, 2.0]).view(4, 1, 1, 1), torch.zeros(4).long())
    >>> table = measure_siblings(model, data, "0", progress=False)
    >>> table.by_weights[0].tolist(), table.by_activation[0].round(3).tolist()
    ([1.0, 1.0, -1.0], [1.0, 1.0, -0.522])
    """
    network = open_network(model, device)
    name = find_layer(network, model, layer)
    if table is not None:
        check_car(table, name, fingerprint_model(network.model))  # before the images are run
    with telling(progress, f"Siblings in {name}") as tell:
        siblings = drive(iter_siblings(network, Images(data), name), tell)
    return siblings if table is None else siblings.with_classes(table)


def iter_siblings(
    network: Network, images: Images, layer: str
) -> Generator[float, None, SiblingTable]:
    """Compare a bank's filters a batch of images at a time; yield the share done.

    All is as in `measure_siblings`, and was checked. Between two steps the thread may do other
    work: none of torch's modes is left switched.
    """
    fingerprint = fingerprint_model(network.model)
    weights, normalization = _weights(network, layer, images)
    # A sum's weights are of all channels that its branches read.
    groups = 1 if PLUS in layer else network.convolution(layer).groups
    sums = yield from _run(network, layer, images)
    return SiblingTable(
        layer,
        images=len(images),
        places=sums.places // len(images),
        by_weights=cosine_similarity(weights, groups),
        by_activation=sums.correlation(),
        passport={
            "model": fingerprint,
            "data": fingerprint_images(images),
            "weights": normalization,
            "activation": "the unit's output, cut off at zero as by a ReLU",
            "versions": versions(),
        },
    )


# -- by weights


def _weights(network: Network, layer: str, images: Images) -> tuple[Floats, str]:
    """Return a bank's weights (F, channel, height, width), and in words per unit of what."""
    bank = next(bank for bank in banks_of(network) if bank.layer == layer)
    if not bank.reads_rgb:
        sample = images.read([0])[0] if network.graph is None else None
        return unit_weights(network, layer, sample), "per unit of the layer below"
    found = read_rgb_filters(network, layer, data=images)
    known = found.normalization
    source = "no std was found" if known is None else f"std of {known.source}"
    return found.weights, f"per unit of raw RGB ({source})"


def cosine_similarity(weights: NDArray[Any], groups: int = 1) -> Floats:
    """Return the cosine of the angle between the weights of every two filters.

    Parameters
    ----------
    weights
        (F, channel, height, width), at any scale.
    groups
        The convolution's groups; filters of different ones read different channels, so that
        their cosine is 0.

    Returns
    -------
    numpy.ndarray
        (F, F), in [-1, 1]; NaN for a filter without any weight.
    """
    flat = np.asarray(weights, dtype=np.float64).reshape(len(weights), -1)
    # The cosine does not depend on the scale; at scale 1 no square runs over, or under.
    largest = np.abs(flat).max(axis=1, keepdims=True)
    flat = flat / np.where(largest > 0, largest, np.nan)
    flat = flat / np.sqrt(np.square(flat).sum(axis=1, keepdims=True))
    cosine = flat @ flat.T
    group = np.arange(len(flat)) * groups // len(flat)
    apart = (group[:, None] != group) & ~np.isnan(cosine)
    return tidy(np.where(apart, 0.0, cosine))


# -- by activation


class Sums:
    """Running sums over places, from which the correlation of every two filters follows.

    Values are taken from the first one of each filter: it keeps the sums small, and a filter that
    never changes has a variance of exactly 0.
    """

    def __init__(self) -> None:
        self.places = 0
        self._first: Tensor | None = None
        self._sum: Tensor | None = None
        self._products: Tensor | None = None

    def add(self, maps: Tensor) -> None:
        """Add what the filters answered: (image, filter, height, width)."""
        values = maps.transpose(0, 1).flatten(1)
        F = len(values)
        if self._first is None:
            self._first = values[:, :1].double()
            self._sum = torch.zeros_like(self._first[:, 0])
            self._products = self._sum.new_zeros(F, F)
        assert self._sum is not None
        assert self._products is not None
        self.places += values.shape[1]
        for piece in torch.split(values, max(1, PIECE // F), dim=1):
            moved = piece.double() - self._first
            self._sum += moved.sum(1)
            self._products += moved @ moved.T

    def correlation(self) -> Floats:
        """Return (F, F) Pearson's correlation; NaN for a filter that never changes."""
        assert self._sum is not None
        assert self._products is not None
        total, products = self._sum.cpu().numpy(), self._products.cpu().numpy()
        covariance = products - np.outer(total, total) / self.places
        # Where rounding leaves nothing of a variance, or less, nothing is known of the filter.
        rises = (products.diagonal() > 0) & (covariance.diagonal() > 0)
        variance = np.where(rises, covariance.diagonal(), np.nan)
        spread = np.sqrt(variance)
        return tidy(covariance / spread[:, None] / spread)


def _run(network: Network, layer: str, images: Images) -> Generator[float, None, Sums]:
    sums = Sums()
    answer: Answer | None = None
    for chunk, batch, _ in images.in_batches(BATCH):
        with inference_mode():
            batch = placed(batch, network.model, torch.channels_last)
            answer = answer or answers(network, layer, batch[:1])
            for maps in answer(batch):
                sums.add(maps.clamp_min(0))
        yield chunk.stop / len(images)
    return sums
