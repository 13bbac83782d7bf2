"""Pictures as data for a network: prepared as it wants them, labelled by its logits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from carviz.zoo.sources import Source


class LoadedImages(Dataset[tuple[Tensor, int]]):
    """Labelled images from a folder, or from one of torchvision's data sets.

    `carviz.load_data` makes them. They can be pickled; images that are kept in memory travel
    along.

    Attributes
    ----------
    classes : tuple of str
        Class names, one a logit: the network's where it has some, else the data's.
    targets : list of int
        Class of each image: the number of its logit.
    samples : list of (str, int)
        Where each image comes from, as a rule its file, and its class.
    transform : callable
        From a PIL image, RGB, to a tensor.
    skipped : tuple of str
        Files left out because they cannot be read.
    workers : int
        Processes that are to read them where many are read; 0 once they are kept in memory.
    opened : dict or None
        The name or folder, and the limit, that `carviz.load_data` was given.
    """

    def __init__(
        self,
        source: Source,
        numbers: Sequence[int],
        labels: Sequence[int],
        classes: tuple[str, ...],
        transform: Callable[[Any], Tensor],
        workers: int = 0,
    ) -> None:
        self.source = source
        self.numbers = list(numbers)
        self.targets = list(labels)
        self.classes = classes
        self.transform = transform
        self.skipped: tuple[str, ...] = ()
        self.workers = workers
        self.opened: dict[str, Any] | None = None
        self._kept: Tensor | None = None

    @property
    def samples(self) -> list[tuple[str, int]]:
        """Where each image comes from, and its class."""
        places = (self.source.places[number] for number in self.numbers)
        return list(zip(places, self.targets, strict=True))

    @property
    def kept(self) -> bool:
        """Whether the images are kept in memory."""
        return self._kept is not None

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """Return an image as the transform makes it, and its label."""
        label = self.targets[index]
        return (self.decode(index) if self._kept is None else self._kept[index].clone()), label

    def decode(self, index: int) -> Tensor:
        """Read an image from where it comes from, also if it is kept.

        Raises
        ------
        UnreadableError
            If it cannot be decoded.
        ValueError
            If the transform fails on it.
        """
        number = self.numbers[index]
        picture = self.source.picture(number)
        try:
            return self.transform(picture)
        except Exception as error:
            raise ValueError(
                f"The network's transform takes every image; on {self.source.places[number]} it "
                f"failed with {type(error).__name__}: {error}. Set model.transform to one that "
                "takes PIL images, RGB."
            ) from error

    def keep(self, images: Tensor) -> None:
        """Keep decoded images ``(image, channel, height, width)`` in memory."""
        self._kept, self.workers = images, 0

    def leave_out(self, failed: Sequence[int]) -> None:
        """Leave out images that cannot be read."""
        gone = set(failed)
        stay = [index for index in range(len(self)) if index not in gone]
        self.skipped += tuple(self.source.places[self.numbers[index]] for index in sorted(gone))
        self.numbers = [self.numbers[index] for index in stay]
        self.targets = [self.targets[index] for index in stay]
        if self._kept is not None:
            self._kept = self._kept[torch.tensor(stay, dtype=torch.int64)]

    def __repr__(self) -> str:
        there, logits = len(set(self.targets)), len(self.classes)
        among = f"{there}" if there == logits else f"{there} of {logits:,}"
        where = "kept in memory" if self.kept else f"read each time (workers: {self.workers})"
        skipped = f", {len(self.skipped)} unreadable left out" if self.skipped else ""
        return (
            f"<LoadedImages: {len(self):,} images of {among} classes from {self.source.words}, "
            f"{where}{skipped}>"
        )
