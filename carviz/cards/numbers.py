"""How a page writes numbers and kinds."""

from __future__ import annotations

from typing import Any

from carviz.cards.html import td
from carviz.plots.style import (
    KIND_LETTERS,
    interval_words,
    points,
)
from carviz.results import SelectivityTable

NUMBERS_NOTE = (
    "CAR is the accuracy that the network loses without the filter, in percentage points; above "
    "zero means that the filter helps. Intervals are 95% (Agresti and Min, paired proportions); "
    "p is the exact two-sided sign test on lost against gained; q is p adjusted for {family} "
    "(Benjamini and Hochberg)."
)


def badge(selectivity: SelectivityTable, filter: int) -> str:
    """Return whether a filter selects colour or shape, as a badge."""
    kind = str(selectivity.kind[filter])
    index = "" if kind == "dead" else f" colour index {selectivity.color_index[filter]:.2f}"
    return f"{kind_words(kind)}{index}"


def kind_words(kind: str) -> str:
    """Write a kind as a coloured mark with its letter and its name: never by colour alone."""
    return (
        f'<span class="kind {kind}"><span aria-hidden="true">{KIND_LETTERS[kind]}</span> '
        f"{kind}</span>"
    )


def number_cells(row: Any, counts: tuple[str, ...] = ("lost", "gained", "images")) -> list[str]:
    """Return the cells of a row of CAR: the value, its counts, interval, p and q."""
    return [
        td(points(row["car"], unit=False)),
        td(interval_words(row["low"], row["high"]).removesuffix(" points")),
        *(td(f"{int(row[name]):,}") for name in counts),
        *(td(_probability(row[name])) for name in ("p_value", "q_value")),
    ]


def _probability(p: float) -> str:
    return "&lt;0.001" if p < 0.001 else f"{p:.2g}" if p < 0.0995 else f"{p:.2f}"
