"""What a value is, in words, for messages that say what was found."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor

SHOWN = 6
"""Members that are told."""


def described(value: Any) -> str:
    """Return what a value is and holds: "a dict of 2 ('x': a tensor of shape (3, 4), 'y': int)"."""
    if isinstance(value, (Tensor, np.ndarray)):
        return brief(value)
    kind = type(value).__name__
    article = "an" if kind[:1].lower() in "aeiou" else "a"
    if isinstance(value, Mapping):
        members = [f"{key!r}: {brief(inner)}" for key, inner in value.items()]
    elif isinstance(value, (tuple, list)):
        names = getattr(value, "_fields", None)
        members = [
            f"{names[i]}: {brief(inner)}" if names else brief(inner)
            for i, inner in enumerate(value)
        ]
    elif dataclasses.is_dataclass(value):
        members = [
            f"{field.name}: {brief(getattr(value, field.name))}"
            for field in dataclasses.fields(value)
        ]
    else:
        return f"{article} {kind}"
    shown = ", ".join(members[:SHOWN]) + (", …" if len(members) > SHOWN else "")
    return f"{article} {kind} of {len(members)} ({shown})"


def brief(value: Any) -> str:
    """Return what a value is, of an array its shape and its type, unless floating-point."""
    if isinstance(value, Tensor):
        plain = value.is_floating_point()
        return f"a tensor of shape {tuple(value.shape)}" + ("" if plain else f" of {_type(value)}")
    if isinstance(value, np.ndarray):
        plain = value.dtype.kind == "f"
        return f"an array of shape {value.shape}" + ("" if plain else f" of {value.dtype.name}")
    return type(value).__name__


def _type(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
