"""What is left of the accuracy as filters go: one line a criterion, crisp in either theme.

The same as `carviz.plot_paths` shows on paper; here as SVG, in the colours of the page.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from carviz.explorer.scatter import Scale, round_ticks
from carviz.results import PruningPath
from carviz.wording import NONE, criterion_words, percent

WIDTH, HEIGHT = 450, 316
LEFT, RIGHT, TOP, BOTTOM = 54, 12, 12, 46
MARKS = 7
"""Marks along a line: with its dashes they tell it from the others without its colour."""
DASHES = {
    "car": "", "car-once": "12 4", "l1": "7 4", "l2": "10 4 2 4", "taylor": "3 3",
    "apoz": "14 4 3 4", "random": "1 4",
}  # fmt: skip
SHAPES = {
    "car": "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0 -10 0z",
    "car-once": "M0 -6L6 0L0 6L-6 0z",
    "l1": "M0 -6L6 5H-6z",
    "l2": "M0 6L6 -5H-6z",
    "taylor": "M-4.5 -4.5H4.5V4.5H-4.5z",
    "apoz": "M-2 -6H2V-2H6V2H2V6H-2V2H-6V-2H-2z",
    "random": "M-5 -5L5 5M5 -5L-5 5",
}
SAMPLE = 38
"""Width of a line's sample in the legend."""


def across(filters: int) -> Scale:
    """Return where a number of pruned filters stands in the drawing."""
    return Scale(0, filters, LEFT, WIDTH - RIGHT)


def curve_drawing(paths: Sequence[PruningPath], count: int) -> str:
    """Return the lines of all paths, the first one strongest, with a place marked."""
    first = paths[0]
    x, y = across(first.filters), Scale(0, 100, HEIGHT - BOTTOM, TOP)
    at = f"{x(count):.1f}"
    place = f'<line class="cv-place" x1="{at}" x2="{at}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
    parts = [_axes(x, y, first.filters), place, _levels(first, y)]
    parts += [_line(path, x, y, i) for i, path in reversed(list(enumerate(paths)))]
    for path in reversed(paths):
        if count <= len(path):
            high = y(100 * float(path.accuracy[count]))
            parts.append(_mark(path.criterion, x(count), high, "cv-here"))
    said = _describe(paths, count)
    return (
        f'<div class="cv-curve"><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(said)}">' + "".join(parts) + "</svg></div>"
    )


def legend(paths: Sequence[PruningPath], count: int) -> str:
    """Return what each line is, and the accuracy it has left at the place."""
    rows = []
    for i, path in enumerate(paths):
        value = percent(path.accuracy[count]) if count <= len(path) else NONE
        sample = (
            f'<svg viewBox="0 0 {SAMPLE} 18" width="{SAMPLE}" height="18" aria-hidden="true">'
            f'<path class="cv-path cv-by-{path.criterion}" d="M2 9H{SAMPLE - 2}" '
            f'stroke-dasharray="{DASHES.get(path.criterion, "")}"/>'
            f"{_mark(path.criterion, SAMPLE / 2, 9)}</svg>"
        )
        first = ' class="cv-first"' if i == 0 else ""
        name = escape(criterion_words(path))
        rows.append(f"<tr{first}><td>{sample}</td><th scope=row>{name}</th><td>{value}</td></tr>")
    head = f"Right after {count} pruned"
    return f'<table class="cv-legend"><caption>{head}</caption>{"".join(rows)}</table>'


def _axes(x: Scale, y: Scale, filters: int) -> str:
    parts = []
    for value in (0, 25, 50, 75, 100):
        high = y(value)
        line = "cv-grid" if value else "cv-zero-line"
        parts.append(
            f'<line class="{line}" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{high}" y2="{high}"/>'
            f'<text x="{LEFT - 7}" y="{high + 5}" text-anchor="end">{value}%</text>'
        )
    for tick in round_ticks(0, filters):
        if tick != int(tick):
            continue
        at = f"{x(tick):.1f}"
        foot = HEIGHT - BOTTOM
        parts.append(
            f'<line class="cv-tick" x1="{at}" x2="{at}" y1="{foot}" y2="{foot + 5}"/>'
            f'<text x="{at}" y="{foot + 20}" text-anchor="middle">{tick:.0f}</text>'
        )
    middle, words = (LEFT + WIDTH - RIGHT) / 2, f"filters pruned, of {filters}"
    parts.append(f'<text x="{middle}" y="{HEIGHT - 6}" text-anchor="middle">{words}</text>')
    return "".join(parts)


def _levels(first: PruningPath, y: Scale) -> str:
    """Return the accuracy of always answering the commonest class, as a dotted line."""
    at, chance = y(100 * first.one_answer), percent(first.one_answer)
    return (
        f'<line class="cv-threshold" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>'
        f'<text x="{LEFT + 6}" y="{at - 6:.1f}">one answer for all {chance}</text>'
    )


def _line(path: PruningPath, x: Scale, y: Scale, place: int) -> str:
    heights = 100 * path.accuracy
    corners = " ".join(f"{x(n):.1f},{y(float(high)):.1f}" for n, high in enumerate(heights))
    every = math.ceil(path.filters / MARKS)
    marks = (
        _mark(path.criterion, x(n), y(float(heights[n])))
        for n in range(place % every, len(heights), every)
    )
    return (
        f'<polyline class="cv-path cv-by-{escape(path.criterion)}" points="{corners}" '
        f'stroke-dasharray="{DASHES.get(path.criterion, "")}"/>' + "".join(marks)
    )


def _mark(criterion: str, x: float, y: float, more: str = "") -> str:
    shape = SHAPES.get(criterion, SHAPES["car"])
    grown = " scale(1.5)" if more else ""
    return (
        f'<path class="cv-point cv-by-{escape(criterion)} {more}" '
        f'transform="translate({x:.1f} {y:.1f}){grown}" d="{shape}"/>'
    )


def _describe(paths: Sequence[PruningPath], count: int) -> str:
    told = (
        f"{criterion_words(path)} {percent(path.accuracy[count])}"
        for path in paths
        if count <= len(path)
    )
    return f"Accuracy after {count} of {paths[0].filters} filters: {', '.join(told)}."
