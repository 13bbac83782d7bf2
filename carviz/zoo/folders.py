"""Folders of photographs as data: a folder a class, matched to the network's classes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn
from torch.utils.data import Dataset

from carviz.zoo.shapes_and_colors import ShapesAndColors

SYNSETS = Path(__file__).with_name("imagenet_synsets.txt")
"""The WordNet numbers of ILSVRC 2012's 1,000 classes, in the order of the networks' logits."""
SEED = 0


class FolderImages(Dataset[tuple[Tensor, int]]):
    """Images in the ImageFolder layout, a folder a class; read when asked for.

    Attributes
    ----------
    classes : tuple of str
        Class names: the network's where it has some, else the folders'.
    targets : list of int
        Class of each image: the number of its logit.
    samples : list of (path, class)
        Where each image comes from.
    transform : callable
        From a PIL image to a tensor.
    """

    def __init__(
        self,
        samples: list[tuple[str, int]],
        classes: tuple[str, ...],
        transform: Callable[[Any], Tensor],
    ) -> None:
        self.samples = samples
        self.classes = classes
        self.transform = transform
        self.targets = [label for _, label in samples]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        from PIL import Image

        path, label = self.samples[index]
        with Image.open(path) as file:
            return self.transform(file.convert("RGB")), label

    def __repr__(self) -> str:
        return f"<FolderImages: {len(self):,} images, {len(self.classes)} classes>"


def load_data(
    name_or_folder: str | Path, *, model: nn.Module | None = None, limit: int | None = None
) -> Dataset[tuple[Tensor, int]]:
    """Return labelled images by name, or from a folder in the ImageFolder layout.

    Parameters
    ----------
    name_or_folder
        "shapes", the bundled images, or a folder that holds a folder of images for each class.
    model
        The network that will look at them: its ``transform`` prepares the images and its
        ``classes`` give the labels, as `load_model` sets them. Folders named by WordNet numbers
        (n01440764 …) find their class among ImageNet's 1,000, also when only some are there;
        others are matched by name. None: folders are numbered in order, and images are resized
        and cropped to 224 × 224 pixels in [0, 1].
    limit
        Images a class at most, chosen by a fixed seed; None for all.

    Raises
    ------
    FileNotFoundError
        If the folder is not there, or holds no folder with images.
    ValueError
        If classes cannot be matched to the network's, or `limit` is not positive.
    """
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        raise ValueError(f"limit is a whole number of images a class, 1 or more; found {limit!r}.")
    if name_or_folder == "shapes":
        if limit is None:
            return ShapesAndColors()
        from carviz.zoo.shapes_and_colors import CLASSES

        return ShapesAndColors(count=limit * len(CLASSES))
    folder = Path(name_or_folder)
    if not folder.is_dir():
        raise FileNotFoundError(
            f"Data is 'shapes' (bundled) or a folder of images; there is no folder {str(folder)!r}."
        )
    names, samples = _walk(folder)
    labels, classes = _match(names, getattr(model, "classes", None))
    chosen = _limit(samples, limit)
    transform = getattr(model, "transform", None) or _plain_transform(model)
    return FolderImages([(path, labels[number]) for path, number in chosen], classes, transform)


def _walk(folder: Path) -> tuple[list[str], list[tuple[str, int]]]:
    from torchvision.datasets import ImageFolder

    try:
        found = ImageFolder(str(folder), allow_empty=True)
    except FileNotFoundError as error:
        raise FileNotFoundError(_no_images(folder)) from error
    if not found.samples:
        raise FileNotFoundError(_no_images(folder))
    return list(found.classes), [(str(path), int(label)) for path, label in found.samples]


def _no_images(folder: Path) -> str:
    return (
        f"A folder of images holds a folder for each class ({folder}/cat/1.jpg); {str(folder)!r} "
        "holds none with images. Move the images into folders named by class."
    )


def _match(names: list[str], classes: Any) -> tuple[list[int], tuple[str, ...]]:
    """Return the logit of each folder, and the class names, one a logit."""
    if classes is None:
        return list(range(len(names))), tuple(names)
    classes = tuple(str(c) for c in classes)
    synsets = {synset: i for i, synset in enumerate(SYNSETS.read_text().split())}
    if len(classes) == len(synsets) and all(name in synsets for name in names):
        return [synsets[name] for name in names], classes
    plain = {_plain(c): i for i, c in enumerate(classes)}
    unmatched = [name for name in names if _plain(name) not in plain]
    if unmatched:
        raise ValueError(
            "Each folder's name is one of the network's classes "
            f"({', '.join(classes[:3])}, … {len(classes)} in all), or a WordNet number of "
            f"ImageNet's; {len(unmatched)} of {len(names)} are not: {', '.join(unmatched[:3])}. "
            "Rename the folders, or set model.classes to the folders' names in the order of the "
            "network's logits."
        )
    return [plain[_plain(name)] for name in names], classes


def _plain(name: str) -> str:
    return name.casefold().replace("_", " ").replace("-", " ").strip()


def _limit(samples: list[tuple[str, int]], limit: int | None) -> list[tuple[str, int]]:
    if limit is None:
        return samples
    generator = np.random.default_rng(SEED)
    labels = np.array([label for _, label in samples])
    kept = [
        np.sort(generator.permutation(np.flatnonzero(labels == label))[:limit])
        for label in np.unique(labels)
    ]
    return [samples[i] for i in np.concatenate(kept)]


def _plain_transform(model: nn.Module | None) -> Callable[[Any], Tensor]:
    from torchvision import transforms

    steps: list[Any] = [
        transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor(),
    ]  # fmt: skip
    normalize = getattr(model, "normalize", None)
    if isinstance(normalize, tuple):
        steps.append(transforms.Normalize(*normalize))
    composed: Callable[[Any], Tensor] = transforms.Compose(steps)
    return composed
