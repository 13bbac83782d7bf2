"""Floor −1: what is asked of arguments; errors say the rule, what was found, the way out.

Nothing here knows carviz: numbers, names and folders are checked alike in every room.
"""

from __future__ import annotations

import difflib
import math
import numbers
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

LONG = 60
"""Letters of a value that an error shows; of a longer one it tells the type."""


# -- numbers


def is_whole(value: Any) -> bool:
    """Whether a value is a whole number of Python's, NumPy's or torch's; True and False are not."""
    if isinstance(value, bool):
        return False
    if isinstance(value, numbers.Integral):
        return True
    # An array or a tensor without axes holds one number.
    return getattr(value, "ndim", None) == 0 and "int" in str(getattr(value, "dtype", ""))


def is_number(value: Any) -> bool:
    """Whether a value is a real number; True and False are not."""
    return is_whole(value) or (isinstance(value, numbers.Real) and not isinstance(value, bool))


def check_whole(
    value: Any,
    name: str,
    least: int = 1,
    most: int | None = None,
    *,
    what: str = "",
    note: str = "",
    or_none: bool = False,
) -> int:
    """Return a whole number of `least` at least, and of `most` at most.

    Parameters
    ----------
    name, what
        How the argument is called, and what it means: "k", "the number of classes wanted".
    note
        What `most` is, in words.
    or_none
        Whether the caller takes None as well; it is only told.

    Raises
    ------
    TypeError
        If it is no whole number.
    ValueError
        If it is too small or too large.
    """
    if not is_whole(value):
        kind = (f"{what}, " if what else "") + "a whole number" + (" or None" if or_none else "")
        raise TypeError(f"{name} is {kind}; found {found_words(value)}.")
    if value < least or (most is not None and value > most):
        reach = f"{least} or more" if most is None else f"{least} to {most}"
        rule = (f"{what}, " if what else "") + reach + (f" ({note})" if note else "")
        raise ValueError(f"{name} is {rule}; found {int(value)}.")
    return int(value)


def check_fraction(value: Any, name: str, what: str, out: str = "", or_none: bool = False) -> float:
    """Return a number from 0 to 1; `what` says what it means, `out` what to give instead."""
    if not is_number(value):
        kind = "a number in [0, 1]" + (" or None" if or_none else "")
        raise TypeError(f"{name} is {kind}; found {found_words(value)}.")
    if not 0 <= value <= 1:  # NaN too
        raise ValueError(f"{name} is {what}, in [0, 1]; found {value!r}.{_behind(out)}")
    return float(value)


def check_above_zero(
    value: Any, name: str, what: str = "a number", *, endless: bool = False
) -> float:
    """Return a number above 0, infinity only where `endless`."""
    if not is_number(value):
        raise TypeError(f"{name} is {what}; found {found_words(value)}.")
    if not value > 0 or (value == math.inf and not endless):
        raise ValueError(f"{name} is {what} above 0; found {value!r}.")
    return float(value)


# -- numbers of filters


def check_filter(
    filter: Any, count: int, layer: Any, name: str = "filter", *, or_none: bool = False
) -> int:
    """Return a filter's number in a bank of `count` filters.

    Raises
    ------
    TypeError, ValueError
        If it is no whole number, or not of that bank.
    """
    if not is_whole(filter):
        rule = "a filter's number in its bank" + (", or None for all" if or_none else "")
        raise TypeError(f"{name} is {rule}; found {found_words(filter)}.")
    if not 0 <= filter < count:
        raise _outside(layer, count, str(int(filter)))
    return int(filter)


def check_filters(
    filters: Any,
    count: int,
    layer: Any,
    name: str = "filters",
    *,
    once: str = "",
    some: bool = False,
) -> list[int]:
    """Return numbers of a bank's filters as a list, in the order given.

    Parameters
    ----------
    filters
        What was given.
    count, layer
        How many filters the bank has, and its name.
    name
        How the argument is called.
    once
        What is done once to each filter ("measured"): then a repetition is refused.
    some
        Whether one filter at least must be named.

    Raises
    ------
    TypeError
        If it is no list of whole numbers.
    ValueError
        If a number is not of that bank, is repeated, or none is there.
    """
    one = is_whole(filters)  # a tensor without axes passes for an iterable
    if one or not isinstance(filters, Iterable) or isinstance(filters, (str, bytes, Mapping)):
        out = f"Write [{filters!r}]." if one else ""
        raise TypeError(
            f"{name} are filters' numbers; found {found_words(filters)}, not a list of whole "
            f"numbers.{_behind(out)}"
        )
    given = list(filters)
    if wrong := [i for i in given if not is_whole(i)]:
        raise TypeError(
            f"{name} are filters' numbers; found {found_words(wrong[0])} among them, and they are "
            "whole numbers."
        )
    chosen = [int(i) for i in given]
    outside = [str(i) for i in chosen if not 0 <= i < count]
    if outside or (some and not chosen):
        raise _outside(layer, count, outside[0] if outside else "an empty list")
    if once and len(set(chosen)) < len(chosen):
        twice = next(i for i in chosen if chosen.count(i) > 1)
        raise ValueError(f"Each filter is {once} once; found {twice} twice.")
    return chosen


def _outside(layer: Any, count: int, found: str) -> ValueError:
    bank = repr(layer) if isinstance(layer, str) else "this bank"
    return ValueError(
        f"A filter is a number in its bank; {bank} has filters 0 to {count - 1}; found {found}."
    )


# -- names


def near_names(word: object, names: Iterable[str], cutoff: float = 0.6) -> list[str]:
    """Return up to three names that a word may have meant, the nearest first."""
    return difflib.get_close_matches(str(word), list(names), n=3, cutoff=cutoff)


def did_you_mean(word: object, names: Iterable[str]) -> str:
    """Return a question to put behind an error: " Did you mean 'taylor'?", or nothing."""
    near = near_names(word, names)
    return f" Did you mean {' or '.join(map(repr, near))}?" if near else ""


# -- folders


def check_folder(folder: Path, rule: str) -> None:
    """Refuse to read from a folder that is not there; `rule` says what is read."""
    if not folder.is_dir():
        raise FileNotFoundError(f"{rule}; there is no {str(folder)!r}.")


def check_home(path: Path, what: str = "A file") -> None:
    """Refuse to save `what` as a file whose folder is not there."""
    folder = path.absolute().parent
    if not folder.is_dir():
        raise FileNotFoundError(
            f"{what} is saved into a folder that exists; {str(path.parent)!r} does not. "
            "Make it first, or choose another path."
        )


def check_no_file(folder: Path, what: str) -> None:
    """Refuse to save `what` into a folder whose path is a file's."""
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(
            f"{what} are saved into a folder; {str(folder)!r} is a file. Choose another path."
        )


# -- how it is said


def found_words(value: Any) -> str:
    """Return how an error shows what was found."""
    words = repr(value)
    return words if len(words) <= LONG and "\n" not in words else f"a {type(value).__name__}"


def _behind(out: str) -> str:
    return f" {out}" if out else ""
