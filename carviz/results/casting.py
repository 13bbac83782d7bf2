"""Values become the types that a record stores, where nothing of them is lost by it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from carviz.checks import is_number, is_whole

PLAIN = {
    "str": "U", "int": "iu", "float": "fiu", "tuple[str, ...]": "U", "tuple[int, int]": "iu",
}  # fmt: skip
"""How a file stores what is no array, by its annotation: the kinds of NumPy's types."""
LARGEST = 2**63 - 1
UNWRITABLE = re.compile("[\ud800-\udfff\0]")
NUMBERS = {"i": "iu", "f": "fiu", "b": "b", "U": "U"}
"""How a file stores an array, by the kind of its own type."""


class UnfitError(ValueError):
    """A value that is not what it should be; `args` are what there should be, and what is found."""


def cast(value: Any, dtype: Any) -> NDArray[Any]:
    """Return a copy of an array in another type, read-only.

    Raises
    ------
    UnfitError
        If that would change a value: 0.9 is no whole number, 2³¹ no int32.
    """
    wanted = np.dtype(dtype)
    if np.ma.is_masked(value):  # what lies under a mask would be taken
        raise UnfitError("an array without masked values", "some")
    try:
        found = np.asarray(value)
    except (ValueError, TypeError) as error:
        raise UnfitError("an array", str(error)) from error
    if found.size and wanted.kind != "U":
        _check(found, wanted)
    array: NDArray[Any] = np.array(found, dtype=wanted, copy=True)
    array.setflags(write=False)
    return array


def _check(found: NDArray[Any], wanted: np.dtype[Any]) -> None:
    if wanted.kind == "b":
        if found.dtype.kind != "b":
            raise UnfitError("True and False", found.dtype.name)
    elif found.dtype.kind not in "iuf":
        raise UnfitError("numbers", found.dtype.name)
    elif wanted.kind == "i" and not np.can_cast(found.dtype, wanted):
        if found.dtype.kind == "f":
            wrong = found[~(np.isfinite(found) & (found == np.rint(found)))]
            if wrong.size:
                raise UnfitError("whole numbers", f"{wrong[0]:g}")
        low, high, limits = int(found.min()), int(found.max()), np.iinfo(wanted)
        if low < limits.min or high > limits.max:
            raise UnfitError(f"whole numbers of {wanted.name}", f"{low} to {high}")


def plain(value: Any, annotation: Any) -> Any:
    """Return a value that is no array as its annotation says.

    Raises
    ------
    UnfitError
        If it is none of these.
    """
    if annotation == "str":
        return _text(value)
    if annotation == "int":
        return _whole(value)
    if annotation == "float":
        if not is_number(value):
            raise UnfitError("a number", repr(value))
        return float(value)
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        raise UnfitError("several values", repr(value))
    if annotation == "tuple[str, ...]":
        return tuple(_text(str(one)) for one in value)
    pair = tuple(_whole(one) for one in value)
    if len(pair) != 2:
        raise UnfitError("two whole numbers", repr(value))
    return pair


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise UnfitError("text", repr(value))
    # Half a letter cannot be written (names of folders in another encoding have such), and NumPy's
    # text ends at the letter of number 0.
    return UNWRITABLE.sub("\N{REPLACEMENT CHARACTER}", str(value))


def _whole(value: Any) -> int:
    if not is_whole(value):
        raise UnfitError("a whole number", repr(value))
    if abs(int(value)) > LARGEST:
        raise UnfitError("a whole number that a file can hold", str(value))
    return int(value)
