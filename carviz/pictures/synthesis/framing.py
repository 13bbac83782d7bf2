"""How large a picture is made, and which part of it is shown: what the filter reads."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from carviz.banks import Field, Network, answers, field_of
from carviz.evaluate import Images, no_grad, placed
from carviz.pictures.synthesis.objectives import middle

SIDE = 224
"""Side in pixels of a network's images where nothing says it."""
REACH = 1 / 16
"""The widest jitter, as a share of the picture's side."""
FIELDS = 2
"""How many receptive fields wide a picture is in which the filter answers in many places."""
SEARCHED = 1024
"""Up to which side the least size that a network can read is looked for."""

Size = tuple[int, int]
Box = tuple[int, int, int, int]


@dataclasses.dataclass(frozen=True)
class Frame:
    """How large a picture is made, and what is shown of it.

    Parameters
    ----------
    size
        Height and width in pixels of the picture that the network reads.
    box
        Top, left, bottom and right (the last two exclusive) of what is shown.
    share
        The share of the picture that excites: over its area contrast is counted.
    reach
        By how many pixels the pattern may be moved: half the distance of the places that the bank
        reads, since the layers before it hardly tell such moves apart. 0 for a first bank.
    """

    size: Size
    box: Box
    share: float
    reach: float

    def cut(self, pictures: Tensor) -> Tensor:
        """Return what is shown of pictures (…, height, width)."""
        top, left, bottom, right = self.box
        return pictures[..., top:bottom, left:right]


def find_frame(network: Network, layer: str, objective: str, size: Any, data: Any) -> Frame:
    """Choose the size of a filter's picture.

    A given size is what is made and shown. Else it is the receptive field with a margin, so that
    no padding is in sight, of which the field is shown; twice the field where the filter is asked
    everywhere, all shown; and never more than the images of `data`, or `SIDE` pixels without data.
    """
    image = _image_size(data)
    field = field_of(network, layer, image)
    stride = network.convolution(layer).stride
    made = _choose_size(field, stride, objective, image) if size is None else _check_size(size)
    answer = _try(network, layer, made, given=size is not None)
    top, left, bottom, right = (int(n) for n in field.boxes(np.array(middle(answer)), made))
    inside = max(top, 0), max(left, 0), min(bottom, made[0]), min(right, made[1])
    area = (inside[2] - inside[0]) * (inside[3] - inside[1])
    return Frame(
        made,
        inside if size is None and objective == "center" else (0, 0, *made),
        1.0 if objective == "mean" else area / (made[0] * made[1]),
        _reach(field, stride, made, answer),
    )


def _reach(field: Field, stride: tuple[int, ...], size: Size, answer: Tensor) -> float:
    """Return by how many pixels a pattern may be moved."""
    # Where it is not known how far apart places are, as many as there are share the picture.
    apart = field.jump if not field.whole else [size[a] / answer.shape[a - 2] for a in (0, 1)]
    read = min(apart[a] / stride[a] for a in (0, 1))
    return min(read / 2, REACH * min(size)) if read >= 2 else 0.0


def _image_size(data: Any) -> Size:
    if data is None:
        return SIDE, SIDE
    height, width = Images(data).read([0])[0].shape[2:]
    return int(height), int(width)


def _choose_size(field: Field, stride: tuple[int, ...], objective: str, image: Size) -> Size:
    extent = field.extent(image)
    if objective != "center":
        return min(FIELDS * extent[0], image[0]), min(FIELDS * extent[1], image[1])
    # The pattern is moved by half of what the bank reads is apart, to either side, and the middle
    # place is no further from the middle of the picture than places are apart.
    apart = (0.0, 0.0) if field.whole else field.jump
    margin = [math.ceil(apart[a] / stride[a]) + math.ceil(apart[a]) for a in (0, 1)]
    return min(extent[0] + margin[0], image[0]), min(extent[1] + margin[1], image[1])


def _check_size(size: Any) -> Size:
    pair = tuple(size) if isinstance(size, (tuple, list)) else (size, size)
    whole = all(isinstance(n, (int, np.integer)) and not isinstance(n, bool) for n in pair)
    if not whole or len(pair) != 2:
        raise TypeError(
            "size is a side in pixels, (height, width) in pixels, or None for what the filter "
            f"reads; found {size!r}."
        )
    if min(pair) < 1:
        raise ValueError(f"size is 1 pixel at least; found {size!r}.")
    return int(pair[0]), int(pair[1])


def _try(network: Network, layer: str, size: Size, *, given: bool) -> Tensor:
    """Return what the bank answers to a black picture."""
    try:
        return _answer(network, layer, size)
    except Exception as error:  # whatever a layer says of maps that it cannot read
        found = f"found {size[0]} × {size[1]}" if given else f"{size[0]} × {size[1]} is not"
        least = _least_side(network, layer)
        way_out = (
            f"The least side that works is {least}."
            if least is not None and least > min(size)
            else "Give size= the size of the network's own images, or data= to find it."
        )
        raise ValueError(
            f"A picture must be of a size that the network can read up to {layer!r}; "
            f"{found} ({error}). {way_out}"
        ) from error


def _least_side(network: Network, layer: str) -> int | None:
    """Return the least side that the network can read; None if none up to `SEARCHED` is."""
    high = 1
    while not _works(network, layer, high):
        high *= 2
        if high > SEARCHED:
            return None
    low = high // 2
    while high - low > 1:
        between = (low + high) // 2
        if _works(network, layer, between):
            high = between
        else:
            low = between
    return high


def _works(network: Network, layer: str, side: int) -> bool:
    try:
        _answer(network, layer, (side, side))
    except Exception:  # whatever a layer says of maps that it cannot read
        return False
    return True


@no_grad()
def _answer(network: Network, layer: str, size: Size) -> Tensor:
    sample = placed(torch.zeros(1, channels_of(network), *size), network.model, torch.channels_last)
    return answers(network, layer, sample)(sample)[0]


def channels_of(network: Network) -> int:
    """Return how many channels the network's images have: 3, or 1 for grey ones.

    Raises
    ------
    ValueError
        If it is another number.
    """
    channels = network.convolution(network.layers()[0]).in_channels
    if channels not in (1, 3):
        raise ValueError(
            "A picture can be made for a network that reads RGB or grey images; this one's first "
            f"bank, {network.layers()[0]!r}, reads {channels} channels."
        )
    return channels
