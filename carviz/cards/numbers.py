"""How a page writes numbers and kinds."""

from __future__ import annotations

from html import escape
from typing import Any

from carviz.cards.html import td
from carviz.results import SelectivityTable
from carviz.wording import (
    KIND_LETTERS,
    index_words,
    interval_words,
    kind_words,
    points,
    probability,
)

NUMBERS_NOTE = (
    "CAR is the accuracy that the network loses without the filter, in percentage points; above "
    "zero means that the filter helps. Intervals are 95% (Agresti and Min, paired proportions); "
    "p is the exact two-sided sign test on lost against gained; q is p adjusted for {family} "
    "(Benjamini and Hochberg)."
)


def badge(selectivity: SelectivityTable, filter: int) -> str:
    """Return whether a filter selects colour or shape, as a badge."""
    kind = str(selectivity.kind[filter])
    index = "" if kind == "dead" else f" {index_words(selectivity.color_index[filter])}"
    return f"{kind_mark(kind)}{index}"


def kind_mark(kind: str) -> str:
    """Write a kind as a coloured mark with its letter and its name: never by colour alone."""
    return (
        f'<span class="kind {kind}"><span aria-hidden="true">{KIND_LETTERS[kind]}</span> '
        f"{kind_words(kind)}</span>"
    )


def number_cells(row: Any, counts: tuple[str, ...] = ("lost", "gained", "images")) -> list[str]:
    """Return the cells of a row of CAR: the value, its counts, interval, p and q."""
    return [
        td(points(row["car"], unit=False)),
        td(interval_words(row["low"], row["high"], unit=False)),
        *(td(f"{int(row[name]):,}") for name in counts),
        *(td(escape(probability(row[name]))) for name in ("p_value", "q_value")),
    ]
