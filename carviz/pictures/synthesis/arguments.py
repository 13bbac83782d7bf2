"""Arguments as they are needed, or an error that says what they can be."""

from __future__ import annotations

from typing import Any

import numpy as np

from carviz.checks import check_filter
from carviz.pictures.synthesis.objectives import OBJECTIVES


def check_filters(filters: Any, count: int, layer: str) -> tuple[int, ...]:
    """Return the numbers of the filters asked for: one, several, or all for None."""
    if filters is None:
        return tuple(range(count))
    numbers = [filters] if _is_number(filters) else filters
    try:
        numbers = list(numbers)
    except TypeError:
        numbers = [filters]
    if isinstance(filters, str) or not all(_is_number(number) for number in numbers):
        raise TypeError(
            "filter is a filter's number in its bank, several of them, or None for all; "
            f"found {filters!r}."
        )
    if not numbers:
        raise ValueError("filter names one filter at least; found none. Give None for all.")
    for number in numbers:
        check_filter(number, count, layer)
    return tuple(int(number) for number in numbers)


def check_count(number: Any, name: str, least: int) -> int:
    """Return a whole number of `least` at least."""
    if not _is_number(number):
        raise TypeError(f"{name} is a whole number; found {number!r}.")
    if number < least:
        raise ValueError(f"{name} is {least} at least; found {number}.")
    return int(number)


def check_objective(objective: Any) -> str:
    """Return the name of an objective."""
    if not isinstance(objective, str) or objective not in OBJECTIVES:
        known = ", ".join(map(repr, OBJECTIVES))
        kind = ValueError if isinstance(objective, str) else TypeError
        raise kind(f"objective is one of {known}; found {objective!r}.")
    return objective


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)
