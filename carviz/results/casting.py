"""Values become the types that a record stores, where nothing of them is lost by it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

PLAIN = {
    "str": "U", "int": "iu", "float": "fiu", "tuple[str, ...]": "U", "tuple[int, int]": "iu",
}  # fmt: skip
"""How a file stores what is no array, by its annotation: the kinds of NumPy's types."""
NUMBERS = {"i": "iu", "f": "fiu", "b": "b", "U": "U"}
"""How a file stores an array, by the kind of its own type."""


def cast(value: Any, dtype: Any) -> NDArray[Any]:
    """Return a copy of an array in another type, read-only.

    Raises
    ------
    ValueError
        If that would change a value: 0.9 is no whole number, 2³¹ no int32. What there should be
        comes first, what was found second.
    """
    wanted = np.dtype(dtype)
    try:
        found = np.asarray(value)
    except (ValueError, TypeError) as error:
        raise ValueError("an array", str(error)) from error
    if found.size and wanted.kind != "U":
        _check(found, wanted)
    array: NDArray[Any] = np.array(found, dtype=wanted, copy=True)
    array.setflags(write=False)
    return array


def _check(found: NDArray[Any], wanted: np.dtype[Any]) -> None:
    if wanted.kind == "b":
        if found.dtype.kind != "b":
            raise ValueError("True and False", found.dtype.name)
    elif found.dtype.kind not in "iuf":
        raise ValueError("numbers", found.dtype.name)
    elif wanted.kind == "i" and not np.can_cast(found.dtype, wanted):
        wrong = found[~(np.isfinite(found) & (found == np.rint(found)))]
        if wrong.size:
            raise ValueError("whole numbers", f"{wrong[0]:g}")
        low, high, limits = int(found.min()), int(found.max()), np.iinfo(wanted)
        if low < limits.min or high > limits.max:
            raise ValueError(f"whole numbers of {wanted.name}", f"{low} to {high}")


def plain(value: Any, annotation: Any) -> Any:
    """Return a value that is no array as its annotation says.

    Raises
    ------
    ValueError
        If it is none of these; what there should be comes first, what was found second.
    """
    if annotation == "str":
        return _text(value)
    if annotation == "int":
        return _whole(value)
    if annotation == "float":
        if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.number)):
            raise ValueError("a number", repr(value))
        return float(value)
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        raise ValueError("several values", repr(value))
    if annotation == "tuple[str, ...]":
        return tuple(_text(str(one)) for one in value)
    pair = tuple(_whole(one) for one in value)
    if len(pair) != 2:
        raise ValueError("two whole numbers", repr(value))
    return pair


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("text", repr(value))
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError("text that can be written", repr(value)) from error
    return str(value)


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise ValueError("a whole number", repr(value))
    return int(value)
