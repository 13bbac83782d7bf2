"""Which images excite the filters of a bank most, and where: one pass for the whole bank."""

from __future__ import annotations

import dataclasses
from collections.abc import Generator, Mapping, Sequence
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from carviz.banks import Answer, Model, Network, answers, field_of, find_layer, open_network
from carviz.checks import check_whole
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
from carviz.results import Record

A_FILTER = "how many images a filter"
BATCH = 16
NONE = -1
"""The number of an image that is not there."""


@dataclasses.dataclass(frozen=True, eq=False)
class Exciting(Record):
    """The images that excite each filter of a bank most, the strongest first, and where.

    The response is the output of the filter's unit, the convolution with its own BatchNorm, before
    any ReLU. An image excites a filter when that rises above zero; where fewer than `count` images
    do, the rest of the ranks are empty: image, row and column are -1 and the response is NaN.

    Parameters
    ----------
    layer
        The bank's name.
    images
        How many images were looked at.
    size
        Height and width of the images in pixels.
    image
        (filter, rank) the image's number in the data; no image is there twice.
    row, column
        (filter, rank) where in the bank's output the response is highest.
    response
        (filter, rank) how high it is.
    box
        (filter, rank, 4) what of the image that place reads: top, left, bottom and right in
        pixels, the last two exclusive. It reaches over the image's borders where padding is read;
        it is the whole image where the place reads all of it, or nothing is known of what it reads.
    """

    layer: str
    images: int
    size: tuple[int, int]
    image: NDArray[np.int64]
    row: NDArray[np.int64]
    column: NDArray[np.int64]
    response: NDArray[np.float64]
    box: NDArray[np.int64]

    _dtypes: ClassVar[Mapping[str, type]] = {
        "image": np.int64,
        "row": np.int64,
        "column": np.int64,
        "response": np.float64,
        "box": np.int64,
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        shape = self.response.shape
        if len(shape) != 2:
            raise self._reject("`response` is (filter, rank)", str(shape))
        self._check_shapes(dict.fromkeys(("image", "row", "column"), shape))
        self._check_shapes({"box": (*shape, 4)})
        self._check_within("is how many were looked at,", "images", 1)
        self._check_within("is in pixels,", "size", 1)
        self._check_ranks()

    def _check_ranks(self) -> None:
        """Refuse ranks that are not the strongest images, each once, and empty ones behind them."""
        empty = self.image == NONE
        for name in ("image", "row", "column"):
            self._check_within("are numbers, or -1 for none,", name, NONE)
            if not np.array_equal(getattr(self, name) == NONE, empty):
                raise self._reject("image, row and column are all -1, or none is", f"`{name}`")
        if not np.array_equal(np.isnan(self.response), empty):
            raise self._reject(
                "`response` is NaN where no image is, and nowhere else", "a mismatch"
            )
        strength = np.where(empty, 0.0, self.response)
        if (strength[~empty] <= 0).any() or (np.diff(strength, axis=1) > 0).any():
            raise self._reject("responses are above zero, the strongest first", "another order")
        if len(np.unique(self.image[~empty])) > self.images:
            raise self._reject("`image` are among those looked at", f"more than {self.images}")
        each = np.sort(np.where(empty, -1 - np.arange(empty.shape[1]), self.image), axis=1)
        if (np.diff(each, axis=1) == 0).any():
            raise self._reject("no image is there twice", "a repetition")
        sides = self.box[..., 2:] - self.box[..., :2]
        if sides.size and ((sides <= 0) | (sides != sides[0, 0])).any():
            raise self._reject("each `box` is as high and as wide as the others", "another one")

    def __repr__(self) -> str:
        filters, ranks = self.response.shape
        return f"<Exciting of {self.layer!r}: {filters} filters, {ranks} of {self.images:,} images>"

    def __len__(self) -> int:
        """Return how many filters the bank has, F."""
        return len(self.response)

    @property
    def found(self) -> NDArray[np.int64]:
        """(F,) how many images each filter has; 0 for one that never rises above zero."""
        return np.asarray((self.image != NONE).sum(axis=1))

    @property
    def extent(self) -> tuple[int, int]:
        """Height and width of every box, in pixels."""
        if not self.box.size:
            return self.size
        box = self.box[0, 0]
        return int(box[2] - box[0]), int(box[3] - box[1])

    def first(self, count: int) -> Exciting:
        """Return the same with `count` ranks at most."""
        arrays = {name: getattr(self, name)[:, :count] for name in self._dtypes}
        return dataclasses.replace(self, **arrays)


def find_exciting(
    model: Model,
    data: Data,
    layer: str | nn.Module,
    *,
    count: int = 16,
    numbers: Sequence[int] | None = None,
    device: str | torch.device | None = None,
    progress: Progress = False,
) -> Exciting:
    """Find the images that excite each filter of a bank most, in one pass over the images.

    An image stands for its best place, so that no image is there twice; equal responses go to the
    image, and in it to the place, that comes first. No more than a batch of images is in memory.

    Parameters
    ----------
    model
        Any `torch.nn.Module` that maps ``(image, channel, height, width)`` to logits, or an opened
        `carviz.banks.Network`. It is not touched.
    data
        As in `carviz.measure_car`; labels do not matter.
    layer
        The bank: a convolution's name, or the module itself. Of one that is used several times the
        first use counts.
    count
        How many images a filter, at most.
    numbers
        Numbers of the images to look at; None for all.
    device
        Where to run; None for where the model is.
    progress
        True for a progress bar; a function to be told the share done, 0 to 1, after every batch
        (what it raises ends the search); False for silence.

    Returns
    -------
    Exciting

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind, or there is no such layer.

    Examples
    --------
    >>> bank = nn.Conv2d(1, 2, 1, bias=False)  # the second likes what the first does not
    >>> _ = bank.weight.data.copy_(torch.tensor([1.0, -1.0]).view(2, 1, 1, 1))
    >>> data = (torch.tensor([-3.0, 5.0, 1.0]).view(3, 1, 1, 1), torch.zeros(3).long())
    >>> exciting = find_exciting(nn.Sequential(bank), data, "0", count=2)
    >>> exciting.image.tolist(), exciting.response.tolist()
    ([[1, 2], [0, -1]], [[5.0, 1.0], [3.0, nan]])
    """
    network = open_network(model, device)
    name = find_layer(network, model, layer)
    images = Images(data)
    count = check_whole(count, "count", what=A_FILTER)
    chosen = _check_numbers(numbers, len(images))
    with telling(progress, f"Exciting images of {name}") as tell:
        return drive(iter_exciting(network, images, name, count, chosen), tell)


def iter_exciting(
    network: Network, images: Images, layer: str, count: int, numbers: list[int]
) -> Generator[float, None, Exciting]:
    """Find the exciting images a batch at a time: yield the share done, and return what was found.

    All is as in `find_exciting`, and was checked. Between two steps the thread may do other work:
    none of torch's modes is left switched.
    """
    best, size = yield from _run(network, layer, images, numbers, count)
    box = field_of(network, layer, size).boxes(np.stack([best.row, best.column], axis=-1), size)
    empty = best.image == NONE
    return Exciting(
        layer,
        images=len(numbers),
        size=size,
        image=best.image,
        row=best.row,
        column=best.column,
        response=np.where(empty, np.nan, best.response),
        box=box,
        passport={
            "model": fingerprint_model(network.model),
            "data": fingerprint_images(images),
            "versions": versions(),
        },
    )


@dataclasses.dataclass(frozen=True)
class _Best:
    """(filter, rank) the images found so far."""

    image: NDArray[np.int64]
    row: NDArray[np.int64]
    column: NDArray[np.int64]
    response: NDArray[np.float64]


def _run(
    network: Network, layer: str, images: Images, numbers: list[int], count: int
) -> Generator[float, None, tuple[_Best, tuple[int, int]]]:
    best: Tensor | None = None  # (response, image, place; filter, rank)
    answer: Answer | None = None
    chunks = [numbers[i : i + BATCH] for i in range(0, len(numbers), BATCH)]
    for done, (chunk, (batch, _)) in enumerate(zip(chunks, images.batches(chunks), strict=True), 1):
        with inference_mode():
            batch = placed(batch, network.model, torch.channels_last)
            answer = answer or answers(network, layer, batch[:1])
            maps = answer(batch)[0]
            found = _peaks(maps, chunk)
            best = _merge(found if best is None else torch.cat([best, found], 2), count)
        yield done / len(chunks)
        width, size = maps.shape[3], (batch.shape[2], batch.shape[3])
    assert best is not None
    return _to_numpy(best, width), size


def _peaks(maps: Tensor, numbers: list[int]) -> Tensor:
    """Return (response, image, place; filter, image): each image at its best place."""
    response, place = maps.flatten(2).max(2)  # of equal ones the first
    image = torch.tensor(numbers, dtype=torch.float64, device=maps.device)
    image = image[:, None].expand_as(response)
    return torch.stack([response.double(), image, place.double()]).transpose(1, 2)


def _merge(found: Tensor, count: int) -> Tensor:
    """Keep the `count` highest; of equal ones the lowest images, which stand first."""
    order = found[0].sort(dim=1, descending=True, stable=True).indices[:, :count]
    return found.gather(2, order.expand(3, -1, -1))


def _to_numpy(best: Tensor, width: int) -> _Best:
    response, image, place = best.cpu().numpy()
    rises = response > 0
    image, place = (np.where(rises, x, NONE).astype(np.int64) for x in (image, place))
    row = np.where(rises, place // width, NONE)
    return _Best(image, row, np.where(rises, place % width, NONE), response)


def _check_numbers(numbers: Sequence[int] | None, count: int) -> list[int]:
    if numbers is None:
        return list(range(count))
    chosen = sorted({int(n) for n in numbers})
    if not chosen or chosen[0] < 0 or chosen[-1] >= count:
        raise ValueError(
            f"numbers are those of images to look at, among 0 to {count - 1}; found "
            f"{'none' if not chosen else f'{chosen[0]} to {chosen[-1]}'}."
        )
    return chosen
