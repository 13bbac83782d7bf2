"""Names, folders and objects become a model and images: all that any thread may do."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn

from carviz.evaluate import (
    Images,
    Progress,
    check_model,
    find_logits,
    fingerprint_images,
    fingerprint_model,
    inference_mode,
    placed,
    shadow,
)
from carviz.wording import counted
from carviz.zoo import SPLITS, LoadedImages, load_data, load_model

BUNDLED = "shapes"
IMAGES_A_CLASS = 50
"""Of the bundled images, on the screen and in the terminal: the first bank is done within ten
seconds on two quiet cores."""

Begin = Callable[[str], Progress]
"""Told in words what comes next; gives what is told how far that is."""


@dataclasses.dataclass(frozen=True)
class How:
    """How a model and data that are given by name or folder are loaded.

    Parameters
    ----------
    weights
        As `carviz.load_model` takes them.
    fitting
        Whether classes that the network does not have, and files that are no images, are left out;
        else they are an error.
    """

    weights: str | None = "DEFAULT"
    fitting: bool = False


PLAINLY = How()


@dataclasses.dataclass(frozen=True, eq=False)
class Loaded:
    """A model and data that were found, read and looked at; nothing is traced yet.

    Parameters
    ----------
    model, images
        The two.
    model_name, data_name
        What to call them.
    origin
        How the data was given: its name, its folder, or the object itself.
    limit
        Images a class at most, of data given by name or folder; None for all.
    model_digest, data_digest
        Their fingerprints.
    how
        How they were loaded, of a model and data given by name or folder.
    """

    model: nn.Module
    images: Images
    model_name: str
    data_name: str
    origin: Any
    limit: int | None
    model_digest: str
    data_digest: str
    how: How = dataclasses.field(default_factory=lambda: PLAINLY)


def by_name(data: Any) -> bool:
    """Whether data is given by a name or a folder, and so can be loaded again."""
    return isinstance(data, (str, Path))


def usual_limit(data: Any) -> int | None:
    """Return how many images a class are taken where nobody says."""
    return IMAGES_A_CLASS if data is None or (by_name(data) and str(data) == BUNDLED) else None


def load(model: Any, data: Any, limit: int | None, begin: Begin) -> Loaded:
    """Find, read and look at a model and data.

    Parameters
    ----------
    model
        A module, or a name that `carviz.load_model` knows; None for the bundled network.
    data
        Data as `carviz.measure_car` takes it, or a name or folder that `carviz.load_data` knows;
        None for the bundled images, which only a network of their classes is tried on.
    limit
        Images a class at most, of data given by name or folder; None for all.
    begin
        Told what is loaded next.
    """
    network, model_name = find_model(BUNDLED if model is None else model, begin)
    origin = BUNDLED if data is None else data
    found = find_data(network, origin, limit, begin)
    if data is None and model is not None:
        _check_classes(network, found)
    return look_at(network, model_name, found, origin, limit, begin)


def find_model(model: Any, begin: Begin, how: How = PLAINLY) -> tuple[nn.Module, str]:
    """Return a model that is given, or load it by name; and what to call it."""
    if not isinstance(model, str):
        return check_model(model), type(model).__name__
    begin(f"Loading {model}: weights")
    return check_model(load_model(model, weights=how.weights)), model


def find_data(
    network: nn.Module, origin: Any, limit: int | None, begin: Begin, how: How = PLAINLY
) -> Any:
    """Return data that is given, or load it for the network by name or from a folder."""
    if by_name(origin):
        progress = begin(f"Reading the images of {name_of(origin)}")
        if how.fitting and str(origin) != BUNDLED:
            return load_data(
                origin, model=network, limit=limit, progress=progress,
                classes={"*": None}, unreadable="skip",
            )  # fmt: skip
        return load_data(origin, model=network, limit=limit, progress=progress)
    if limit is not None:
        raise ValueError(
            "limit is how many images a class are loaded of data given by name or folder; found "
            f"limit={limit!r} and a {type(origin).__name__}. Leave it out, or take a Subset."
        )
    return origin


def look_at(
    network: nn.Module, model_name: str, data: Any, origin: Any, limit: int | None, begin: Begin,
    how: How = PLAINLY,
) -> Loaded:  # fmt: skip
    """Check the data, and take the fingerprints."""
    begin(f"Looking at {model_name} and {name_of(origin)}")
    images = Images(data)
    return Loaded(
        network, images, model_name, name_of(origin), origin, limit,
        fingerprint_model(network), fingerprint_images(images), how,
    )  # fmt: skip


def name_of(data: Any) -> str:
    """Return what to call data: its name, its folder's last part, or its kind.

    A part of a data set goes by the data set's name as well: "tiny-imagenet/val".
    """
    if by_name(data):
        return _folder_name(Path(data)) or str(data)
    if isinstance(data, (tuple, list)):
        return "given tensors"
    inner = getattr(data, "dataset", data)
    if isinstance(inner, LoadedImages):
        return _folder_name(Path(inner.source.words))
    return type(inner).__name__


def _folder_name(folder: Path) -> str:
    alone = folder.name.casefold() not in SPLITS or not folder.parent.name
    return folder.name if alone else f"{folder.parent.name}/{folder.name}"


def left_out(data: Any) -> str:
    """Say what of data that was loaded does not fit the network or is no image; "" for nothing."""
    inner = getattr(data, "dataset", data)
    if not isinstance(inner, LoadedImages):
        return ""
    labels = inner.source.labels
    lacking = len(set(labels)) - len({labels[number] for number in inner.numbers})
    parts = [f"{lacking:,} class{'' if lacking == 1 else 'es'}"] if lacking else []
    parts += [counted(len(inner.skipped), "file")] if inner.skipped else []
    return f"{' and '.join(parts)} left out" if parts else ""


def prepared_alike(a: nn.Module, b: nn.Module) -> bool:
    """Whether two networks want their images prepared, and their classes numbered, the same."""
    return _wants(a) == _wants(b) and _wants(a) != _wants(nn.Module())


def check_fit(loaded: Loaded) -> None:
    """Refuse images that the network cannot look at, and classes that are not its own.

    Raises
    ------
    ValueError
        In words, with the way out.
    """
    way_out = f"Choose data that fits {loaded.model_name}, or another network."
    images, network = loaded.images, shadow(loaded.model)
    # Two of them: of one alone, one number is a logit or a class's only row.
    picture = images.read([0, len(images) - 1])[0]
    size = " × ".join(str(n) for n in picture.shape[1:])
    try:
        with inference_mode():
            answer = network(placed(picture, network))
    except Exception as error:  # whatever a forward pass may raise
        raise ValueError(
            f"{loaded.model_name} cannot look at the images of {loaded.data_name} ({size}): "
            f"{type(error).__name__}: {error}. {way_out}"
        ) from error
    count = find_logits(answer, len(picture)).classes
    classes = images.classes
    most = -1 if images.hints is None else int(images.hints.max())
    if (classes is not None and len(classes) != count) or most >= count:
        found = f"{len(classes)} classes" if classes is not None else f"label {most}"
        raise ValueError(
            f"A network is tried on images of its own classes; {loaded.model_name} tells "
            f"{count:,} apart, and {loaded.data_name} has {found}. {way_out}"
        )


def _check_classes(network: nn.Module, data: Any) -> None:
    if tuple(getattr(network, "classes", ())) != tuple(data.classes):
        raise ValueError(
            "A model is tried on images of its own classes; without data= only the bundled "
            f"network is, on the bundled images. Give data: a Dataset, a DataLoader, a pair "
            f"of tensors or a folder of images. Found a {type(network).__name__} and no data."
        )


def _wants(network: nn.Module) -> tuple[str, ...]:
    names = ("transform", "normalize", "classes")
    return tuple(repr(getattr(network, name, None)) for name in names)
