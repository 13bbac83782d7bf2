"""Sets of filters as they were given: checked, and in one form."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from carviz.ablation import Filters
from carviz.checks import check_filters, found_words, is_whole

Members = tuple[tuple[str, int], ...]
"""A set: each filter with its bank, in the order of banks and numbers."""


def check_sets(sets: Any, layer: str, count: int, name: str = "sets") -> list[Filters]:
    """Return sets of one bank's filters, each in ascending order.

    Parameters
    ----------
    sets
        What was given.
    layer, count
        The bank, and how many filters it has.
    name
        How the argument is called.

    Raises
    ------
    TypeError, ValueError
        If they are no lists of lists of the bank's filters, one is empty or repeats a filter, or a
        set comes twice.
    """
    found: list[Filters] = []
    for place, one in enumerate(listed(sets, name)):
        if isinstance(one, Mapping):
            raise TypeError(
                f"{name} of one bank are lists of filters' numbers; found a mapping. Sets of "
                "several banks are measured by carviz.measure_joint with layer=None."
            )
        found.append(_members(one, layer, count, f"{name}[{place}]"))
    _check_once(found, name)
    return found


def check_mappings(sets: Any, banks: Mapping[str, int]) -> list[Members]:
    """Return sets of several banks' filters; `banks` has how many filters each bank has.

    Errors are those of `check_sets`.
    """
    order = list(banks)
    found: list[Members] = []
    for place, one in enumerate(listed(sets)):
        if not isinstance(one, Mapping):
            raise TypeError(
                "With layer=None sets are mappings from a bank's name to its filters, e.g. "
                f"{{{order[0]!r}: [0, 1]}}; found {found_words(one)}. Name the layer for sets of "
                "one bank."
            )
        if not one:
            raise ValueError(f"A set has a filter at least; sets[{place}] is empty.")
        members = [
            (bank, filter)
            for bank in sorted(one, key=order.index)
            for filter in _members(one[bank], bank, banks[bank], f"sets[{place}]")
        ]
        found.append(tuple(members))
    _check_once(found, "sets")
    return found


def bank_names(sets: Any) -> list[str]:
    """Return the names of the banks that mappings have, whether or not there are such banks."""
    each = [one for one in listed(sets) if isinstance(one, Mapping)]
    names = list(dict.fromkeys(name for one in each for name in one))
    if wrong := [name for name in names if not isinstance(name, str)]:
        raise TypeError(
            "With layer=None sets are mappings from a bank's name; found "
            f"{found_words(wrong[0])} as a name."
        )
    return names


def listed(sets: Any, name: str = "sets") -> list[Any]:
    """Return what was given as a list, which is run through more than once.

    Errors are those of `check_sets`.
    """
    if not isinstance(sets, Iterable) or isinstance(sets, (str, bytes, Mapping)):
        words = found_words(sets)
        one = name == "sets" and isinstance(sets, Mapping)
        meant = f" Did you mean a list of it, [{words}]?" if one else ""
        raise TypeError(f"{name} are a list of {name} of filters; found {words}.{meant}")
    given = list(sets)
    if not given:
        raise ValueError(f"{name} are one {_one(name)} at least; found an empty list.")
    if all(is_whole(one) for one in given):
        raise TypeError(
            f"{name} are lists of lists; found {found_words(sets)}. Did you mean "
            f"[{[int(one) for one in given][:8]}]?"
        )
    return given


def _members(one: Any, layer: str, count: int, name: str) -> Filters:
    if isinstance(one, Iterable) and not isinstance(one, (str, bytes, Mapping)):
        one = list(one)
        if not one:
            least = "two filters" if name.startswith("pairs") else "a filter at least"
            raise ValueError(f"A {_one(name.partition('[')[0])} has {least}; {name} is empty.")
    once = "in a pair" if name.startswith("pairs") else "in a set"
    return tuple(sorted(check_filters(one, count, layer, name, once=once)))


def _check_once(found: Sequence[Any], name: str) -> None:
    seen: dict[Any, int] = {}
    for place, one in enumerate(found):
        if one in seen:
            raise ValueError(
                f"Each {_one(name)} is measured once, in whatever order its filters stand; "
                f"{name}[{place}] is {name}[{seen[one]}] again. Leave one out."
            )
        seen[one] = place


def _one(name: str) -> str:
    """Return what one of them is called: a set or a pair."""
    return name.removesuffix("s")
