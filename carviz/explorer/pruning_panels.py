"""Words and numbers of the pruning view, as HTML."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np

from carviz.ablation import in_short
from carviz.explorer.gallery import make_tile
from carviz.results import ColorCount, PruningPath, SelectivityTable, count_color
from carviz.session import Exported
from carviz.wording import color_words, kind_words, percent, points, share_words

SHOWN = 6
"""Classes in the list of what was lost."""


def tiles_in_order(
    path: PruningPath | None, count: int, selectivity: SelectivityTable | None, filters: int
) -> list[dict[str, Any]]:
    """Return a bank's tiles as they were pruned, then the ones that are left by number."""
    pruned = [] if path is None else path.order.tolist()
    left = sorted(set(range(filters)) - set(pruned))
    tiles = []
    for place, filter in enumerate([*pruned, *left], start=1):
        kind = "" if selectivity is None else str(selectivity.kind[filter])
        tile = make_tile(filter, kind, "")
        went = f"pruned as number {place}" if place <= len(pruned) else "not pruned"
        words = [f"Filter {filter}", kind_words(kind), went]
        tile["label"] = ", ".join(part for part in words if part)
        tiles.append({**tile, "out": place <= count})
    return tiles


def order_words(path: PruningPath | None, count: int, selectivity: SelectivityTable | None) -> str:
    """Return how many were pruned, and how many of them select colour, beside chance."""
    if path is None:
        heading, counts = "Nothing pruned yet: press “Prune greedily”.", ""
    else:
        heading = f"Pruned first: {count} of {path.filters}, in this order"
        counts = "" if selectivity is None or not count else _counts(path, count, selectivity)
    return f'<div class="cv-order"><h4>{heading}</h4>{counts}</div>'


def _counts(path: PruningPath, count: int, selectivity: SelectivityTable) -> str:
    steps, kinds = path.steps[:count], {selectivity.layer: selectivity}
    words = _share(count_color(steps, kinds))
    if selectivity.faint.any():
        words += f"; without the faint filters {_share(count_color(steps, kinds, faint=False))}"
    return f"<span>Colour-selective among them: {words}</span>"


def _share(count: ColorCount) -> str:
    """Write a count among the first pruned, and chance: the bank's own share."""
    if not count.drawn:
        return "none is left to count"
    return f"<b>{color_words(count)}</b>, by chance {share_words(count.chance)}"


def filter_words(path: PruningPath | None, filter: int) -> str:
    """Say when the chosen filter was pruned, and what was left then."""
    if path is None or filter not in path.order:
        return f"Filter {filter}: not pruned."
    place = int(np.flatnonzero(path.order == filter)[0])
    tie = ", decided by a tie" if path.decided_by_tie[place] else ""
    after = path.accuracy[place + 1]
    return f"Filter {filter}: pruned as number {place + 1}, {percent(after)} right then{tie}."


def lost_panel(path: PruningPath | None, count: int) -> str:
    """Return what is left at a place of the path, and which classes lost most."""
    if path is None:
        return ""
    accuracy = path.accuracy
    change = f", {points(accuracy[count] - accuracy[0])}" if count else ""
    return (
        '<section class="cv-lost"><div class="cv-car">'
        f"<b>{percent(accuracy[count])}</b><span>right{change}</span></div>"
        f"{_lost_classes(path, count)}</section>"
    )


def _lost_classes(path: PruningPath, count: int) -> str:
    columns = path.lost_columns(count)  # not the frame: a screen can do without pandas
    lost, images = int((columns["car"] > 0).sum()), columns["images"].tolist()
    if not lost:
        return "<h4>No class has lost accuracy.</h4>"
    same = len(set(images)) == 1
    rows = []
    for i in range(min(lost, SHOWN)):
        before, after = float(columns["before"][i]), float(columns["after"][i])
        name = escape(str(columns["class"][i]))
        last = "" if same else f"<td>{images[i]:,}</td>"
        rows.append(
            f'<tr><th scope="row" title="{name}">{name}</th>'
            f"<td>{_bar(before, after)}</td>"
            f"<td>{share_words(before)} → <b>{share_words(after)}</b></td>{last}</tr>"
        )
    each = f"of {images[0]:,} images each" if same else "last column: images"
    more = lost - SHOWN
    rest = f"and {more} more, " if more > 0 else ""
    return (
        "<h4>Classes that lost most</h4>"
        f'<table class="cv-forgotten">{"".join(rows)}</table><p>{rest}{each}</p>'
    )


def report_panel(done: Exported | None) -> str:
    """Return what became smaller in the network that was saved last."""
    if done is None:
        return ""
    a, b = done.report.before, done.report.after
    rows = [
        ("parameters", f"{a.parameters:,}", f"{b.parameters:,}"),
        ("multiply-adds", in_short(a.multiply_adds), in_short(b.multiply_adds)),
    ]
    body = "".join(
        f'<tr><th scope="row">{name}</th><td>{before} → <b>{after}</b></td></tr>'
        for name, before, after in rows
    )
    name = escape(done.path.name)
    return (
        f'<section class="cv-report"><h4 title="{escape(str(done.path))}">{name}</h4>'
        f"<table>{body}</table></section>"
    )


def _bar(before: float, after: float) -> str:
    """Return a bar of what a class had, filled as far as it still has it."""
    return (
        f'<span class="cv-had" aria-hidden="true" style="width:{100 * before:.1f}%">'
        f'<span style="width:{100 * after / max(before, 1e-9):.1f}%"></span></span>'
    )
