"""Networks by name: the bundled ones, and every classifier of torchvision."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Any

from torch import nn

from carviz.zoo.shapes_network import load_shapes_network
from carviz.zoo.tiny_alexnet import load_tiny_alexnet

BUNDLED: dict[str, Callable[[str | None], nn.Module]] = {
    "shapes": load_shapes_network,
    "tiny-alexnet": load_tiny_alexnet,
}
"""Bundled names and what makes them."""


def load_model(name: str, *, weights: str | None = "DEFAULT") -> nn.Module:
    """Return a network by name, in evaluation mode.

    The module carries what measuring needs to know of it: ``classes`` (names, one a logit),
    ``normalize`` (mean and std of its preprocessing) and, for torchvision's, ``transform``.

    Parameters
    ----------
    name
        "shapes", the bundled network, or any torchvision classifier, e.g. "alexnet".
    weights
        "DEFAULT" for the best weights there are, None for random ones, or the name of a
        torchvision weights entry, e.g. "IMAGENET1K_V1". torchvision's are downloaded once.

    Raises
    ------
    TypeError
        If `name` is no string.
    ValueError
        If there is no such network (the nearest names are told), or no such weights.
    FileNotFoundError
        If the weights are not in torch's cache and cannot be downloaded.
    """
    if not isinstance(name, str):
        raise TypeError(f"A model is loaded by its name; found {type(name).__name__}.")
    if name in BUNDLED:
        return BUNDLED[name](weights)
    import torchvision

    known = torchvision.models.list_models(module=torchvision.models)
    if name not in known:
        near = difflib.get_close_matches(name, [*BUNDLED, *known], n=3) or [*BUNDLED]
        raise ValueError(
            f"A model is {' or '.join(map(repr, BUNDLED))}, or one of torchvision's {len(known)} "
            f"classifiers; there is no {name!r}. Nearest: {', '.join(near)}."
        )
    entries = torchvision.models.get_model_weights(name)
    entry = _entry(name, entries, weights)
    model = _fetch(name, entry)
    described = entry if entry is not None else entries.DEFAULT
    transform = described.transforms()
    about = {
        "classes": tuple(described.meta["categories"]),
        "transform": transform,
        "normalize": (tuple(transform.mean), tuple(transform.std)),
    }
    vars(model).update(about)
    return model.eval()


def _entry(name: str, entries: Any, weights: str | None) -> Any:
    if weights is None:
        return None
    try:
        return entries[weights] if weights != "DEFAULT" else entries.DEFAULT
    except KeyError as error:
        raise ValueError(
            f"weights of {name!r} are 'DEFAULT', None, or one of "
            f"{', '.join(e.name for e in entries)}; found {weights!r}."
        ) from error


def _fetch(name: str, entry: Any) -> nn.Module:
    import torch
    import torchvision

    # The two Inceptions ask how to initialise; the answer of old is also the fast one to load over.
    options = {"init_weights": entry is None} if name in ("googlenet", "inception_v3") else {}
    try:
        model: nn.Module = torchvision.models.get_model(name, weights=entry, **options)
    except OSError as error:  # URLError among them
        raise FileNotFoundError(
            f"The weights {entry} are downloaded once; {entry.url} could not be fetched "
            f"({error}). Offline, put that file into {torch.hub.get_dir()}/checkpoints, or use "
            "random weights (weights=None, --weights none), or the bundled network 'shapes'."
        ) from error
    return model
