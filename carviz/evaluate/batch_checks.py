"""What images and labels must be to be measured; the first at fault is named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from carviz.evaluate.targets import ClassTargets


def check_labels(labels: Tensor, classes: int, numbers: Sequence[int]) -> None:
    """Raise ValueError if an image's label is outside the logits; `numbers` are the images'."""
    outside = torch.nonzero(labels >= classes).flatten()
    if len(outside):
        bad = int(outside[0])
        raise ValueError(
            f"Labels number the network's {classes} logits, 0 to {classes - 1}; image "
            f"{numbers[bad]} has label {int(labels[bad])}. Check that data and network have the "
            "same classes."
        )


def check_kept_labels(kept: NDArray[Any], labels: Tensor, folder: object) -> None:
    """Raise ValueError if images have other labels than a checkpoint keeps of them."""
    if not np.array_equal(labels.numpy(), kept):
        raise ValueError(
            "A checkpoint is resumed with the labels that it began with; those in "
            f"{str(folder)!r} are others than the data's. Take another folder, or remove this one."
        )


def check_pair(images: Any, labels: Any, targets: ClassTargets) -> tuple[Tensor, Tensor]:
    """Return a pair of arrays, images and their labels, as plain tensors; the labels whole."""
    images, labels = _tensor(images, "images"), _tensor(labels, "labels")
    count, told = (len(tensor) if tensor.ndim else 1 for tensor in (images, labels))
    if count != told:
        raise ValueError(f"Each image has one label; found {count} images and {told} labels.")
    if count:
        _check_kinds(images)
    return images.detach(), targets.many(labels.detach(), range(count))


def _tensor(array: Any, what: str) -> Tensor:
    """Return an array of torch or NumPy as a tensor; what torch cannot take is told in words."""
    if isinstance(array, np.ndarray):
        if array.dtype.kind not in "biufc":
            raise TypeError(
                f"A pair (images, labels) is of numbers; found {what} of {array.dtype.name}. "
                f"Convert them, e.g. {what}.astype({'int' if what == 'labels' else 'np.float32'})."
            )
        if np.ma.is_masked(array):
            raise ValueError(
                f"A pair (images, labels) has no gaps; found masked {what}. Leave those images out."
            )
        # torch takes no other order of bytes, and no array that is read backwards.
        array = np.ascontiguousarray(array, array.dtype.newbyteorder("="))
    tensor: Tensor = torch.as_tensor(array)
    if tensor.is_nested or tensor.layout != torch.strided or tensor.is_meta:
        kind = "on the meta device" if tensor.is_meta else "sparse or nested"
        raise TypeError(
            f"A pair (images, labels) is of dense tensors with values; found {what} that are "
            f"{kind}. Convert them, e.g. with to_dense()."
        )
    return tensor


def check_batch(images: Tensor, labels: Tensor, numbers: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Refuse what would measure nonsense, naming the first image at fault."""
    _check_kinds(images)
    if not len(images) == len(labels) == len(numbers):
        raise ValueError(
            f"Each image has one label; found {len(images)} images and {len(labels)} labels for "
            f"{len(numbers)} items. A collate_fn that leaves items out cannot be measured; leave "
            "them out before, with torch.utils.data.Subset(dataset, numbers)."
        )
    finite = torch.isfinite(images).flatten(1).all(1)
    if not finite.all():
        bad = int(torch.nonzero(~finite)[0])
        raise ValueError(
            f"Images must be finite; image {numbers[bad]} holds NaN or infinity. "
            "Look at its file and at the transform."
        )
    if (labels < 0).any():
        bad = int(torch.nonzero(labels < 0)[0])
        raise ValueError(
            f"Labels are 0 or more; image {numbers[bad]} has label {int(labels[bad])}. "
            "Leave unlabelled images out."
        )
    return images, labels


def _check_kinds(images: Tensor) -> None:
    if images.ndim != 4:
        raise ValueError(
            "Images are (image, channel, height, width); found a tensor of shape "
            f"{tuple(images.shape)}."
        )
    if not images.is_floating_point():
        raise TypeError(
            f"Images are floating point, preprocessed as the network expects; found "
            f"{images.dtype}. Convert them, e.g. images.float() / 255, and normalise."
        )
