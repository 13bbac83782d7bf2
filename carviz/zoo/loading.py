"""Labelled images in one call: by name, or from a folder."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn
from torch.utils.data import Dataset

from carviz.evaluate import Progress
from carviz.zoo.datasets import DATASETS, find_name, near_names, open_dataset
from carviz.zoo.folders import open_folder
from carviz.zoo.loaded import LoadedImages
from carviz.zoo.matching import Mapped, match_classes
from carviz.zoo.reading import Unreadable, read_images
from carviz.zoo.shapes_and_colors import CLASSES, ShapesAndColors
from carviz.zoo.sources import Source

BUNDLED = "shapes"
"""The name of the images that carviz draws."""
MOST_WORKERS = 8
"""Processes that read images, at most where nobody says how many."""
SEED = 0
"""Of the draw that `limit` makes."""


def load_data(
    name_or_folder: str | Path,
    *,
    model: nn.Module | None = None,
    limit: int | None = None,
    root: str | Path | None = None,
    download: bool = False,
    classes: Mapped | None = None,
    unreadable: Unreadable = "raise",
    memory: int | None = None,
    workers: int | None = None,
    progress: Progress = True,
) -> Dataset[tuple[Tensor, int]]:
    """Return labelled images by name, or from a folder with a folder of images for each class.

    Images are decoded once and kept as tensors where all of them fit into `memory`; else they are
    read each time, by `workers` processes. They are the same bit by bit either way. Grey, CMYK
    and palette pictures become RGB; orientations noted in EXIF data are not followed.

    Parameters
    ----------
    name_or_folder
        "shapes", the bundled images; the name of one of torchvision's data sets, e.g. "CIFAR10"
        or "Imagenette", of which the part held out from training is read; or a folder that holds
        a folder for each class, or the parts of a data set (``val`` is preferred to ``train``). A
        folder that is called like a data set is given as a path: "./CIFAR10".
    model
        The network that will look at them: its ``transform`` prepares the images, and its
        ``classes`` and ``synsets`` give the labels, as `load_model` sets them. Classes named by
        WordNet numbers (n01440764 …) find their logit also when only some are there; others are
        matched by name, where case, _ and - do not count. A network from a file, whose logits
        have no names, takes as many classes as it has logits, in order. None: classes are
        numbered in order. Without a transform, images are resized and cropped to 224 × 224
        pixels in [0, 1], and those of data sets of small images (CIFAR10, MNIST) keep their size.
    limit
        Images a class at most, drawn by a fixed seed; None for all. What is drawn of a class
        depends on its name and its files only, not on which other classes there are, and a larger
        limit holds what a smaller one does.
    root
        Where torchvision's data sets are, as its own ``root``; None for the folder ``datasets``
        in torch's cache (``torch.hub.get_dir()``).
    download
        Whether torchvision may download a data set that is missing.
    classes
        What class of the network each class of the data is, where names do not tell, e.g.
        ``{"cat": "tabby", "dog": 207, "other": None}``: a name, a logit's number, or None to
        leave it out. It counts before any other match; ``"*"`` means all that fit nothing.
    unreadable
        "raise" if files that cannot be decoded are an error, "skip" to leave them out with a
        warning: ``skipped`` of the result names them.
    memory
        Bytes that kept images may take; None for a quarter of what is free, and 2 GiB at most. 0
        keeps none.
    workers
        Processes that read images which are not kept; 0 for none, None for one less than there
        are cores, 8 at most (on Linux; elsewhere none, since starting them takes long).
    progress
        True for a progress bar while images are decoded; a function to be told the share done, 0
        to 1 (what it raises ends the loading); False for silence.

    Returns
    -------
    LoadedImages or ShapesAndColors

    Raises
    ------
    TypeError
        If an argument is of the wrong kind.
    FileNotFoundError
        If the folder is not there or holds no images, or a data set is not there or cannot be
        downloaded.
    ValueError
        If a class cannot be matched to the network's, if images cannot be read, or if an argument
        has a value that it cannot have. The message says the way out.

    Warns
    -----
    UserWarning
        If a folder holds files that are no images by their names, and of files that `unreadable`
        leaves out.

    Notes
    -----
    Pictures become RGB of 8 bits as torchvision's ImageFolder makes them, with two exceptions:
    grey pictures of 16 bits and of floating-point numbers (0 to 1) keep their range, where
    ImageFolder shows all of them white or black; and .gif files count, by their first frame.

    Examples
    --------
    >>> data = load_data("shapes", limit=1)
    >>> image, label = data[0]
    >>> len(data), tuple(image.shape), data.classes[label]
    (16, (3, 64, 64), 'crescent')
    """
    _check(name_or_folder, limit, unreadable, memory, workers)
    if name_or_folder == BUNDLED:
        return _drawn(limit, classes)
    source = _open(name_or_folder, root, download)
    labels, names = match_classes(source.classes, model, classes, filled=set(source.labels))
    numbers = [n for n in _draw(source, limit) if labels[source.labels[n]] is not None]
    if not numbers:
        raise ValueError(
            f"One class at least stays; classes={dict(classes or {})!r} leaves out all of "
            f"{source.words}. Map one to a class of the network."
        )
    images = LoadedImages(
        source,
        numbers,
        [label for n in numbers if (label := labels[source.labels[n]]) is not None],
        names,
        _transform(model, source.alike),
        _count_workers() if workers is None else workers,
    )
    images.opened = {"data": str(name_or_folder), "limit": limit}
    read_images(images, memory, unreadable, progress)
    if source.others:
        kinds = ", ".join(f"{kind}: {count:,}" for kind, count in source.others.items())
        warnings.warn(
            f"Left out: files in {source.words} that are no images by their names ({kinds}).",
            UserWarning,
            stacklevel=2,
        )
    return images


def _open(name_or_folder: str | Path, root: str | Path | None, download: bool) -> Source:
    """Return what a name or a folder means. An exact name counts before a folder called so."""
    folder = Path(name_or_folder).expanduser()
    if isinstance(name_or_folder, str):
        name = find_name(name_or_folder)
        if name is not None and (name == name_or_folder or not folder.is_dir()):
            return open_dataset(name, root, download)
    if folder.is_dir():
        return open_folder(folder)
    near = near_names(str(name_or_folder)) or list(DATASETS)[:3]
    raise FileNotFoundError(
        f"Data is {BUNDLED!r} (bundled), one of torchvision's data sets, or a folder of images; "
        f"there is no folder {str(folder)!r}. Nearest data sets: {', '.join(near)}."
    )


def _drawn(limit: int | None, classes: Mapped | None) -> ShapesAndColors:
    if classes is not None:
        raise ValueError(
            f"classes maps what a folder or a data set names its classes; the images of "
            f"{BUNDLED!r} are those of the network {BUNDLED!r} already. Leave classes out."
        )
    all_of_them = ShapesAndColors() if limit is None else None
    images = all_of_them or ShapesAndColors(count=(limit or 0) * len(CLASSES))
    images.opened = {"data": BUNDLED, "limit": limit}
    return images


def _draw(source: Source, limit: int | None) -> Sequence[int]:
    """Return the numbers of the pictures that a limit leaves."""
    if limit is None:
        return range(len(source.labels))
    labels = np.array(source.labels)
    kept = []
    for label in np.unique(labels):
        # A class's name seeds its draw, so that it does not depend on the other classes.
        name = source.classes[label].name.encode(errors="surrogatepass")
        generator = np.random.default_rng([SEED, *name])
        kept.append(np.sort(generator.permutation(np.flatnonzero(labels == label))[:limit]))
    return [int(number) for number in np.concatenate(kept)]


def _transform(model: nn.Module | None, alike: bool) -> Callable[[Any], Tensor]:
    """Return the network's own transform, or a plain one; `alike` leaves pictures their size."""
    own: Callable[[Any], Tensor] | None = getattr(model, "transform", None)
    if callable(own):
        return own
    from torchvision import transforms

    steps: list[Any] = [] if alike else [transforms.Resize(256), transforms.CenterCrop(224)]
    if _reads_grey(model):
        steps.append(transforms.Grayscale())
    steps.append(transforms.ToTensor())
    normalize = getattr(model, "normalize", None)
    if isinstance(normalize, tuple):
        steps.append(transforms.Normalize(*normalize))
    composed: Callable[[Any], Tensor] = transforms.Compose(steps)
    return composed


def _reads_grey(model: nn.Module | None) -> bool:
    modules = () if model is None else model.modules()
    first = next((module for module in modules if isinstance(module, nn.Conv2d)), None)
    return first is not None and first.in_channels == 1


def _count_workers() -> int:
    if sys.platform != "linux":
        return 0
    return min(MOST_WORKERS, len(os.sched_getaffinity(0)) - 1)


def _check(name_or_folder: Any, limit: Any, unreadable: Any, memory: Any, workers: Any) -> None:
    if not isinstance(name_or_folder, (str, os.PathLike)):
        raise TypeError(
            f"Data is loaded by name or from a folder; found {type(name_or_folder).__name__}."
        )
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        raise ValueError(f"limit is a whole number of images a class, 1 or more; found {limit!r}.")
    if unreadable not in ("raise", "skip"):
        raise ValueError(f"unreadable is 'raise' or 'skip'; found {unreadable!r}.")
    for name, value, what in (("memory", memory, "bytes"), ("workers", workers, "processes")):
        whole = isinstance(value, int) and not isinstance(value, bool) and value >= 0
        if value is not None and not whole:
            raise ValueError(f"{name} is a whole number of {what}, or None; found {value!r}.")
