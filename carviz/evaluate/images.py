"""One view of every kind of data that crosses the front door: numbered images with labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, default_collate
from torch.utils.data._utils.collate import default_convert

from carviz.evaluate.batch_checks import check_batch, check_pair
from carviz.evaluate.class_names import Names, are_arrays, class_names, label_hints, layers
from carviz.evaluate.items import check_image, check_size, split
from carviz.evaluate.processes import PIECE, may_start, read_pieces
from carviz.evaluate.repeated_readings import TWICE, random_step, readings_of
from carviz.evaluate.samplers import loader_size, sampled_numbers
from carviz.evaluate.targets import CLASS_TARGETS, ClassTargets

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
        ``(image, channel, height, width)`` and ``(image,)``. Of a DataLoader those images are
        measured that its sampler gives, in the order of its Dataset, numbered as
        ``torch.utils.data.Subset(dataset, sorted(numbers))`` would; collate_fn, batch_size and
        workers are used. A Dataset that has an attribute ``workers``, as those of
        `carviz.load_data` have, is read by so many processes where there are many images to read.
    targets
        In what form the data says what is true of an image: an integer label, unless told.

    Attributes
    ----------
    classes : tuple of str or None
        The names that the data gives its classes, one a label.
    hints : numpy.ndarray or None
        ``(image,)`` labels that are known without reading images; they serve the order only.

    Raises
    ------
    TypeError
        If `data` is none of these, or images are not floating point, or labels no numbers.
    ValueError
        If there are no images, or lengths differ, or a label is no whole number, or a sampler
        gives no fixed set, or the transform is random, or reading a few images twice gives others.
    """

    def __init__(self, data: Any, targets: ClassTargets = CLASS_TARGETS) -> None:
        self.source, self.targets = data, targets
        self._loader: DataLoader[Any] | None = data if isinstance(data, DataLoader) else None
        self._pair: tuple[Tensor, Tensor] | None = None
        self._places: NDArray[np.int64] | None = None
        self._names: Names | None = None
        self._size: torch.Size | None = None
        self.classes: tuple[str, ...] | None = None
        if isinstance(data, Images):
            self.__dict__.update(data.__dict__)
            return
        if isinstance(data, (tuple, list)) and len(data) == 2 and are_arrays(data):
            self._pair = check_pair(data[0], data[1], targets)
            self._length = len(self._pair[0])
        else:
            self.dataset = self._find_dataset(data)
            if self._loader is not None and len(self.dataset) > 0:
                self._places = sampled_numbers(self._loader)
            self._length = len(self.dataset) if self._places is None else len(self._places)
        if self._length == 0:
            raise ValueError(
                "Measuring needs one image at least; found data without images. "
                "Check the folder, the subset or the sampler that the data was made from."
            )
        whole = len(self.dataset) if self._pair is None else self._length
        hints = label_hints(data, whole)
        if self._pair is not None:
            hints = np.asarray(self._pair[1])
        hints = hints if targets.hinted else None
        self.hints = hints if hints is None or self._places is None else hints[self._places]
        if self._pair is None:
            self._refuse_random()
            self._find_names(data)

    def _find_dataset(self, data: Any) -> Any:
        dataset = data.dataset if isinstance(data, DataLoader) else data
        map_style = hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__")
        if isinstance(dataset, (IterableDataset, str, bytes, dict, Tensor)) or not map_style:
            raise TypeError(
                f"data is {KINDS_OF_DATA}; found {type(dataset).__name__}. "
                "A folder of images becomes one with carviz.load_data(folder)."
            )
        return dataset

    def __len__(self) -> int:
        return self._length

    @property
    def in_memory(self) -> bool:
        """Whether images are views of one tensor that holds them all: nobody need keep copies."""
        if self._pair is not None:
            return True
        if self._custom_collate is not None or (self._loader and self._loader.num_workers > 0):
            return False
        image = split(self._item(0), 0)[0]
        if not isinstance(image, Tensor):
            return False
        return image.untyped_storage().nbytes() >= len(self) * image.nbytes

    def read(self, numbers: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Return images ``(image, channel, height, width)`` and labels ``(image,)`` by number."""
        return next(self.batches([numbers]))

    def batches(self, chunks: Sequence[Sequence[int]]) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the images and labels of each chunk of numbers, in the chunks' order."""
        if self._pair is not None:
            for chunk in chunks:
                rows = torch.as_tensor(np.asarray(chunk, dtype=np.int64))
                images, labels = self._pair[0][rows], self._pair[1][rows]
                yield self._checked(images, labels, chunk)
        else:
            for chunk, (images, labels) in zip(chunks, self._read(chunks), strict=True):
                self._check_names(labels, chunk)
                yield images, labels

    def _read(self, chunks: Sequence[Sequence[int]]) -> Iterator[tuple[Tensor, Tensor]]:
        if self._loader is not None and self._loader.num_workers > 0:
            yield from self._from_workers(chunks, self._loader.num_workers)
        elif (workers := self._workers(chunks)) > 0:
            yield from self._from_processes(chunks, workers)
        else:
            for chunk in chunks:
                yield self._checked(*self._piece(chunk), chunk)

    def in_batches(self, size: int) -> Iterator[tuple[range, Tensor, Tensor]]:
        """Yield all images once, in the data's own order: their numbers, the images, the labels."""
        chunks = [range(i, min(i + size, len(self))) for i in range(0, len(self), size)]
        for chunk, (images, labels) in zip(chunks, self.batches(chunks), strict=True):
            yield chunk, images, labels

    def _from_workers(
        self, chunks: Sequence[Sequence[int]], workers: int
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Read with the DataLoader's own workers: several of its batches make one chunk."""
        assert self._loader is not None
        step = loader_size(self._loader)
        pieces = [list(c[i : i + step]) for c in chunks for i in range(0, len(c), step)]
        loader = DataLoader(
            self.dataset,
            batch_sampler=[self._at(piece) for piece in pieces],
            collate_fn=partial(
                _stack_or_leave,
                targets=self.targets if self.targets.travels else None,
                each=self._each,
            )
            if self._custom_collate is None
            else partial(_collate_whole, self._custom_collate),
            num_workers=workers,
            multiprocessing_context=self._loader.multiprocessing_context,
            worker_init_fn=self._loader.worker_init_fn,
            generator=torch.Generator(),  # torch's own state stays as it is
        )
        stream = iter(loader)
        for chunk in chunks:
            count = -(-len(chunk) // step)
            parts = []
            for i in range(count):
                numbers = chunk[i * step : (i + 1) * step]
                parts.append(
                    self._checked(*self._collated(self._next(stream, numbers), numbers), numbers)
                )
            yield torch.cat([p[0] for p in parts]), torch.cat([p[1] for p in parts])

    def _next(self, stream: Iterator[Any], numbers: Sequence[int]) -> Any:
        """Return a worker's batch; where it fails, say which image it is that cannot be read."""
        try:
            return next(stream)
        except Exception:
            if not self._opens_in_workers:
                for number in numbers:
                    self._item(number)
            raise

    @property
    def _opens_in_workers(self) -> bool:
        """Whether a DataLoader's workers make the Dataset ready; it may be read there only."""
        loader = self._loader
        return loader is not None and loader.num_workers > 0 and loader.worker_init_fn is not None

    def _checked(
        self, images: Tensor, labels: Tensor, numbers: Sequence[int]
    ) -> tuple[Tensor, Tensor]:
        with torch._C.DisableTorchFunctionSubclass():  # MONAI's tensors check what is cut from them
            images, labels = images.as_subclass(Tensor), labels.as_subclass(Tensor)
        check_batch(images, labels, numbers)
        self.targets.check(labels, numbers)
        if self._size is None:
            self._size = images.shape[1:]
        if images.shape[1:] != self._size:
            raise ValueError(
                f"Images must have one size; image {numbers[0]} is {tuple(images.shape[1:])}, "
                f"those before are {tuple(self._size)}. Add Resize and CenterCrop to the "
                "transform; padding belongs there as well, not into collate_fn."
            )
        return images, labels

    def _workers(self, chunks: Sequence[Sequence[int]]) -> int:
        """Return how many processes the Dataset asks for; 0 where it does not, or few are read."""
        small = sum(len(chunk) for chunk in chunks) < WORTH_WORKERS
        if self._loader is not None or small or not (self.targets.travels and may_start()):
            return 0
        asked = (getattr(layer, "workers", None) for layer in layers(self.dataset))
        return next((count for count in asked if isinstance(count, int)), 0)

    def _from_processes(
        self, chunks: Sequence[Sequence[int]], workers: int
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Read with processes of our own, each a piece of a chunk at a time, as in this one."""
        cut = [[c[i : i + PIECE] for i in range(0, len(c), PIECE)] for c in chunks]
        flat = [piece for pieces in cut for piece in pieces]
        with closing(read_pieces(self._piece, flat, workers)) as stream:
            for pieces in cut:
                parts = [self._checked(*next(stream), piece) for piece in pieces]
                yield torch.cat([p[0] for p in parts]), torch.cat([p[1] for p in parts])

    @property
    def _custom_collate(self) -> Callable[[list[Any]], Any] | None:
        """A DataLoader's collate_fn for a batch, where it is one of the user's own."""
        return None if self._loader is None or self._loader.batch_sampler is None else self._own()

    @property
    def _each(self) -> Callable[[Any], Any] | None:
        """The same for an item, of a DataLoader that makes no batches (batch_size=None)."""
        alone = self._loader is not None and self._loader.batch_sampler is None
        return self._own() if alone else None

    def _own(self) -> Callable[[Any], Any] | None:
        collate = None if self._loader is None else self._loader.collate_fn
        return None if collate in (None, default_collate, default_convert) else collate

    def _place(self, number: int) -> int:
        """Return an image's number in the Dataset."""
        return int(number) if self._places is None else int(self._places[number])

    def _piece(self, numbers: Sequence[int]) -> tuple[Tensor, Tensor]:
        items = [self._item(number) for number in numbers]
        collate = self._custom_collate
        return self._collated(items if collate is None else collate(items), numbers)

    def _collated(self, batch: Any, numbers: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Return images and labels of what a collate_fn gave, or of a list of items."""
        if self._custom_collate is not None:
            images, labels = split(batch)
            images = self.targets.stacked_images(images, numbers)
            if not isinstance(images, (Tensor, np.ndarray)):
                raise TypeError(
                    "collate_fn gives images as one tensor (image, channel, height, width); found "
                    f"{type(images).__name__}."
                )
            return torch.as_tensor(images), self.targets.many(labels, numbers)
        if isinstance(batch, tuple):  # a worker has done it
            return batch
        pairs = [split(item, number) for item, number in zip(batch, numbers, strict=True)]
        for (image, _), number in zip(pairs, numbers, strict=True):
            check_image(image, number)
            check_size(image, pairs[0][0], number, numbers[0])
        labels = [self.targets.one(label, n) for (_, label), n in zip(pairs, numbers, strict=True)]
        return torch.stack([image for image, _ in pairs]), self.targets.stacked(labels, numbers)

    def _item(self, number: int) -> Any:
        try:
            item = self.dataset[self._place(number)]
            if item is None:
                raise ValueError("the Dataset gives None for it")
            return item if self._each is None else self._each(item)
        except Exception as error:
            raise ValueError(
                f"Every image must be readable; image {number}{self._file(number)} is not: "
                f"{type(error).__name__}: {error}. Repair or remove it, or leave it out: "
                'carviz.load_data(…, unreadable="skip"), or torch.utils.data.Subset.'
            ) from error

    def _file(self, number: int) -> str:
        samples = getattr(self.dataset, "samples", None)
        try:
            return f" ({samples[self._place(number)][0]})" if samples is not None else ""
        except (IndexError, KeyError, TypeError):
            return ""

    def _at(self, numbers: Sequence[int]) -> list[int]:
        return [self._place(number) for number in numbers]

    def _tried(self) -> list[int]:
        """Return the numbers of images that are read before all others."""
        return sorted({int(number) for number in np.linspace(0, len(self) - 1, TWICE)})

    def _refuse_random(self) -> None:
        way_out = "Take random augmentation out of the transform (CenterCrop for RandomCrop, …)."
        rule = (
            "Every reading of an image must give the same image, or CAR compares different images"
        )
        if step := random_step(self.source):
            raise ValueError(f"{rule}; found {step} in the data's transform. {way_out}")
        numbers = self._tried()
        times = readings_of(len(numbers))
        alone = [] if self._custom_collate is None else [[number] for number in numbers]
        readings = self._trial([numbers] * times + alone)
        images, labels = next(readings)
        for again, others in islice(readings, times - 1):
            if not torch.equal(again, images):
                raise ValueError(f"{rule}; reading {_told(numbers)} twice gave others. {way_out}")
            if not torch.equal(others, labels):
                raise ValueError(
                    f"Every reading of an image must give the same label; reading {_told(numbers)} "
                    "twice gave others."
                )
        for place, (image, label) in enumerate(readings):
            same = torch.allclose(image[0], images[place], rtol=1e-4, atol=1e-5)
            if not (same and torch.equal(label[0], labels[place])):
                raise ValueError(
                    "collate_fn must give each image in its place, and the same whatever is read "
                    f"with it; image {numbers[place]} alone becomes another than among "
                    f"{_told(numbers)}. Let the Dataset do what collate_fn does (sorting, filling "
                    "up, padding, normalising), or leave collate_fn out."
                )
        self._first_labels = labels

    def _trial(self, chunks: Sequence[Sequence[int]]) -> Iterator[tuple[Tensor, Tensor]]:
        if self._opens_in_workers:
            # By one: what is random may be the same in each, if they are made ready alike.
            yield from self._from_workers(chunks, 1)
        else:
            for chunk in chunks:
                yield self._checked(*self._piece(chunk), chunk)

    def _find_names(self, data: Any) -> None:
        """Take the names that the data has, if the labels of the tried images are theirs."""
        names, numbers = class_names(data), self._tried()
        if names is not None and names.stranger(self._first_labels, self._at(numbers)) is None:
            self._names, self.classes = names, names.classes

    def _check_names(self, labels: Tensor, numbers: Sequence[int]) -> None:
        """Refuse labels to which the names of the classes do not belong."""
        if self._names is None:
            return
        if (place := self._names.stranger(labels, self._at(numbers))) is not None:
            raise ValueError(
                "The names of classes belong to the labels of the Dataset that holds them; image "
                f"{numbers[place]} comes with label {int(labels[place])}, and has another one "
                "there. Give the data that changes labels an attribute classes of its own, a name "
                "for each label."
            )


Data = Dataset[Any] | DataLoader[Any] | Sequence[Any] | Images
"""Images with labels: a map-style Dataset, a DataLoader, or a pair of tensors (images, labels)."""


def _collate_whole(collate: Callable[[list[Any]], Any], items: list[Any]) -> Any:
    """Collate in a worker; a collate_fn may leave None out, or put another image in its place."""
    if any(item is None for item in items):
        raise ValueError("the Dataset gives None for an image")
    return collate(items)


def _stack_or_leave(
    items: list[Any], targets: ClassTargets | None, each: Callable[[Any], Any] | None = None
) -> Any:
    """Stack items in a worker; where that is not plain, leave it to where numbers are known."""
    items = items if each is None else [each(item) for item in items]
    if targets is None:
        return items
    try:
        pairs = [split(item, 0) for item in items]
        images = torch.stack([image for image, _ in pairs])
        labels = targets.stacked([targets.one(label, 0) for _, label in pairs], range(len(pairs)))
    except (TypeError, ValueError, RuntimeError):
        return items
    return (images, labels) if images.ndim == 4 else items


def _told(numbers: Sequence[int]) -> str:
    some = ", ".join(str(number) for number in numbers[:8])
    more = f", … ({len(numbers)} of them)" if len(numbers) > 8 else ""
    return f"images {some}{more}"
