"""Filters of one bank that were pruned: numbers that a reader gives, or a path."""

from __future__ import annotations

from collections.abc import Iterable

from carviz.checks import check_filters
from carviz.results.pruning_path import PruningPath


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
        return check_filters(pruned, count, layer, "pruned filters", once="pruned")
    sizes = dict(zip(pruned.banks, pruned.bank_sizes.tolist(), strict=True))
    if sizes.get(layer) != count:
        found = ", ".join(f"{bank!r} ({size} filters)" for bank, size in sizes.items())
        raise ValueError(
            f"The path prunes {layer!r} with its {count} filters, alone or beside other banks; "
            f"found a path of {found}. carviz.prune_filters(model, data, {layer!r}) gives one."
        )
    return [filter for bank, filter in pruned.steps if bank == layer]
