"""torchvision's data sets by name: the pictures that each keeps back from training."""

from __future__ import annotations

import difflib
import http.client
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

from carviz.zoo.sources import NamedClass, Source

_TEST, _VAL, _NOT_TRAIN = {"split": "test"}, {"split": "val"}, {"train": False}

DATASETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "CIFAR10": _NOT_TRAIN,
        "CIFAR100": _NOT_TRAIN,
        "Caltech101": {},
        "Caltech256": {},
        "Country211": _TEST,
        "DTD": _TEST,
        "EMNIST": {"split": "balanced", "train": False},
        "EuroSAT": {},
        "FGVCAircraft": _TEST,
        "FashionMNIST": _NOT_TRAIN,
        "Flowers102": _TEST,
        "Food101": _TEST,
        "GTSRB": _TEST,
        "ImageNet": _VAL,
        "Imagenette": _VAL,
        "KMNIST": _NOT_TRAIN,
        "MNIST": _NOT_TRAIN,
        "OxfordIIITPet": _TEST,
        "Places365": {"split": "val", "small": True},
        "QMNIST": _NOT_TRAIN,
        "RenderedSST2": _TEST,
        "SEMEION": {},
        "STL10": _TEST,
        "SUN397": {},
        "SVHN": _TEST,
        "StanfordCars": _TEST,
        "USPS": _NOT_TRAIN,
    }
)
"""How each data set is asked for the pictures that it keeps back; all of them where it does not."""

ALIKE = frozenset(
    {
        *("CIFAR10", "CIFAR100", "EMNIST", "EuroSAT", "FashionMNIST", "KMNIST", "MNIST", "QMNIST"),
        *("SEMEION", "STL10", "SVHN", "USPS"),
    }
)
"""Those whose pictures all have one size, a small one: networks for them want no enlarging."""

NOT_FETCHED = frozenset({"ImageNet", "StanfordCars"})
"""Those that torchvision reads, and cannot download."""

FAILURES = (OSError, RuntimeError, ValueError, http.client.HTTPException)
"""What torchvision raises where a file is missing or broken, or cannot be fetched."""


def find_name(word: str) -> str | None:
    """Return the name of torchvision's data set that a word means, or None."""
    plain = {_plain(name): name for name in DATASETS}
    return plain.get(_plain(word))


def near_names(word: str) -> list[str]:
    """Return the names of data sets that a word may have meant."""
    plain = {_plain(name): name for name in DATASETS}
    return [plain[near] for near in difflib.get_close_matches(_plain(word), plain, n=3)]


def default_root() -> Path:
    """Return where data sets are looked for and downloaded to: beside torch's weights."""
    return Path(torch.hub.get_dir()) / "datasets"


def open_dataset(name: str, root: str | Path | None, download: bool) -> Source:
    """Return the held-out pictures of one of torchvision's data sets.

    Parameters
    ----------
    name
        One of `DATASETS`.
    root
        The folder that torchvision is given; None for `default_root`.
    download
        Whether torchvision may download what is missing.

    Raises
    ------
    FileNotFoundError
        If files are missing or broken, or a download fails; the message says what, from where,
        and how to go on.
    """
    folder = Path(root).expanduser() if root is not None else default_root()
    dataset = _open(name, folder, download)
    labels = _labels(dataset)
    return Source(
        words=f"{name} ({_part(name)})",
        classes=_classes(dataset, labels),
        places=_places(dataset, name, len(labels)),
        labels=tuple(labels),
        dataset=dataset,
        alike=name in ALIKE,
    )


def _open(name: str, folder: Path, download: bool) -> Any:
    import torchvision

    make = getattr(torchvision.datasets, name)
    options: dict[str, Any] = dict(DATASETS[name])
    # Some look for their files on the network unless told not to, and one knows no such option.
    quiet = {} if name == "ImageNet" else {"download": False}
    try:
        if folder.is_dir():  # some would make it
            return make(str(folder), **options, **quiet)
        missing: Exception = FileNotFoundError(f"there is no folder {str(folder)!r}")
    except FAILURES as error:
        missing = error
    if not download or name in NOT_FETCHED:
        raise FileNotFoundError(_missing(name, make, folder, missing)) from missing
    folder.mkdir(parents=True, exist_ok=True)
    try:
        return make(str(folder), **options, download=True)
    except FAILURES as error:
        with suppress(OSError):  # an empty folder is not left behind
            folder.rmdir()
        raise FileNotFoundError(
            f"{name} is downloaded by torchvision from {_address(make)} into {str(folder)!r}; that "
            f"failed ({error}). Try again, or copy the files there from a machine that has them."
        ) from error


def _missing(name: str, make: Any, folder: Path, error: Exception) -> str:
    way_out = (
        f"torchvision cannot download it: get its files from {_address(make)} and put them there"
        if name in NOT_FETCHED
        else f"Download it from {_address(make)} with carviz.load_data({name!r}, download=True), "
        "or --download"
    )
    return (
        f"{name} is read from files as torchvision.datasets.{name} keeps them; {str(folder)!r} "
        f"does not hold them whole ({error}). {way_out}, or say where they are with root=…."
    )


def _address(make: Any) -> str:
    """Return where torchvision gets a data set from, as far as its class tells."""
    for kind in make.__mro__:
        for value in vars(kind).values():
            for text in _texts(value):
                if "://" in text and " " not in text:
                    return text
    return f"where torchvision's documentation of {make.__name__} says"


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, (tuple, list)):
        for inner in value:
            yield from _texts(inner)


def _part(name: str) -> str:
    options = DATASETS[name]
    if options.get("train") is False:
        return "test"
    return str(options.get("split", "all of it"))


# -- what the data sets call the same things


def _labels(dataset: Any) -> list[int]:
    """Return the label of each picture, without decoding pictures where the data set knows it."""
    count = len(dataset)
    for name in ("targets", "labels", "_labels", "y"):
        found = getattr(dataset, name, None)
        if found is not None and len(found) == count:
            return [int(label) for label in found]
    for name in ("samples", "_samples"):
        found = getattr(dataset, name, None)
        if found is not None and len(found) == count:
            return [int(pair[1]) for pair in found]
    return [int(dataset[number][1]) for number in range(count)]


def _places(dataset: Any, name: str, count: int) -> tuple[str, ...]:
    """Return each picture's file, or its number in the data set."""
    for attribute in ("samples", "_samples", "_image_files", "_images", "image_files"):
        found = getattr(dataset, attribute, None)
        if isinstance(found, (list, tuple)) and len(found) == count:
            first = (place[0] if isinstance(place, (list, tuple)) else place for place in found)
            return tuple(str(place) for place in first)
    return tuple(f"{name}, picture {number}" for number in range(count))


def _classes(dataset: Any, labels: list[int]) -> tuple[NamedClass, ...]:
    names = getattr(dataset, "classes", None) or getattr(dataset, "categories", None)
    if names is None:
        names = [str(number) for number in range(max(labels, default=-1) + 1)]
    synsets = getattr(dataset, "wnids", None) or [None] * len(names)
    return tuple(_found(name, synset) for name, synset in zip(names, synsets, strict=True))


def _found(name: Any, synset: str | None) -> NamedClass:
    """Return a class: Imagenette holds synonyms, and MNIST's are written "0 - zero"."""
    name, *others = (str(n) for n in name) if isinstance(name, (tuple, list)) else (str(name),)
    others += name.split(" - ") if " - " in name else []
    return NamedClass(name, (*((synset,) if synset else ()), *others))


def _plain(word: str) -> str:
    return word.casefold().replace("-", "").replace("_", "")
