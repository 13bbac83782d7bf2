"""Networks by name: the bundled ones, and every classifier of torchvision."""

from __future__ import annotations

import difflib
import http.client
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from carviz.evaluate import fork_rng
from carviz.zoo import imagenet, saved_weights
from carviz.zoo.bundled import empty
from carviz.zoo.matching import last_layer
from carviz.zoo.saved_weights import SavedWeights, fill, read_weights
from carviz.zoo.shapes_network import load_shapes_network
from carviz.zoo.tiny_alexnet import load_tiny_alexnet

if TYPE_CHECKING:
    from torchvision.models import WeightsEnum

BUNDLED: dict[str, Callable[[Any], nn.Module]] = {
    "shapes": load_shapes_network,
    "tiny-alexnet": load_tiny_alexnet,
}
"""Bundled names and what makes them."""

INCEPTIONS = ("googlenet", "inception_v3")
"""Networks with heads for training only; trained weights want another input than random ones."""


def load_model(
    name: str, *, weights: str | os.PathLike[str] | WeightsEnum | None = "DEFAULT"
) -> nn.Module:
    """Return a network by name, in evaluation mode.

    The module carries what measuring needs to know of it: ``classes`` (names, one a logit),
    ``synsets`` (the classes' WordNet numbers, or None), ``normalize`` (mean and std of its
    preprocessing) and, but for "shapes", ``transform`` (from a PIL image to a tensor).

    Parameters
    ----------
    name
        "shapes" or "tiny-alexnet", the bundled networks, or any torchvision classifier, e.g.
        "alexnet"; `list_models` lists them.
    weights
        "DEFAULT" for the best weights there are, None for random ones, or the name of a
        torchvision weights entry, e.g. "IMAGENET1K_V1", or the entry itself; torchvision's are
        downloaded once. Or a file: safetensors, or a state dict that torch saved (nothing in it
        is run), also inside a checkpoint or of a DataParallel network; what it is, its content
        says. A string is a file where there is one, it has a folder before it, or it ends like one
        (.safetensors, .pt, .pth, .pth.tar). A file of another number of classes makes
        torchvision's network with so many; they are called "0", "1", … unless the file's metadata
        has "classes", a list of names in JSON.

    Raises
    ------
    TypeError
        If `name` is no string, or `weights` of another kind.
    ValueError
        If there is no such network (the nearest names are told), or no such weights, or a file
        does not fit the network (tensors are named).
    FileNotFoundError
        If the file is not there, or the weights are not in torch's cache and cannot be downloaded.

    Examples
    --------
    >>> model = load_model("shapes")
    >>> len(model.classes), model.classes[:2], model.training
    (16, ('circle', 'ring'), False)
    """
    if not isinstance(name, str):
        raise TypeError(f"A model is loaded by its name; found {type(name).__name__}.")
    saved = _saved(weights)
    if name in BUNDLED:
        model = BUNDLED[name](None if saved is not None else weights)
        return _described(model, _fill_bundled(model, saved) if saved is not None else {})
    entries = _entries(name)
    if saved is not None:
        model = _build(name, saved)
        return _described(model, _about(entries.DEFAULT, _class_names(model, saved)))
    entry = _entry(name, entries, weights)
    return _described(_fetch(name, entry), _about(entry or entries.DEFAULT))


def _described(model: nn.Module, about: dict[str, Any]) -> nn.Module:
    """Return the network with what it carries, in evaluation mode."""
    vars(model).update(about)
    vars(model).setdefault("synsets", None)
    return model.eval()


def _about(entry: Any, classes: tuple[str, ...] | None = None) -> dict[str, Any]:
    """Return what a network of torchvision carries; `classes` where they are not the entry's."""
    transform = entry.transforms()
    own = tuple(entry.meta["categories"])
    return {
        "classes": classes or own,
        "synsets": imagenet.SYNSETS if classes in (None, own) else None,
        "transform": transform,
        "normalize": (tuple(transform.mean), tuple(transform.std)),
    }


# -- torchvision's own weights


def _entries(name: str) -> Any:
    """Return the weights that torchvision has for a classifier, as its enumeration."""
    import torchvision

    known = torchvision.models.list_models(module=torchvision.models)
    if name not in known:
        near = difflib.get_close_matches(name, [*BUNDLED, *known], n=3) or [*BUNDLED]
        raise ValueError(
            f"A model is {' or '.join(map(repr, BUNDLED))}, or one of torchvision's {len(known)} "
            f"classifiers; there is no {name!r}. Nearest: {', '.join(near)}."
        )
    return torchvision.models.get_model_weights(name)


def _entry(name: str, entries: Any, weights: Any) -> Any:
    if weights is None or isinstance(weights, entries):
        return weights
    if isinstance(weights, str):
        word = weights.removeprefix(f"{entries.__name__}.")
        if word == "DEFAULT" or word in entries.__members__:
            return entries[word]
    raise ValueError(
        f"weights of {name!r} are 'DEFAULT', None, a file, or one of "
        f"{', '.join(e.name for e in entries)}; found {weights!r}."
    )


def _fetch(name: str, entry: Any) -> nn.Module:
    import torchvision

    # The two Inceptions ask how to initialise; the answer of old is also the fast one to load over.
    options = {"init_weights": entry is None} if name in INCEPTIONS else {}
    try:
        model: nn.Module = torchvision.models.get_model(name, weights=entry, **options)
    except (
        OSError,
        RuntimeError,
        EOFError,
        pickle.UnpicklingError,
        http.client.HTTPException,
    ) as e:
        if entry is None:
            raise
        cached = Path(torch.hub.get_dir()) / "checkpoints" / Path(entry.url).name
        if cached.is_file():
            raise ValueError(
                f"The weights {entry} were downloaded to {cached}; the file cannot be read "
                f"({e}). Delete it, so that it is fetched again."
            ) from e
        raise FileNotFoundError(
            f"The weights {entry} are downloaded once; {entry.url} could not be fetched "
            f"({e}). Offline, put that file into {cached.parent}, or use random weights "
            "(weights=None, --weights none), or a bundled network "
            f"({' or '.join(map(repr, BUNDLED))})."
        ) from e
    return model


# -- weights from a file


def _saved(weights: Any) -> SavedWeights | None:
    """Return what a file holds, where `weights` names one."""
    if weights is None:
        return None
    if isinstance(weights, str) and not _names_file(weights):
        return None
    if isinstance(weights, (str, os.PathLike)):
        return read_weights(Path(weights).expanduser())
    from torchvision.models import WeightsEnum

    if isinstance(weights, WeightsEnum):
        return None
    raise TypeError(
        "weights are 'DEFAULT', None, a torchvision weights entry or its name, or a file's path; "
        f"found {type(weights).__name__}. A state dict is loaded from its file."
    )


def _names_file(weights: str) -> bool:
    """Whether a string names a file, and no entry of torchvision's."""
    if weights.lower().endswith(saved_weights.SUFFIXES) or len(Path(weights).parts) > 1:
        return True
    return weights not in ("", "DEFAULT") and Path(weights).expanduser().is_file()


def _fill_bundled(model: nn.Module, saved: SavedWeights) -> dict[str, Any]:
    """Fill a bundled network from a file; return what the file says of its classes."""
    fill(model, saved)
    names = saved.classes
    if names is None or names == tuple(getattr(model, "classes", ())):
        return {}
    return {"classes": _class_names(model, saved), "synsets": None}


def _build(name: str, saved: SavedWeights) -> nn.Module:
    """Build a network of torchvision with as many classes as a file has, and fill it."""
    model = _empty(name, saved)
    last = last_layer(model)
    weight = None if last is None else saved.state.get(f"{last[0]}.weight")
    if last is not None and weight is not None and weight.ndim and len(weight) != last[1]:
        model = _empty(name, saved, num_classes=len(weight))
    fill(model, saved)
    if name in INCEPTIONS:  # as torchvision's own: heads for training only are put aside
        for head in [
            child for child, _ in model.named_children() if child.lower().startswith("aux")
        ]:
            setattr(model, head, None)
        vars(model)["aux_logits"] = False
    return model


def _empty(name: str, saved: SavedWeights, **options: Any) -> nn.Module:
    """Build a network of torchvision whose weights are yet to be set."""
    import torchvision

    if name in INCEPTIONS:
        heads = any(tensor.lower().startswith("aux") for tensor in saved.state)
        options |= {"init_weights": False, "transform_input": True, "aux_logits": heads}

    def make() -> nn.Module:
        model: nn.Module = torchvision.models.get_model(name, weights=None, **options)
        return model

    try:
        return empty(make)
    except NotImplementedError:  # RegNets compute with numbers while they are built
        with fork_rng(devices=[]):
            return make()


def _class_names(model: nn.Module, saved: SavedWeights) -> tuple[str, ...] | None:
    """Return names for as many classes as the network has; None where they are ImageNet's."""
    last = last_layer(model)
    count = 0 if last is None else last[1]
    count = 2 if count == 1 else count  # one logit tells class 1 from class 0
    if saved.classes is not None and len(saved.classes) != count:
        raise ValueError(
            f'The metadata "classes" of a file of weights names each class; {str(saved.path)!r} '
            f"has {len(saved.classes)} names for {count} classes. Save it with one name each."
        )
    if saved.classes is None and count != len(imagenet.SYNSETS):
        return tuple(str(number) for number in range(count))
    return saved.classes
