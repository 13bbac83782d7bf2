"""Numbers of filters that a reader gives, checked; or those that a pruning path holds."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from carviz.results.pruning_path import PruningPath


def check_filters(filters: Iterable[int], name: str, layer: str, count: int) -> list[int]:
    """Return numbers of a bank's filters as a list.

    Parameters
    ----------
    filters
        What was given.
    name
        How the argument is called.
    layer, count
        The bank, and how many filters it has.

    Raises
    ------
    TypeError, ValueError
        If they are no numbers, or not of that bank.
    """
    if not isinstance(filters, Iterable) or isinstance(filters, (str, bytes)):
        raise TypeError(f"{name} are filters' numbers; found {filters!r}, not a list.")
    given = list(filters)
    wrong = [i for i in given if isinstance(i, bool) or not isinstance(i, (int, np.integer))]
    if wrong:
        raise TypeError(f"A filter is its number in the bank; found {wrong[0]!r}.")
    outside = [i for i in given if not 0 <= i < count]
    if outside:
        raise ValueError(
            f"A filter is a number in its bank; {layer!r} has filters 0 to {count - 1}; "
            f"found {outside[0]}."
        )
    return [int(i) for i in given]


def pruned_filters(pruned: PruningPath | Iterable[int], layer: str, count: int) -> list[int]:
    """Return the filters of one bank that were pruned, in the order in which they went.

    Parameters
    ----------
    pruned
        A `PruningPath` whose banks include this one, or numbers of filters.
    layer, count
        The bank, and how many filters it has.

    Raises
    ------
    TypeError, ValueError
        If they are not of that bank, or one is named twice.
    """
    if not isinstance(pruned, PruningPath):
        numbers = check_filters(pruned, "pruned filters", layer, count)
        if len(set(numbers)) < len(numbers):
            twice = next(i for i in numbers if numbers.count(i) > 1)
            raise ValueError(f"Each filter is pruned once; found {twice} twice.")
        return numbers
    sizes = dict(zip(pruned.banks, pruned.bank_sizes.tolist(), strict=True))
    if sizes.get(layer) != count:
        found = ", ".join(f"{bank!r} ({size} filters)" for bank, size in sizes.items())
        raise ValueError(
            f"The path prunes {layer!r} with its {count} filters, alone or beside other banks; "
            f"found a path of {found}. carviz.prune_filters(model, data, {layer!r}) gives one."
        )
    return [filter for bank, filter in pruned.steps if bank == layer]
