"""What an item of data holds, or a batch that a collate_fn made: images and their labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from carviz.evaluate.describing import brief, described

IMAGE_NAMES = ("pixel_values", "image", "img", "images", "x")
"""What image members are called in rows that are mappings (Hugging Face's data sets)."""
LABEL_NAMES = ("labels", "label", "targets", "target", "class", "y")

RULE = "Each item of the data is (image tensor, integer label)"
ONE_LABEL = "Each image has one label, its class's whole number"
WAY_OUT = (
    "Wrap the data in a Dataset that gives (image, label), or give its rows the names 'image' and "
    "'label'."
)


class LabelRowsError(ValueError):
    """An image has a row of labels, of which several may be 1, or none."""


def split(item: Any, number: int | None = None) -> tuple[Any, Any]:
    """Return the image and the label of an item, or those of a batch, as they are.

    A pair is taken as it is. Of a mapping and of longer tuples one member must be an image, or
    called so, and one a label, or called so; otherwise it is not guessed.

    Parameters
    ----------
    item
        What the Dataset gives, or its collate_fn.
    number
        The item's number; None for a batch, whose members have an axis more.

    Raises
    ------
    TypeError
        If image and label cannot be told.
    """
    if isinstance(item, (tuple, list)) and len(item) == 2:
        return item[0], item[1]
    if isinstance(item, Mapping):
        image = _named(item, IMAGE_NAMES)
        if len(image) != 1:  # a picture beside what a transform made of it, or other names
            alike = _like(item, lambda x: _is_image(x, number is None))
            image = [key for key in alike if key in image] or alike
        label = _named(item, LABEL_NAMES)
        if not label and len(item) == 2 and image:
            label = [key for key in item if key not in image]
    elif isinstance(item, (tuple, list)) and len(item) > 2:
        members = dict(enumerate(item))
        image = _like(members, lambda x: _is_image(x, number is None))
        label = _like(members, lambda x: _is_label(x, number is None))
    else:
        raise TypeError(f"{_rule(number)} is {described(item)}. {WAY_OUT}")
    if len(image) != 1 or len(label) != 1:
        what = "image" if len(image) != 1 else "label"
        count = len(image) if what == "image" else len(label)
        raise TypeError(
            f"{_rule(number)} is {described(item)}, of which {count or 'no'} members could be the "
            f"{what}. {WAY_OUT}"
        )
    return item[image[0]], item[label[0]]


def check_image(image: Any, number: int) -> None:
    """Refuse what is not one image, in the words of what it is."""
    if not isinstance(image, Tensor):
        raise TypeError(
            f"Images are tensors (channel, height, width); image {number} is a "
            f"{type(image).__name__}. Give the dataset a transform that ends in a float tensor, "
            "e.g. torchvision.transforms.ToTensor()."
        )
    if image.ndim == 4:
        raise TypeError(
            f"{RULE}; item {number} is a batch of {len(image)} images. Give the images one by one: "
            "(torch.cat([x for x, _ in data]), torch.cat([y for _, y in data])), or the DataLoader "
            "that made the batches."
        )


def check_size(image: Tensor, first: Tensor, number: int, first_number: int) -> None:
    """Refuse an image of another size than the first, with both numbers."""
    if image.shape != first.shape:
        raise ValueError(
            f"Images must have one size; image {number} is {tuple(image.shape)}, image "
            f"{first_number} is {tuple(first.shape)}. Add Resize and CenterCrop to the transform."
        )


def whole_label(label: Any, number: int) -> int:
    """Return an image's label as a whole number; nothing is cut off on the way.

    Whole numbers of any type are taken (1, 1.0, True, tensors of one number), and rows of one 1
    and else 0, whose place is the class's number.

    Raises
    ------
    TypeError
        If it is no number.
    ValueError
        If it is no whole number, or a row that is no class's 1 among 0.
    """
    if isinstance(label, (Tensor, np.ndarray, np.generic, list, tuple)):
        try:
            tensor = torch.as_tensor(label)
        except (TypeError, ValueError, RuntimeError) as error:
            raise TypeError(f"{ONE_LABEL}; image {number} has {brief(label)}.") from error
        if tensor.numel() == 1:
            return whole_label(tensor.item(), number)
        if tensor.ndim == 1:
            return int(_hot(tensor[None], [number])[0])
        raise TypeError(f"{ONE_LABEL}; image {number} has {brief(label)}.")
    if not isinstance(label, (bool, int, float)):
        found = repr(label) if label is None or isinstance(label, str) else described(label)
        raise TypeError(
            f"Labels are integers, the class's number; image {number} has {found}. Targets of "
            "another kind are for carviz.measure_car(…, score=)."
        )
    if isinstance(label, float) and not label.is_integer():
        raise ValueError(_fraction(label, number))
    if not -(2**63) <= label < 2**63:
        raise ValueError(f"{ONE_LABEL}; image {number} has {label:.6g}.")
    return int(label)


def whole_labels(labels: Any, numbers: Sequence[int]) -> Tensor:
    """Return the labels of a batch, int64 ``(image,)``; as `whole_label` takes each.

    Parameters
    ----------
    labels
        ``(image,)`` numbers, ``(image, 1)`` numbers, or ``(image, class)`` rows of one 1 and
        else 0.
    numbers
        The images' numbers; they name an image at fault.
    """
    labels = torch.as_tensor(labels)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim == 2:
        return _hot(labels, numbers)
    if labels.ndim != 1 or labels.is_complex():
        raise TypeError(
            "Labels are integers (image,), the class's number; found "
            f"{labels.dtype} of shape {tuple(labels.shape)}."
        )
    whole: Tensor = labels.to(torch.int64)
    if labels.is_floating_point():
        cut = torch.nonzero(whole.to(torch.float64) != labels.to(torch.float64)).flatten()
        if len(cut):
            place = int(cut[0])
            raise ValueError(_fraction(float(labels[place]), _at(numbers, place)))
    return whole


def _hot(rows: Tensor, numbers: Sequence[int]) -> Tensor:
    """Return the places of the only ones in rows ``(image, class)``."""
    bits = ((rows == 0) | (rows == 1)).all(1)
    for place in torch.nonzero(~bits).flatten()[:1].tolist():
        row = rows[place].double()
        found = f"{ONE_LABEL}; image {_at(numbers, place)} has a row of {spread(row)}"
        if bool((row >= 0).all()) and abs(float(row.sum()) - 1) < 1e-3:
            raise ValueError(
                f"{found}, that is no class's 1 among 0 (shares of classes, as mixing images makes "
                "them?). Give the class's number."
            )
        raise LabelRowsError(
            f"{found}. Rows of multi-label data, which carviz.measure_car(model, data, layer) of "
            "one bank measures, are 0 or 1 each; -1, NaN and shares are not taken. Leave "
            "unlabelled images out."
        )
    ones = (rows == 1).sum(1)
    for place in torch.nonzero(ones != 1).flatten()[:1].tolist():
        raise LabelRowsError(
            f"{ONE_LABEL}; image {_at(numbers, place)} has a row of {rows.shape[1]} values with "
            f"{int(ones[place])} ones, as multi-label data has. carviz.measure_car(model, data, "
            "layer) of one bank measures the accuracy of each label (where the first images read "
            "have one label each, data.multi_label = True says so); all else wants one class an "
            "image."
        )
    places: Tensor = (rows == 1).to(torch.int64).argmax(1)
    return places


def spread(row: Tensor) -> str:
    """Return in words how many values a row has, and from what to what they are."""
    known = row[~torch.isnan(row)]
    reach = f"{float(known.min()):.3g} to {float(known.max()):.3g}" if len(known) else "all NaN"
    more = ", some of them NaN" if 0 < len(known) < len(row) else ""
    return f"{len(row)} values, {reach}{more}"


def _at(numbers: Sequence[int], place: int) -> int:
    return numbers[place] if place < len(numbers) else place


def _fraction(label: float, number: int) -> str:
    return (
        f"{ONE_LABEL}; image {number} has {label:.6g}. A network's probability, a share or a "
        "rating is no class: give its number."
    )


def _rule(number: int | None) -> str:
    if number is None:
        return "collate_fn gives a pair (images, labels); what it gave"
    return f"{RULE}; item {number}"


def _named(item: Mapping[Any, Any], names: tuple[str, ...]) -> list[Any]:
    return [key for key in item if isinstance(key, str) and key.casefold() in names]


def _like(item: Mapping[Any, Any], fits: Any) -> list[Any]:
    return [key for key, value in item.items() if fits(value)]


def _is_image(value: Any, batch: bool) -> bool:
    return isinstance(value, Tensor) and value.ndim == 3 + batch and value.is_floating_point()


def _is_label(value: Any, batch: bool) -> bool:
    if batch:
        return isinstance(value, (Tensor, np.ndarray)) and value.ndim == 1
    if isinstance(value, (Tensor, np.ndarray)):
        return value.ndim == 0 or tuple(value.shape) == (1,)
    return isinstance(value, (bool, int, float, np.integer, np.floating))
