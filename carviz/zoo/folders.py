"""Folders of pictures, a folder a class: finding where the classes are, and the files."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

from carviz.zoo.sources import NamedClass, Source

SPLITS = ("val", "validation", "valid", "test", "testing", "train", "training")
"""Names of folders that are a part of a data set, not a class; the first that is there is read."""

APART = "__MACOSX"
"""What an archive packed on a Mac leaves beside the images; so do names that begin with a dot."""

FURNITURE = ("Thumbs.db", "desktop.ini")
"""What Windows leaves beside images."""


def open_folder(folder: Path) -> Source:
    """Return the pictures of a folder in the ImageFolder layout.

    The folder may also hold parts of a data set (``val``, ``train``), of which one that is not for
    training is preferred, or nothing but one folder that does. Hidden files and folders are
    passed over.

    Raises
    ------
    FileNotFoundError
        If it holds no folder with images.
    """
    layout = find_layout(folder)
    names = [child.name for child in _children(layout)]
    files = _files(layout, names) if names else []
    if not files:
        raise FileNotFoundError(
            f"A folder of images holds a folder for each class ({folder}/cat/1.jpg); "
            f"{str(folder)!r} holds none with images. Move the images into folders named by class."
        )
    places, labels = zip(*files, strict=True)
    classes = tuple(NamedClass(name) for name in names)
    return Source(str(layout), classes, places, labels, others=_others(layout))


def find_layout(folder: Path) -> Path:
    """Return the folder whose children are the classes: this one, or one inside it."""
    filled = [child for child in _children(folder) if _holds_images(child)]
    parts = {child.name.casefold(): child for child in filled}
    if filled and set(parts) <= set(SPLITS):
        chosen = [parts[name] for name in SPLITS if name in parts and _has_classes(parts[name])]
        return chosen[0] if chosen else folder
    # A single folder that only holds folders is what an archive was unpacked to, not a class.
    if len(filled) == 1 and not _images_directly_in(filled[0]):
        inside = find_layout(filled[0])
        if inside != filled[0] or len(_children(inside)) > 1:
            return inside
    return folder


def _files(layout: Path, names: list[str]) -> list[tuple[str, int]]:
    """Return each image file with its class, in the order that torchvision's ImageFolder has."""
    from torchvision.datasets.folder import make_dataset

    numbers = {name: i for i, name in enumerate(names)}
    found = make_dataset(layout, numbers, is_valid_file=is_image, allow_empty=True)
    inside = len(str(layout))
    return [(path, label) for path, label in found if not _is_apart(path[inside:])]


def _others(layout: Path) -> dict[str, int]:
    """Count the files in the classes' folders that are no images by name, by how they end."""
    kinds = Counter(
        Path(name).suffix.lower() or "without an ending"
        for child in _children(layout)
        for _, _, names in os.walk(child, followlinks=True)
        for name in names
        if not (is_image(name) or _is_apart(name) or name in FURNITURE)
    )
    return dict(kinds.most_common())


def is_image(path: str) -> bool:
    """Tell from its name whether a file is an image: those that torchvision reads, and .gif."""
    from torchvision.datasets.folder import IMG_EXTENSIONS

    return path.lower().endswith((*IMG_EXTENSIONS, ".gif"))


def _is_apart(path: str) -> bool:
    return any(part.startswith(".") or part == APART for part in Path(path).parts)


def _children(folder: Path) -> list[Path]:
    inside = (c for c in folder.iterdir() if c.is_dir() and not _is_apart(c.name))
    return sorted(inside, key=lambda child: child.name)


def _has_classes(folder: Path) -> bool:
    return any(_holds_images(child) for child in _children(folder))


def _holds_images(folder: Path) -> bool:
    return any(
        is_image(name) and not _is_apart(name)
        for _, _, names in os.walk(folder, followlinks=True)
        for name in names
    )


def _images_directly_in(folder: Path) -> bool:
    return any(is_image(c.name) and not _is_apart(c.name) for c in folder.iterdir() if c.is_file())
