"""What data says of its classes without an image being read: their names, and labels."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import ConcatDataset, DataLoader, Dataset, Subset, TensorDataset

from carviz.evaluate.items import split, whole_label

LABELS = ("targets", "labels", "_labels", "y")
"""Where the data sets of torchvision keep the labels."""
SAMPLES = ("samples", "_samples", "imgs")
"""Where they keep pairs of a file and a label."""
HOLDERS = ("classes", "class_to_idx", "reader", "features")
"""Where names of classes are."""
DEEP = 10
"""Wrappers that are looked through, at most."""


@dataclasses.dataclass(frozen=True)
class Names:
    """Names of classes, and whose labels they name.

    Parameters
    ----------
    classes
        A name for each label 0 to K - 1.
    labels
        ``(image,)`` labels that the names belong to, of each image of the data, where they are
        known without reading; None where they are not.
    inner
        The Dataset inside a wrapper to which the names belong, where its labels are known by
        reading only: its item i is compared with item i of the data. None where the names are the
        data's own.
    """

    classes: tuple[str, ...]
    labels: NDArray[np.int64] | None
    inner: Any = None

    def stranger(self, labels: Tensor, places: Sequence[int]) -> int | None:
        """Return the first of the labels read, of items at `places`, that is not the named one."""
        if self.labels is not None:
            named = self.labels[list(places)]
        elif self.inner is not None:
            try:
                read = ((split(self.inner[place], place)[1], place) for place in places)
                named = np.array([whole_label(label, place) for label, place in read])
            except Exception:  # what it gives is no image with a label: others than those read
                return 0
        else:
            return None
        others = np.flatnonzero(labels.numpy() != named)
        return int(others[0]) if len(others) else None


def class_names(data: Any) -> Names | None:
    """Return the names that the data gives its classes, or None.

    They are looked for in ``classes``, in ``class_to_idx``, in the reader of timm's data sets, in
    the features of Hugging Face's; in the data itself, and in what it wraps. Parts that were
    chained must agree. A wrapper may give other labels than what it wraps: names of an inner
    Dataset count for as long as the labels read are its own.
    """
    if isinstance(data, DataLoader):
        return class_names(data.dataset)
    if isinstance(data, Subset):
        inner = class_names(data.dataset)
        if inner is None:
            return None
        numbers = np.asarray(data.indices, dtype=np.int64)
        labels = None if inner.labels is None else inner.labels[numbers]
        inside = inner.inner or (None if type(data) is Subset else data.dataset)
        beneath = None if labels is not None or inside is None else Subset(inside, data.indices)
        return Names(inner.classes, labels, beneath)
    if isinstance(data, ConcatDataset):
        return _chained(data)
    own, inner_data = _own_names(data), getattr(data, "dataset", None)
    if own is not None and (inner_data is None or _holds_names(data)):
        return Names(own, label_hints(data, _length(data)))
    if inner_data is None or inner_data is data:
        return None
    inner = class_names(inner_data)
    if inner is None or _length(inner_data) != _length(data):
        return None
    # An unknown wrapper: its labels are the inner ones, until one that is read says otherwise.
    beneath = None if inner.labels is not None else (inner.inner or inner_data)
    return Names(inner.classes, inner.labels, beneath)


def _chained(data: ConcatDataset[Any]) -> Names | None:
    parts = [class_names(part) for part in data.datasets]
    found = [part for part in parts if part is not None]
    if len(found) < len(parts) or any(part.classes != found[0].classes for part in found):
        return None
    labels = [part.labels for part in found]
    known = [part for part in labels if part is not None]
    whole = np.concatenate(known) if len(known) == len(parts) else None
    read = type(data) is ConcatDataset and all(p.inner is p.labels is None for p in found)
    if whole is not None or read:
        return Names(found[0].classes, whole)
    beneath = [part.inner or dataset for part, dataset in zip(found, data.datasets, strict=True)]
    return Names(found[0].classes, None, ConcatDataset(beneath))


def _holds_names(data: Any) -> bool:
    """Whether names are a Dataset's own, not handed on from what it wraps (by __getattr__)."""
    return any(inspect.getattr_static(data, name, None) is not None for name in HOLDERS)


def _own_names(data: Any) -> tuple[str, ...] | None:
    """Return the names that one Dataset itself holds."""
    numbers = _numbered(getattr(data, "class_to_idx", None))
    numbers = numbers or _numbered(getattr(getattr(data, "reader", None), "class_to_idx", None))
    names = getattr(data, "classes", None)
    if names is not None and _are_names(names):
        # torchvision's ImageNet holds a tuple of synonyms for each class.
        own = tuple(str(n[0]) if isinstance(n, (tuple, list)) and n else str(n) for n in names)
        # Where both are there and differ in order, the numbers are what labels are made of.
        return numbers if numbers is not None and set(numbers) == set(own) else own
    if numbers is not None:
        return numbers
    features = getattr(data, "features", None)
    if isinstance(features, Mapping):
        named = [
            feature.names for key in ("labels", "label")
            if (feature := features.get(key)) is not None and _are_names(_names_of(feature))
        ]  # fmt: skip
        return tuple(str(name) for name in named[0]) if len(named) == 1 else None
    return None


def _names_of(feature: Any) -> Any:
    return getattr(feature, "names", None)


def _are_names(names: Any) -> bool:
    return (
        isinstance(names, Sequence | np.ndarray) and not isinstance(names, str) and len(names) > 0
    )


def _numbered(places: Any) -> tuple[str, ...] | None:
    """Return names in the order of their numbers, where these are 0 to K - 1, each once."""
    if not isinstance(places, Mapping) or not places:
        return None
    try:
        by_number = {int(number): str(name) for name, number in places.items()}
    except (TypeError, ValueError):
        return None
    if len(by_number) != len(places) or set(by_number) != set(range(len(places))):
        return None
    return tuple(by_number[number] for number in range(len(places)))


def label_hints(data: Any, length: int) -> NDArray[np.int64] | None:
    """Return labels known without reading images, or None.

    They serve the order in which images are visited, and tell whose names the classes have. A
    transform may still change a label; the one that comes with the image counts.
    """
    hints: Any = None
    if isinstance(data, DataLoader):
        hints = label_hints(data.dataset, length)
    elif isinstance(data, (tuple, list)) and len(data) == 2 and are_arrays(data):
        hints = data[1]
    elif isinstance(data, Subset):
        inner = label_hints(data.dataset, len(data.dataset))  # type: ignore[arg-type]
        hints = None if inner is None else inner[np.asarray(data.indices, dtype=np.int64)]
    elif isinstance(data, ConcatDataset):
        parts = [label_hints(d, len(d)) for d in data.datasets]  # type: ignore[arg-type]
        hints = None if any(p is None for p in parts) else np.concatenate(parts)  # type: ignore[arg-type]
    elif isinstance(data, TensorDataset):
        hints = data.tensors[-1]
    elif isinstance(data, Dataset) or hasattr(data, "__getitem__"):
        hints = _kept_labels(data, length)
    return _whole(hints, length)


def _kept_labels(data: Any, length: int) -> Any:
    for name in LABELS:
        found = _whole(getattr(data, name, None), length)
        if found is not None:
            return found
    for holder in (data, getattr(data, "reader", None)):
        for name in SAMPLES:
            pairs = getattr(holder, name, None)
            if isinstance(pairs, (list, tuple)) and len(pairs) == length:
                try:
                    return [pair[1] for pair in pairs]
                except (IndexError, KeyError, TypeError):
                    continue
    return None


def _whole(hints: Any, length: int) -> NDArray[np.int64] | None:
    if hints is None or callable(hints):
        return None
    try:
        array = np.asarray(hints)
    except (TypeError, ValueError, RuntimeError):
        return None
    fits = array.shape == (length,) and np.issubdtype(array.dtype, np.integer)
    return array.astype(np.int64) if fits else None


def layers(data: Any) -> Iterator[Any]:
    """Yield the data and what it is made of: a DataLoader's dataset, all that are chained."""
    waiting = [(data, 0)]
    while waiting:
        layer, depth = waiting.pop()
        if layer is None or depth == DEEP:
            continue
        yield layer
        parts = getattr(layer, "datasets", None)
        if isinstance(parts, Mapping):  # StackDataset names its parts
            parts = list(parts.values())
        if not isinstance(parts, (list, tuple)) or not parts:
            parts = [getattr(layer, "dataset", None)]
        waiting += [(part, depth + 1) for part in reversed(parts)]


def are_arrays(pair: Sequence[Any]) -> bool:
    """Tell whether members are tensors or NumPy arrays, as a pair (images, labels) has them."""
    return all(isinstance(x, (Tensor, np.ndarray)) for x in pair)


def _length(data: Any) -> int:
    try:
        return len(data)
    except TypeError:
        return -1
