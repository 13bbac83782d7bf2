"""One view of every kind of data that crosses the front door: numbered images with labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import ConcatDataset, DataLoader, IterableDataset, Subset, TensorDataset

from carviz.evaluate.processes import PIECE, may_start, read_pieces

TWICE = 4
"""Images that are read twice to see whether the data gives the same image again."""
WORTH_WORKERS = 64
"""Images from which on it pays to start the processes that a Dataset asks for."""

KINDS_OF_DATA = (
    "a map-style torch.utils.data.Dataset or DataLoader of (image tensor, integer label), "
    "or a pair of tensors (images, labels)"
)


class Images:
    """Images and integer labels, numbered 0 to M - 1, checked as they are read.

    Parameters
    ----------
    data
        A map-style Dataset or a DataLoader of (image tensor, integer label), or a pair of tensors
        ``(image, channel, height, width)`` and ``(image,)``. Of a DataLoader only dataset,
        collate_fn, batch_size and workers are used: its order and sampler are not. A Dataset that
        has an attribute ``workers``, as those of `carviz.load_data` have, is read by so many
        processes where there are many images to read.

    Raises
    ------
    TypeError
        If `data` is none of these, or images are not floating point, or labels not integers.
    ValueError
        If there are no images, or lengths differ, or reading a few images twice gives others.
    """

    def __init__(self, data: Any) -> None:
        self.source = data
        self._loader: DataLoader[Any] | None = None
        self._pair: tuple[Tensor, Tensor] | None = None
        if isinstance(data, Images):
            self.__dict__.update(data.__dict__)
            return
        if isinstance(data, (tuple, list)) and len(data) == 2 and _are_arrays(data):
            self._pair = _check_pair(torch.as_tensor(data[0]), torch.as_tensor(data[1]))
            self._length = len(self._pair[0])
        else:
            self.dataset = self._find_dataset(data)
            self._length = len(self.dataset)
        if self._length == 0:
            raise ValueError(
                "Measuring needs one image at least; found data without images. "
                "Check the folder or the subset that the data was made from."
            )
        self.hints = label_hints(data, self._length)
        self.classes = class_names(data)
        if self._pair is None:
            self._refuse_random()

    def _find_dataset(self, data: Any) -> Any:
        dataset = data.dataset if isinstance(data, DataLoader) else data
        if isinstance(data, DataLoader):
            self._loader = data
        map_style = hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__")
        if isinstance(dataset, (IterableDataset, str, bytes, dict, Tensor)) or not map_style:
            raise TypeError(
                f"data is {KINDS_OF_DATA}; found {type(dataset).__name__}. "
                "A folder of images becomes one with carviz.load_data(folder)."
            )
        return dataset

    def __len__(self) -> int:
        return self._length

    def read(self, numbers: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Return images ``(image, channel, height, width)`` and labels ``(image,)`` by number."""
        return next(self.batches([numbers]))

    def batches(self, chunks: Sequence[Sequence[int]]) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the images and labels of each chunk of numbers, in the chunks' order."""
        if self._pair is not None:
            for chunk in chunks:
                rows = torch.as_tensor(np.asarray(chunk, dtype=np.int64))
                images, labels = self._pair[0][rows], self._pair[1][rows]
                yield _check_batch(images, labels, chunk)
        elif self._loader is not None and self._loader.num_workers > 0:
            yield from self._from_workers(chunks)
        elif (workers := self._workers(chunks)) > 0:
            yield from self._from_processes(chunks, workers)
        else:
            for chunk in chunks:
                yield _check_batch(*self._piece(chunk), chunk)

    def in_batches(self, size: int) -> Iterator[tuple[range, Tensor, Tensor]]:
        """Yield all images once, in the data's own order: their numbers, the images, the labels."""
        chunks = [range(i, min(i + size, len(self))) for i in range(0, len(self), size)]
        for chunk, (images, labels) in zip(chunks, self.batches(chunks), strict=True):
            yield chunk, images, labels

    def _from_workers(self, chunks: Sequence[Sequence[int]]) -> Iterator[tuple[Tensor, Tensor]]:
        """Read with the DataLoader's own workers: several of its batches make one chunk."""
        assert self._loader is not None
        step = self._loader.batch_size or 32
        pieces = [list(c[i : i + step]) for c in chunks for i in range(0, len(c), step)]
        loader = DataLoader(
            self.dataset,
            batch_sampler=pieces,
            collate_fn=self._loader.collate_fn,
            num_workers=self._loader.num_workers,
            multiprocessing_context=self._loader.multiprocessing_context,
            worker_init_fn=self._loader.worker_init_fn,
        )
        stream = iter(loader)
        for chunk in chunks:
            count = -(-len(chunk) // step)
            parts = [
                _check_batch(*_as_pair(next(stream)), chunk[i * step : (i + 1) * step])
                for i in range(count)
            ]
            yield torch.cat([p[0] for p in parts]), torch.cat([p[1] for p in parts])

    def _workers(self, chunks: Sequence[Sequence[int]]) -> int:
        """Return how many processes the Dataset asks for; 0 where it does not, or few are read."""
        small = sum(len(chunk) for chunk in chunks) < WORTH_WORKERS
        if self._loader is not None or small or not may_start():
            return 0
        asked = (getattr(layer, "workers", None) for layer in _layers(self.dataset))
        return next((count for count in asked if isinstance(count, int)), 0)

    def _from_processes(
        self, chunks: Sequence[Sequence[int]], workers: int
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Read with processes of our own, each a piece of a chunk at a time, as in this one."""
        cut = [[c[i : i + PIECE] for i in range(0, len(c), PIECE)] for c in chunks]
        flat = [piece for pieces in cut for piece in pieces]
        with closing(read_pieces(self._piece, flat, workers)) as stream:
            for pieces in cut:
                parts = [_check_batch(*next(stream), piece) for piece in pieces]
                yield torch.cat([p[0] for p in parts]), torch.cat([p[1] for p in parts])

    def _piece(self, numbers: Sequence[int]) -> tuple[Any, Any]:
        return self._collate([self._item(i) for i in numbers], numbers)

    def _item(self, number: int) -> Any:
        try:
            return self.dataset[number]
        except Exception as error:
            raise ValueError(
                f"Every image must be readable; image {number}{self._file(number)} is not: "
                f"{type(error).__name__}: {error}. Repair or remove it, or leave it out: "
                'carviz.load_data(…, unreadable="skip"), or torch.utils.data.Subset.'
            ) from error

    def _file(self, number: int) -> str:
        samples = getattr(self.dataset, "samples", None)
        try:
            return f" ({samples[number][0]})" if samples is not None else ""
        except (IndexError, KeyError, TypeError):
            return ""

    def _collate(self, items: list[Any], numbers: Sequence[int]) -> tuple[Any, Any]:
        collate: Callable[[list[Any]], Any] = _stack
        if self._loader is not None and self._loader.collate_fn is not None:
            from torch.utils.data import default_collate

            if self._loader.collate_fn is not default_collate:
                return _as_pair(self._loader.collate_fn(items))
        for number, item in zip(numbers, items, strict=True):
            _check_item(item, items[0], number, numbers[0])
        return _as_pair(collate(items))

    def _refuse_random(self) -> None:
        numbers = np.unique(np.linspace(0, len(self) - 1, TWICE).astype(int)).tolist()
        first, again = self._piece(numbers), self._piece(numbers)
        _check_batch(*first, numbers)
        if not torch.equal(first[0], again[0]):
            raise ValueError(
                "Every reading of an image must give the same image, or CAR compares different "
                f"images; reading images {numbers} twice gave others. "
                "Take random augmentation out of the transform."
            )


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


def class_names(data: Any) -> tuple[str, ...] | None:
    """Return the names that the data gives its classes (``data.classes``), or None."""
    for source in _layers(data):
        names = getattr(source, "classes", None)
        if names is not None and not callable(names):
            # torchvision's ImageNet holds a tuple of synonyms for each class.
            return tuple(n[0] if isinstance(n, tuple) else str(n) for n in names)
    return None


def label_hints(data: Any, length: int) -> NDArray[np.int64] | None:
    """Return labels known without reading images, or None. They serve the order only.

    A transform may still change a label; the one that comes with the image counts.
    """
    hints: Any = None
    if isinstance(data, DataLoader):
        hints = label_hints(data.dataset, length)
    elif isinstance(data, (tuple, list)) and len(data) == 2 and _are_arrays(data):
        hints = data[1]
    elif isinstance(data, Subset):
        inner = label_hints(data.dataset, len(data.dataset))  # type: ignore[arg-type]
        hints = None if inner is None else inner[np.asarray(data.indices, dtype=np.int64)]
    elif isinstance(data, ConcatDataset):
        parts = [label_hints(d, len(d)) for d in data.datasets]  # type: ignore[arg-type]
        hints = None if any(p is None for p in parts) else np.concatenate(parts)  # type: ignore[arg-type]
    elif isinstance(data, TensorDataset):
        hints = data.tensors[-1]
    else:
        hints = getattr(data, "targets", None)
    try:
        array = np.asarray(hints)
    except (TypeError, ValueError, RuntimeError):
        return None
    fits = array.shape == (length,) and np.issubdtype(array.dtype, np.integer)
    return array.astype(np.int64) if fits else None


def _layers(data: Any) -> Iterator[Any]:
    """Yield the data and what it wraps: a DataLoader's dataset, a Subset's dataset."""
    seen = 0
    while data is not None and seen < 10:
        yield data
        datasets = getattr(data, "datasets", None)
        data = datasets[0] if datasets else getattr(data, "dataset", None)
        seen += 1


def _are_arrays(pair: Sequence[Any]) -> bool:
    return all(isinstance(x, (Tensor, np.ndarray)) for x in pair)


def _check_pair(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    if len(images) != len(labels):
        raise ValueError(
            f"Each image has one label; found {len(images)} images and {len(labels)} labels."
        )
    if len(images):
        _check_kinds(images, labels)
    return images.detach(), labels.detach()


def _check_item(item: Any, first: Any, number: int, first_number: int) -> None:
    if not (isinstance(item, (tuple, list)) and len(item) == 2):
        raise TypeError(
            f"Each item of the data is (image tensor, integer label); "
            f"item {number} is {type(item).__name__}."
        )
    image, label = item
    if not isinstance(image, Tensor):
        raise TypeError(
            f"Images are tensors (channel, height, width); image {number} is a "
            f"{type(image).__name__}. Give the dataset a transform that ends in a float tensor, "
            "e.g. torchvision.transforms.ToTensor()."
        )
    if isinstance(label, (bool, float)) or not isinstance(label, (int, np.integer, Tensor)):
        raise TypeError(f"Labels are integers, the class's number; image {number} has {label!r}.")
    if image.shape != first[0].shape:
        raise ValueError(
            f"Images must have one size; image {number} is {tuple(image.shape)}, image "
            f"{first_number} is {tuple(first[0].shape)}. Add Resize and CenterCrop to the "
            "transform."
        )


def _stack(items: list[Any]) -> tuple[Tensor, Tensor]:
    images = torch.stack([image for image, _ in items])
    return images, torch.as_tensor([int(label) for _, label in items], dtype=torch.int64)


def _as_pair(batch: Any) -> tuple[Tensor, Tensor]:
    if not (isinstance(batch, (tuple, list)) and len(batch) == 2):
        raise TypeError(
            "collate_fn gives a pair (images, labels); "
            f"found {type(batch).__name__} of {len(batch) if hasattr(batch, '__len__') else '?'}."
        )
    return torch.as_tensor(batch[0]), torch.as_tensor(batch[1])


def _check_kinds(images: Tensor, labels: Tensor) -> None:
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
    if labels.is_floating_point() or labels.dtype == torch.bool or labels.ndim != 1:
        raise TypeError(
            "Labels are integers (image,), the class's number; found "
            f"{labels.dtype} of shape {tuple(labels.shape)}."
        )


def _check_batch(images: Tensor, labels: Tensor, numbers: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Refuse what would measure nonsense, naming the first image at fault."""
    _check_kinds(images, labels)
    if not len(images) == len(labels) == len(numbers):
        raise ValueError(
            f"Each image has one label; found {len(images)} images and {len(labels)} labels for "
            f"{len(numbers)} items."
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
    return images, labels.to(torch.int64)
