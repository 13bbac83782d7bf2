"""The image patches that excite a filter most, cut to its receptive field."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from carviz.banks import Model, find_layer, open_network
from carviz.checks import check_filter, check_whole
from carviz.evaluate import Data, Images, Normalization, Progress, find_normalization, telling
from carviz.pictures.exciting import A_FILTER, BATCH, NONE, Exciting, find_exciting
from carviz.results import shown_names

GREY = 0.5
"""The picture's value where a patch reaches over the image's border, and where there is none."""


@dataclasses.dataclass(frozen=True, eq=False)
class TopPatches:
    """The patches that excite a filter, or each filter of a bank, most; the strongest first.

    All arrays are (rank, …) for one filter and (filter, rank, …) for a bank. A rank without an
    image, since fewer images excite the filter, is mid-grey, with image and label -1.

    Parameters
    ----------
    layer
        The bank's name.
    filter
        The filter's number; None for the whole bank.
    pictures
        (…, rank, height, width, 3) float32, raw RGB in [0, 1]; mid-grey outside the image.
    images
        (…, rank) the images' numbers in the data.
    labels
        (…, rank) their classes' numbers.
    classes
        The names that the data gives its classes; None where it gives none.
    responses
        (…, rank) how high the filter answers there: its unit's output, before any ReLU; NaN for
        an empty rank.
    boxes
        (…, rank, 4) what of the image the patch is: top, left, bottom and right in pixels, the
        last two exclusive; it may reach over the image's borders.
    """

    layer: str
    filter: int | None
    pictures: NDArray[np.float32]
    images: NDArray[np.int64]
    labels: NDArray[np.int64]
    classes: tuple[str, ...] | None
    responses: NDArray[np.float64]
    boxes: NDArray[np.int64]

    def __repr__(self) -> str:
        whose = "all filters" if self.filter is None else f"filter {self.filter}"
        height, width = self.pictures.shape[-3:-1]
        return (
            f"<TopPatches of {self.layer!r}, {whose}: {self.images.shape[-1]} patches of "
            f"{height} x {width} pixels a filter>"
        )

    @property
    def names(self) -> NDArray[np.object_]:
        """(…, rank) the names of the classes, numbered where one repeats; "" for no image."""
        shown = shown_names(self.classes or ())
        names = np.empty(self.labels.shape, object)
        for place, label in np.ndenumerate(self.labels):
            known = 0 <= label < len(shown)
            names[place] = shown[label] if known else str(label) if label >= 0 else ""
        return names


def top_patches(
    model: Model,
    data: Data,
    layer: str | nn.Module,
    filter: int | None = None,
    *,
    count: int = 9,
    normalize: tuple[Any, Any] | None = None,
    exciting: Exciting | None = None,
    device: Any = None,
    progress: Progress = True,
) -> TopPatches:
    """Return the image patches that excite a filter most, or each filter of its bank.

    Every image stands for the one place where the filter answers it most, so that no image is
    there twice, and is cut to what that place reads: the receptive field, or the whole image
    where that is larger. What lies outside the image was padding; it is mid-grey.

    Parameters
    ----------
    model
        Any `torch.nn.Module` that maps ``(image, channel, height, width)`` to logits, or an opened
        `carviz.banks.Network`. It is not touched.
    data
        As in `carviz.measure_car`. All images are run once, for the whole bank as for one filter,
        with no more than a batch in memory.
    layer
        The bank: a convolution's name, or the module itself.
    filter
        The filter's number in its bank; None for the whole bank.
    count
        How many patches a filter.
    normalize
        The preprocessing's (mean, std), one number a channel each, to show raw RGB; None for what
        `data` or the model says of it. Where nothing does, images are taken as they are.
    exciting
        What `carviz.pictures.find_exciting` found on the same data, to spare the pass.
    device
        Where to run; None for where the model is.
    progress
        True for a progress bar; a function to be told the share done, 0 to 1 (what it raises ends
        the search); False for silence.

    Returns
    -------
    TopPatches

    Raises
    ------
    TypeError
        If an argument is of the wrong kind.
    ValueError
        If there is no such layer or filter, or images are neither RGB nor grey.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> bank = nn.Conv2d(1, 1, 2, bias=False)  # two dots, one above the other
    >>> _ = bank.weight.data.copy_(torch.tensor([[1.0, 0.0], [1.0, 0.0]]))
    >>> image = torch.tensor([[0.0, 0.0, 0.25], [0.0, 0.75, 0.25], [0.5, 1.0, 0.5]])
    >>> data = (image.view(1, 1, 3, 3), torch.tensor([0]))
    >>> patches = top_patches(nn.Sequential(bank), data, "0", 0)
    >>> patches.pictures[0, :, :, 0].tolist(), patches.boxes.tolist()
    ([[0.75, 0.25], [1.0, 0.5]], [[1, 1, 3, 3]])
    """
    images, count = Images(data), check_whole(count, "count", what=A_FILTER)
    network = open_network(model, device)
    name = find_layer(network, model, layer)
    filters = network.convolution(name).out_channels
    chosen = None if filter is None else check_filter(filter, filters, layer, or_none=True)
    normalization = find_normalization(images, network.model, normalize)
    if exciting is None:
        exciting = find_exciting(network, images, name, count=count, progress=progress)
    exciting = check_exciting(exciting, name, filters, len(images)).first(count)
    cut = range(filters) if chosen is None else [chosen]
    pictures, labels = cut_patches(images, exciting, cut, normalization)
    part = slice(None) if chosen is None else chosen
    drop: Any = slice(None) if chosen is None else 0
    return TopPatches(
        name,
        chosen,
        pictures=pictures[drop],
        images=exciting.image[part],
        labels=labels[drop],
        classes=images.classes,
        responses=exciting.response[part],
        boxes=clip_boxes(exciting.box[part], exciting.size),
    )


def cut_patches(
    images: Images,
    exciting: Exciting,
    filters: Any,
    normalization: Normalization | None,
    progress: Progress = False,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return patches (filter, rank, height, width, 3) and labels (filter, rank) of some filters.

    Every image is read once. `filters` are filters' numbers; the other arguments are checked ones.
    """
    image = exciting.image[list(filters)]
    boxes = clip_boxes(exciting.box[list(filters)], exciting.size)
    height, width = (int(n) for n in (boxes[0, 0, 2:] - boxes[0, 0, :2]))
    pictures = np.full((*image.shape, height, width, 3), GREY, np.float32)
    labels = np.full(image.shape, NONE)
    numbers = np.unique(image[image != NONE]).tolist()
    chunks = [numbers[i : i + BATCH] for i in range(0, len(numbers), BATCH)]
    with telling(progress, "Patches") as tell:
        for done, (chunk, (batch, truth)) in enumerate(
            zip(chunks, images.batches(chunks), strict=True), 1
        ):
            raw = to_rgb(batch, normalization)
            for number, picture, label in zip(chunk, raw, truth.tolist(), strict=True):
                for place in zip(*np.nonzero(image == number), strict=True):
                    labels[place] = label
                    _paste(pictures[place], picture, boxes[place])
            tell(done / len(chunks))
    return pictures, labels


def to_rgb(images: Tensor, normalization: Normalization | None) -> NDArray[np.float32]:
    """Return images as pictures (image, height, width, 3) in [0, 1]; grey ones in three channels.

    Raises
    ------
    ValueError
        If images have other than 1 or 3 channels.
    """
    if images.shape[1] not in (1, 3):
        raise ValueError(
            "Patches are shown of images with three channels (RGB) or one (grey); the data's have "
            f"{images.shape[1]}."
        )
    raw = images.clamp(0, 1) if normalization is None else normalization.to_rgb(images)
    whole = raw.expand(-1, 3, -1, -1).permute(0, 2, 3, 1)
    return np.asarray(whole.float().cpu().numpy())


def clip_boxes(boxes: NDArray[np.int64], size: tuple[int, int]) -> NDArray[np.int64]:
    """Return boxes that are the whole image along an axis where they are larger than it."""
    clipped = boxes.copy()
    for axis in (0, 1):
        if clipped.size and (clipped[..., axis + 2] - clipped[..., axis]).flat[0] > size[axis]:
            clipped[..., axis], clipped[..., axis + 2] = 0, size[axis]
    return clipped


def _paste(patch: NDArray[np.float32], picture: NDArray[np.float32], box: Any) -> None:
    """Fill a patch with what of a picture is inside the box."""
    top, left, bottom, right = box
    inside = np.s_[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    part = picture[inside]
    row, column = max(-top, 0), max(-left, 0)
    patch[row : row + part.shape[0], column : column + part.shape[1]] = part


def check_exciting(exciting: Any, layer: str, filters: int, images: int) -> Exciting:
    """Return what `find_exciting` found if it is about this bank and these images."""
    if not isinstance(exciting, Exciting):
        raise TypeError(
            "exciting is what carviz.pictures.find_exciting returns, or None; found "
            f"{type(exciting).__name__}."
        )
    fits = exciting.image.max(initial=NONE) < images and len(exciting) == filters
    if exciting.layer != layer or not fits:
        raise ValueError(
            f"exciting is about the same bank and data, here {layer!r} with {filters} filters and "
            f"{images:,} images; found {exciting!r}. Leave it out, and it is found anew."
        )
    return exciting
