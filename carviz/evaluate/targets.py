"""What is true of an image, in the form that data gives it: one class, a row of labels, anything.

Whatever the form, a batch of it is a tensor of whole numbers: ``(image,)`` or ``(image, label)``.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from carviz.evaluate.describing import brief
from carviz.evaluate.items import (
    LabelRowsError,
    check_image,
    check_size,
    spread,
    whole_label,
    whole_labels,
)

MULTI_LABEL = "multi_label"
"""An attribute of data that says, where it is True, that an image has a row of labels."""
KEPT = 1024
"""Targets of any kind that are kept, the last ones read: more than are read at once."""
ONE_ROW = "Each image has a row of labels, 0 or 1 each, one a logit"


class ClassTargets:
    """One class an image, its whole number."""

    hinted = True
    """Whether data may tell them without an image being read."""
    travels = True
    """Whether they may be read by other processes."""

    def one(self, label: Any, number: int) -> Any:
        """Return an image's target as numbers; `number` names it where it is at fault."""
        return whole_label(label, number)

    def many(self, labels: Any, numbers: Sequence[int]) -> Tensor:
        """Return the targets of a batch as numbers."""
        return whole_labels(labels, numbers)

    def stacked(self, labels: list[Any], numbers: Sequence[int]) -> Tensor:
        """Return what `one` gave of some images together."""
        return torch.tensor(labels)

    def stacked_images(self, images: Any, numbers: Sequence[int]) -> Any:
        """Return the images of a batch that a collate_fn made."""
        return images

    def check(self, labels: Tensor, numbers: Sequence[int]) -> None:
        """Refuse targets that do not belong to those read before."""

    def objects(self, labels: Tensor) -> list[Any] | None:
        """Return the targets themselves, where numbers only stand for them."""
        return None


CLASS_TARGETS = ClassTargets()


class LabelTargets(ClassTargets):
    """A row of labels an image, 0 or 1 each."""

    hinted = False

    def __init__(self) -> None:
        self._first: tuple[int, int] | None = None

    def one(self, label: Any, number: int) -> list[int]:
        """Return an image's row."""
        if isinstance(label, (Tensor, np.ndarray, list, tuple)):
            try:
                row = torch.as_tensor(label)
            except (TypeError, ValueError, RuntimeError) as error:
                raise TypeError(f"{ONE_ROW}; image {number} has {brief(label)}.") from error
            if row.ndim == 1 and len(row) > 1:
                return [int(x) for x in self.many(row[None], [number])[0]]
        raise TypeError(
            f"{ONE_ROW}; image {number} has {brief(label)}, while another image has a row. Give "
            "all images rows, or all one class."
        )

    def many(self, labels: Any, numbers: Sequence[int]) -> Tensor:
        """Return the rows of a batch, ``(image, label)``."""
        try:
            rows = torch.as_tensor(labels)
        except (TypeError, ValueError, RuntimeError):
            rows = torch.tensor([self.one(row, n) for row, n in zip(labels, numbers, strict=True)])
        if rows.ndim != 2 or rows.is_complex():
            raise TypeError(f"{ONE_ROW}; found {rows.dtype} of shape {tuple(rows.shape)}.")
        for place in torch.nonzero(~((rows == 0) | (rows == 1)).all(1)).flatten()[:1].tolist():
            row = rows[place].double()
            raise ValueError(
                f"{ONE_ROW}; image {numbers[place]} has a row of {spread(row)}. Leave unlabelled "
                "images out (-1 and NaN are not taken), and let shares be 0 or 1."
            )
        return rows.to(torch.int64)

    def stacked(self, labels: list[Any], numbers: Sequence[int]) -> Tensor:
        """Return rows of images together."""
        for row, number in zip(labels, numbers, strict=True):
            self.check(torch.tensor([row]), [number])
        return torch.tensor(labels)

    def check(self, labels: Tensor, numbers: Sequence[int]) -> None:
        """Refuse rows of another length than the first one."""
        width = labels.shape[1]
        self._first = self._first or (width, numbers[0])
        if width != self._first[0]:
            raise ValueError(
                f"{ONE_ROW}, so all are of one length; image {numbers[0]} has {width} labels, "
                f"image {self._first[1]} has {self._first[0]}."
            )


class AnyTargets(ClassTargets):
    """Targets of any kind, for a function of the user's own; their digests stand for them."""

    hinted = False
    travels = False

    def __init__(self) -> None:
        self._objects: dict[int, Any] = {}

    def one(self, label: Any, number: int) -> int:
        """Keep an image's target, and return its digest."""
        try:
            digest = int.from_bytes(digest_of(label)[:8], "big") >> 1
        except Exception as error:
            raise TypeError(
                "A target can be told from others by what it holds: numbers, text, arrays, lists "
                f"and mappings of these, or what pickle takes; image {number} has {brief(label)} "
                f"({type(error).__name__}: {error})."
            ) from error
        self._objects.pop(digest, None)
        self._objects[digest] = label
        while len(self._objects) > KEPT:
            del self._objects[next(iter(self._objects))]
        return digest

    def many(self, labels: Any, numbers: Sequence[int]) -> Tensor:
        """Keep the targets of a batch, and return their digests."""
        listed = isinstance(labels, (Tensor, np.ndarray, list, tuple))
        if not listed or len(labels) != len(numbers):
            raise TypeError(
                "collate_fn gives the targets of a batch as a list, one an image; for "
                f"{len(numbers)} images it gave {brief(labels)}."
            )
        return torch.tensor([self.one(x, n) for x, n in zip(labels, numbers, strict=True)])

    def stacked_images(self, images: Any, numbers: Sequence[int]) -> Any:
        """Return the images of a batch as one tensor; for detectors they come as a list."""
        if not isinstance(images, (list, tuple)) or len(images) != len(numbers):
            return images
        for image, number in zip(images, numbers, strict=True):
            check_image(image, number)
            check_size(image, images[0], number, numbers[0])
        return torch.stack(list(images))

    def objects(self, labels: Tensor) -> list[Any]:
        """Return the targets of which these are the digests, read just before."""
        return [self._objects[digest] for digest in labels.tolist()]


class Paired:
    """Images and their targets of any kind, as a Dataset."""

    def __init__(self, images: Any, targets: Any) -> None:
        self.images, self.targets = torch.as_tensor(images), targets

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, number: int) -> tuple[Tensor, Any]:
        return self.images[number], self.targets[number]


def paired(data: Any) -> Any:
    """Return a pair (images, targets), the images one tensor, as a Dataset; other data as it is."""
    if not isinstance(data, (tuple, list)) or len(data) != 2:
        return data
    images, targets = data
    if not isinstance(images, (Tensor, np.ndarray)) or images.ndim != 4:
        return data
    if not hasattr(targets, "__getitem__") or not hasattr(targets, "__len__"):
        raise TypeError(
            f"A pair is of images and as many targets; found targets as {brief(targets)}."
        )
    if len(images) != len(targets):
        raise ValueError(
            f"Each image has one target; found {len(images)} images and {len(targets)} targets."
        )
    return Paired(images, targets)


def digest_of(value: Any) -> bytes:
    """Return a digest of what a value holds.

    Raises
    ------
    Exception
        Whatever pickle raises of what it cannot take.
    """
    found = hashlib.blake2b(digest_size=16)
    _feed(found, value)
    return found.digest()


def _feed(found: Any, value: Any) -> None:
    found.update(f"<{type(value).__qualname__}>".encode())
    if isinstance(value, Tensor):
        plain = value.detach().cpu().contiguous()
        found.update(f"{plain.dtype}{tuple(plain.shape)}".encode())
        found.update(plain.reshape(-1).view(torch.uint8).numpy().tobytes())
    elif isinstance(value, np.ndarray) and value.dtype.kind != "O":
        found.update(f"{value.dtype}{value.shape}".encode() + np.ascontiguousarray(value).tobytes())
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            _feed(found, key)
            _feed(found, inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            _feed(found, inner)
    elif value is None or isinstance(value, (bool, int, float, complex, str, bytes, np.generic)):
        found.update(repr(value).encode())
    elif callable(getattr(value, "tobytes", None)):  # a picture of PIL's
        found.update(str(getattr(value, "size", "")).encode() + value.tobytes())
    else:
        found.update(pickle.dumps(value))
    found.update(b"</>")


__all__ = [
    "CLASS_TARGETS", "MULTI_LABEL", "AnyTargets", "ClassTargets", "LabelRowsError",
    "LabelTargets", "digest_of", "paired",
]  # fmt: skip
