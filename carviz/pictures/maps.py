"""Where on an image a filter answers: its activation map, and where its places lie."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from carviz.banks import (
    Field,
    Model,
    Network,
    answers,
    field_of,
    find_layer,
    maps_are_images,
    open_network,
)
from carviz.checks import check_filter, found_words, is_whole
from carviz.evaluate import (
    Data,
    Images,
    find_normalization,
    fingerprint_images,
    fingerprint_model,
    inference_mode,
    placed,
    versions,
)
from carviz.pictures.exciting import BATCH
from carviz.pictures.patches import to_rgb
from carviz.results import Record

FIRST = 16
"""Images of a data set that are looked at where none are named."""
DIMMED, BRIGHT = 0.35, (1.0, 0.77, 0.0)
"""How bright an image is where the filter does not answer, and the colour where it answers most."""


@dataclasses.dataclass(frozen=True, eq=False)
class ActivationMaps(Record):
    """What one filter answers to images, place by place.

    The answer is the output of the filter's unit, the convolution with its own BatchNorm, before
    any ReLU: the numbers that an ablation makes zero. Where a convolution is called several times
    it is that of the first call.

    Parameters
    ----------
    layer, filter
        The bank's name and the filter's number in it.
    images
        (N,) the images' numbers in the data.
    maps
        (N, h, w) float32, the answers.
    pictures
        (N, height, width, 3) float32, the images as raw RGB in [0, 1].
    field
        Of what a place of the map reads, rows first: size (2), jump from one place to the next (2)
        and start, the first pixel that place (0, 0) reads (2). Infinity is the whole image.

    Examples
    --------
    >>> import carviz
    >>> model, data = carviz.load_model("shapes"), carviz.load_data("shapes", limit=1)
    >>> found = carviz.activation_maps(model, data, "features.0", 12, numbers=[0, 5])
    >>> found.maps.shape[0], found.on_images().shape == found.pictures.shape[:3]
    (2, True)
    """

    layer: str
    filter: int
    images: NDArray[np.int64]
    maps: NDArray[np.float32]
    pictures: NDArray[np.float32]
    field: NDArray[np.float64]

    _dtypes: ClassVar[Mapping[str, type]] = {
        "images": np.int64,
        "maps": np.float32,
        "pictures": np.float32,
        "field": np.float64,
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_within("is a filter's number,", "filter", 0)
        N = len(self.images)
        if self.maps.ndim != 3 or len(self.maps) != N or not self.maps.size:
            raise self._reject(f"`maps` has shape ({N}, h, w)", str(self.maps.shape))
        if self.pictures.ndim != 4 or self.pictures.shape[::3] != (N, 3):
            raise self._reject(
                f"`pictures` has shape ({N}, height, width, 3)", str(self.pictures.shape)
            )
        self._check_shapes({"field": (6,)})

    def __repr__(self) -> str:
        count, height, width = self.maps.shape
        images = f"{count} image{'s' * (count != 1)}"
        return (
            f"<ActivationMaps of filter {self.filter} of {self.layer!r}: {images}, "
            f"{height} x {width} places>"
        )

    def __len__(self) -> int:
        """Return how many images there are, N."""
        return len(self.images)

    @property
    def highest(self) -> NDArray[np.float32]:
        """(N,) the highest answer of each image, at whatever place; not above zero: none."""
        return np.asarray(self.maps.max(axis=(1, 2)))

    def on_images(self, *, above_zero: bool = False) -> NDArray[np.float32]:
        """Return the maps laid over their images: (N, height, width).

        A place stands at the middle of what it reads; between places it is interpolated, and
        beyond the outermost ones the answer is theirs. So where the middle lies between pixels no
        pixel has a place's own number: what that is say `maps` and `highest`.

        Parameters
        ----------
        above_zero
            Whether answers below zero count as none. They do before anything is interpolated, so
            that a place that answers is seen beside others that are far below zero.
        """
        maps = np.maximum(self.maps, 0) if above_zero else self.maps
        size = self.pictures.shape[1:3]
        return np.asarray(spread(maps, _field(self.field), (size[0], size[1])))


def activation_maps(
    model: Model,
    images: Data | Tensor,
    layer: str | nn.Module,
    filter: int,
    *,
    numbers: Sequence[int] | None = None,
    normalize: tuple[Any, Any] | None = None,
    device: str | torch.device | None = None,
) -> ActivationMaps:
    """Return where on some images a filter answers, and how strongly.

    Parameters
    ----------
    model
        Any `torch.nn.Module` that maps ``(image, channel, height, width)`` to logits, or an opened
        `carviz.banks.Network`. It is not touched.
    images
        A tensor ``(image, channel, height, width)``, preprocessed as the network wants it, or data
        as in `carviz.measure_car`.
    layer
        The bank: a convolution's name, or the module itself.
    filter
        The filter's number in its bank.
    numbers
        Which images; None for the first 16, of a tensor for all.
    normalize
        The preprocessing's (mean, std), one number a channel each, to show raw RGB; None for what
        the data or the model says of it. Where nothing does, images are taken as they are.
    device
        Where to run; None for where the model is.

    Returns
    -------
    ActivationMaps

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind, there is no such layer, filter or image, images are
        neither RGB nor grey, or the bank reads crops or frames of them.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> bank = nn.Conv2d(1, 1, 1, bias=False)  # it answers twice what it reads
    >>> _ = bank.weight.data.fill_(2.0)
    >>> image = torch.tensor([[[[0.0, 0.5], [0.25, 1.0]]]])
    >>> activation_maps(nn.Sequential(bank), image, "0", 0).maps[0].tolist()
    [[0.0, 1.0], [0.5, 2.0]]
    """
    of_tensor = isinstance(images, Tensor)
    if isinstance(images, Tensor):
        if images.ndim != 4:
            raise ValueError(
                "images are a tensor (image, channel, height, width), or data; found a tensor of "
                f"shape {tuple(images.shape)}. One image alone is images[None]."
            )
        images = (images, torch.zeros(len(images), dtype=torch.long))
    data = Images(images)
    network = open_network(model, device)
    name = find_layer(network, model, layer)
    filter = check_filter(filter, network.convolution(name).out_channels, name)
    if numbers is None:
        numbers = range(len(data) if of_tensor else min(FIRST, len(data)))
    chosen = _check_numbers(numbers, len(data))
    normalization = find_normalization(data, network.model, normalize)
    maps, pictures = [], []
    chunks = [chosen[i : i + BATCH] for i in range(0, len(chosen), BATCH)]
    for batch, _ in data.batches(chunks):
        maps.append(maps_of(network, name, batch)[:, filter])
        pictures.append(to_rgb(batch, normalization))
    size = pictures[0].shape[1:3]
    return ActivationMaps(
        name,
        filter,
        images=np.array(chosen),
        maps=np.concatenate(maps),
        pictures=np.concatenate(pictures),
        field=field_numbers(network, name, (size[0], size[1])),
        passport={
            "model": fingerprint_model(network.model),
            "data": fingerprint_images(data),
            "versions": versions(),
        },
    )


def maps_of(network: Network, layer: str, images: Tensor) -> NDArray[np.float32]:
    """Return (image, filter, h, w), what all filters of a bank answer to images.

    Raises
    ------
    ValueError
        If the rows that the bank reads are no images.
    """
    with inference_mode():
        batch = placed(images, network.model, torch.channels_last)
        if not maps_are_images(network, layer, batch[:1]):
            raise ValueError(
                "An activation map lies on one image; found that the rows which "
                f"{layer!r} reads are parts of images (crops, frames) or have no batch axis. "
                "Choose a bank that reads whole images."
            )
        found = answers(network, layer, batch[:1])(batch)[0]
        return np.asarray(found.float().cpu().numpy())


def spread(maps: NDArray[np.float32], field: Field, size: tuple[int, int]) -> NDArray[np.float32]:
    """Return maps (…, h, w) laid over images: (…, height, width); see `ActivationMaps.on_images`.

    Of places that read the whole image nothing says where they lie: they are spread evenly.
    """
    for axis, length in enumerate(size):
        maps = _along(maps, axis, length, field)
    return maps


def overlay(picture: NDArray[Any], on_image: NDArray[Any], strongest: float) -> NDArray[np.float64]:
    """Return a picture (height, width, 3) in [0, 1], dark but for where the map rises above zero.

    It is brightest where the map is `strongest`, and half as bright at a quarter of that:
    brightness goes by the square root, so that weak answers are still seen from far.
    """
    share = np.sqrt(np.clip(on_image / strongest, 0, 1)) if strongest > 0 else 0.0 * on_image
    share = share[..., None]
    grey = DIMMED * np.asarray(picture, np.float64).mean(axis=2, keepdims=True)
    return np.asarray((1 - share) * grey + share * np.array(BRIGHT))


def _along(maps: NDArray[np.float32], axis: int, length: int, field: Field) -> NDArray[np.float32]:
    places = maps.shape[axis - 2]
    pixels = np.arange(length) + 0.5
    if field.whole:
        at = pixels * places / length - 0.5
    else:  # the middle of what place p reads is start + p · jump + size / 2
        at = (pixels - field.start[axis] - field.size[axis] / 2) / field.jump[axis]
    at = np.clip(at, 0, places - 1)
    low = np.floor(at).astype(np.int64)
    high = np.minimum(low + 1, places - 1)
    share = (at - low).astype(np.float32).reshape(-1, *[1] * (1 - axis))
    first, second = (np.take(maps, n, axis=axis - 2) for n in (low, high))
    return np.asarray(first * (1 - share) + second * share, dtype=np.float32)


def field_numbers(network: Network, layer: str, size: tuple[int, int]) -> NDArray[np.float64]:
    """Return what a place of a bank reads of images of this size, as `ActivationMaps.field`."""
    field = field_of(network, layer, size)
    return np.array([*field.size, *field.jump, *field.start], dtype=np.float64)


def _field(numbers: NDArray[np.float64]) -> Field:
    height, width, down, right, top, left = numbers.tolist()
    return Field((height, width), (down, right), (top, left))


def _check_numbers(numbers: Any, count: int) -> list[int]:
    given = [numbers] if is_whole(numbers) else list(numbers)
    if wrong := [n for n in given if not is_whole(n)]:
        raise TypeError(f"numbers are those of images; found {found_words(wrong[0])} among them.")
    if not given:
        raise ValueError("A map is of an image; found no number. None takes the first ones.")
    outside = [int(n) for n in given if not 0 <= n < count]
    if outside:
        raise ValueError(
            f"numbers are those of images, 0 to {count - 1} of this data; found {outside[0]}."
        )
    return [int(n) for n in given]
