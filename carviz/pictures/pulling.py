"""Pull filters back to the pixels: one backward pass for many filters and images."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from carviz.banks import Answer, Network, answers
from carviz.evaluate import Images, Normalization, arithmetic, enable_grad, inference_mode, placed
from carviz.interrupts import whole
from carviz.pictures.exciting import NONE, Exciting
from carviz.pictures.filters import std_of_rgb
from carviz.pictures.windows import Windows, windows_of

Floats = NDArray[np.float64]

MOST = 64
"""Images in a backward pass, at most."""
MEMORY = 256 * 2**20
"""Bytes that a backward pass keeps of its forward pass, about."""


@dataclasses.dataclass(frozen=True, eq=False)
class GradientSource:
    """What effective weights are taken from, checked: see `effective_weights`.

    `most` is over how many images they are averaged, at most.
    """

    network: Network
    layer: str
    images: Images
    exciting: Exciting
    normalization: Normalization | None
    most: int


def pull_back(
    source: GradientSource, filters: list[int] | None = None
) -> Iterator[tuple[int, Floats]]:
    """Yield the filters' effective RGB weights (3, height, width), in the order of `filters`."""
    puller = _Puller(source)
    waiting = list(range(len(source.exciting))) if filters is None else list(filters)
    while waiting:
        # The first one alone: somebody may be waiting for it.
        block = waiting[: puller.filters_at_once()]
        del waiting[: len(block)]
        yield from zip(block, puller.weights(block), strict=True)


@dataclasses.dataclass(frozen=True)
class _Pull:
    """One filter at the place where one image excites it most."""

    at: int  # which of the filters that are pulled back together
    filter: int
    image: int
    window: tuple[int, int, int, int]
    place: tuple[int, int]
    box: tuple[int, int, int, int]

    @property
    def shape(self) -> tuple[int, int]:
        top, left, bottom, right = self.window
        return bottom - top, right - left


class _Puller:
    """Pulls filters back to the pixels, in batches that fit into memory."""

    def __init__(self, source: GradientSource) -> None:
        self._source = source
        self._windows = windows_of(source.network, source.layer, source.exciting.size)
        self._answer: Answer | None = None
        self._batch = 1
        std = np.ones(3) if source.normalization is None else std_of_rgb(source.normalization)
        self._std = std[:, None, None]

    def filters_at_once(self) -> int:
        return max(1, self._batch // self._source.most)

    def weights(self, filters: list[int]) -> Floats:
        """Return (filter, 3, height, width) per unit of raw RGB."""
        height, width = self._source.exciting.extent
        total = np.zeros((len(filters), 3, height, width))
        inside = np.zeros((len(filters), 1, height, width))
        for pulls, slopes in self._slopes(filters):
            for pull, slope in zip(pulls, slopes, strict=True):
                here, there = _overlap(pull, self._windows)
                total[pull.at][(slice(None), *here)] += slope[(slice(None), *there)]
                inside[pull.at][(slice(None), *here)] += 1
        return np.asarray(total / np.maximum(inside, 1) / self._std)

    def _slopes(self, filters: list[int]) -> Iterator[tuple[list[_Pull], Floats]]:
        """Yield pulls of windows of one size, and the slopes (pull, 3, height, width)."""
        waiting = sorted(self._pulls(filters), key=lambda pull: pull.shape)
        numbers = sorted({pull.image for pull in waiting})
        pictures = {}
        if numbers:
            pictures = dict(zip(numbers, self._source.images.read(numbers)[0], strict=True))
        while waiting:
            alike = [pull for pull in waiting if pull.shape == waiting[0].shape]
            pulls = alike[: self._batch]
            del waiting[: len(pulls)]
            windows = []
            for pull in pulls:
                top, left, bottom, right = pull.window
                windows.append(pictures[pull.image][:, top:bottom, left:right])
            yield pulls, self._backward(torch.stack(windows), pulls)

    def _pulls(self, filters: list[int]) -> Iterator[_Pull]:
        exciting = self._source.exciting
        for at, filter in enumerate(filters):
            for rank in np.flatnonzero(exciting.image[filter] != NONE):
                box = exciting.box[filter, rank]
                window = self._windows.around(box)
                place = self._windows.place(
                    window, int(exciting.row[filter, rank]), int(exciting.column[filter, rank])
                )
                top, left, bottom, right = (int(n) for n in box)
                image = int(exciting.image[filter, rank])
                yield _Pull(at, filter, image, window, place, (top, left, bottom, right))

    @inference_mode(False)
    def _backward(self, batch: Tensor, pulls: list[_Pull]) -> Floats:
        """Return the slopes of each pull's response: one backward pass gives all of them."""
        network = self._source.network
        # A clone: neither the data's own tensor nor one of inference mode may want a gradient.
        pixels = placed(batch, network.model, torch.channels_last).clone()
        self._answer = self._answer or answers(network, self._source.layer, pixels[:1])
        rows = torch.arange(len(pulls))
        filters = [pull.filter for pull in pulls]
        kept = _Kept()
        with enable_grad(), whole(lambda: kept):
            maps = self._answer(pixels.requires_grad_())[0]
            place = tuple(zip(*(pull.place for pull in pulls), strict=True))
            chosen = maps[rows, filters, list(place[0]), list(place[1])].sum()
        with arithmetic("float32", pixels.device.type):
            (slopes,) = torch.autograd.grad(chosen, pixels)
        self._batch = int(np.clip(MEMORY * len(pulls) // max(kept.bytes, 1), 1, MOST))
        return np.asarray(slopes.double().cpu().numpy())


class _Kept(torch.autograd.graph.saved_tensors_hooks):
    """Counts the bytes that a forward pass keeps for its backward pass, weights left out."""

    def __init__(self) -> None:
        self.bytes = 0
        seen: set[int] = set()

        def pack(tensor: Tensor) -> Tensor:
            made_here = tensor.requires_grad or not isinstance(tensor, nn.Parameter)
            if made_here and tensor.data_ptr() not in seen:
                seen.add(tensor.data_ptr())
                self.bytes += tensor.nbytes
            return tensor

        super().__init__(pack, lambda tensor: tensor)


def _overlap(pull: _Pull, windows: Windows) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return what of the box is inside the image: seen from the box, and from the window."""
    here, there = [], []
    for axis in (0, 1):
        first = max(pull.box[axis], 0)
        last = max(first, min(pull.box[axis + 2], windows.size[axis]))
        here.append(slice(first - pull.box[axis], last - pull.box[axis]))
        there.append(slice(first - pull.window[axis], last - pull.window[axis]))
    return (here[0], here[1]), (there[0], there[1])
