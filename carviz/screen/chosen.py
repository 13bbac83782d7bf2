"""The chosen filter in words: its kind, its CAR, its rank. A line is [before, strong, after]."""

from __future__ import annotations

from typing import Any

import numpy as np

from carviz.results import CarTable, FilterSummary, SelectivityTable
from carviz.session import Snapshot
from carviz.wording import (
    KIND_LETTERS,
    flips_words,
    index_words,
    interval_words,
    kind_words,
    place_words,
    points,
    rank_words,
    seen_words,
    share_words,
)

Line = list[str]
NOT_MEASURED = "CAR, the accuracy lost without it: not measured yet."


def chosen(shown: Snapshot) -> dict[str, Any]:
    """Return the chosen filter, in words.

    Returns
    -------
    dict
        filter; title and among ("of 32 in features.0"); kind, mark, kind_words and index (a line),
        "" where the filters are not told apart; reading (lines); car ("" before it is measured),
        partial ("32 of 800 images so far", else "") and facts (lines).
    """
    filter, kinds = shown.filter, shown.selectivity
    kind = "" if kinds is None else str(kinds.kind[filter])
    return {
        "filter": filter,
        "title": f"Filter {filter}",
        "among": f"of {shown.bank.filters} in {shown.layer}",
        "kind": kind,
        "mark": KIND_LETTERS.get(kind, ""),
        "kind_words": kind_words(kind) if kind else "",
        "index": ["", "", ""] if kinds is None else _index(kinds, filter),
        "reading": [] if kinds is None else _reading(kinds, filter),
        **_numbers(shown.table, filter, shown.bank.filters),
    }


def _index(kinds: SelectivityTable, filter: int) -> Line:
    words = index_words(kinds.color_index[filter])
    if str(kinds.kind[filter]) == "dead":
        return [words, "", ""]
    name, index = words.rsplit(" ", 1)
    return [f"{name} ", index, ""]


def _reading(kinds: SelectivityTable, filter: int) -> list[Line]:
    """Return the second reading of colour, and how the two disagree; nothing without it."""
    falls = float(kinds.activation_index[filter])
    if np.isnan(falls):
        return []
    words = share_words(falls)
    lines = [["Its answer falls by ", words, " on images made grey."]]
    if words == "0%":
        lines = [["Its answer stays the same on images made grey.", "", ""]]
    if kinds.disagrees[filter]:
        by_weights = kinds.color_index[filter] > kinds.threshold
        kind, other = ("colour", "shape") if by_weights else ("shape", "colour")
        lines.append(["The weights say ", kind, f", the answers {other}."])
    return lines


def _numbers(table: CarTable | None, filter: int, count: int) -> dict[str, Any]:
    if table is None or filter not in table.filters:
        return {"car": "", "partial": "", "facts": [[NOT_MEASURED, "", ""]]}
    found = table.summary(filter, k=0)
    return {
        "car": points(found.car, unit=False),
        "partial": "" if table.complete else seen_words(table),
        "facts": [
            [f"95% interval {interval_words(found.low, found.high)}", "", ""],
            [flips_words(found.lost, found.gained, found.images), "", ""],
            _rank(found, count),
        ],
    }


def _rank(found: FilterSummary, count: int) -> Line:
    if found.filters == 1:
        return ["rank: compute the bank to compare", "", ""]
    if not found.told_apart:
        words = place_words(found, count)  # a line of its own, and no rank
        return [f"{words[0].upper()}{words[1:]}.", "", ""]
    place, rest = rank_words(found, count).split(" ", 1)
    rest = rest.replace(" to ", "\u00a0to\u00a0")  # an interval is not broken at a line's end
    return ["rank ", place, f" {rest}"]
