"""What is left of the accuracy as filters go: one line a criterion, crisp in either theme.

The same as `carviz.plot_paths` shows on paper; here as SVG, in the colours of the page.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from carviz.explorer.scatter import Scale, round_ticks
from carviz.results import PruningPath, RandomBand
from carviz.wording import NONE, band_words, counted, criterion_words, percent, share_words

Floats = NDArray[np.float64]
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
HELD = "9 6"
"""Dashes of the line of held-out images."""
HELD_OUT = "the same, held out"
SAMPLE = 38
"""Width of a line's sample in the legend."""


def across(filters: int) -> Scale:
    """Return where a number of pruned filters stands in the drawing."""
    return Scale(0, filters, LEFT, WIDTH - RIGHT)


def curve_drawing(
    paths: Sequence[PruningPath],
    count: int,
    band: RandomBand | None = None,
    held_out: PruningPath | None = None,
) -> str:
    """Return the lines of all paths, the first one strongest, with a place marked.

    Random orders are a band from the lowest to the highest, with their mean; the first path's order
    on held-out images is dashed in its colour.
    """
    first = paths[0]
    x, y = across(first.filters), Scale(0, 100, HEIGHT - BOTTOM, TOP)
    at = f"{x(count):.1f}"
    place = f'<line class="cv-place" x1="{at}" x2="{at}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
    parts = [_axes(x, y, first.filters), place, _levels(first, y)]
    if band is not None:
        parts.append(_band(band, x, y))
        parts.append(_line("random", band.mean, first.filters, x, y, len(paths)))
    for i, path in reversed(list(enumerate(paths))):
        parts.append(_line(path.criterion, path.accuracy, path.filters, x, y, i))
    if held_out is not None:
        parts.append(_polyline("car", held_out.accuracy, x, y, HELD, "cv-held"))
    for path in reversed(paths):
        if count <= len(path):
            high = y(100 * float(path.accuracy[count]))
            parts.append(_mark(path.criterion, x(count), high, "cv-here"))
    said = _describe(paths, count, band, held_out)
    return (
        f'<div class="cv-curve"><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(said)}">' + "".join(parts) + "</svg></div>"
    )


def legend(
    paths: Sequence[PruningPath],
    count: int,
    band: RandomBand | None = None,
    held_out: PruningPath | None = None,
) -> str:
    """Return what each line is, and the accuracy it has left at the place."""
    rows = []
    for i, path in enumerate(paths):
        value = percent(path.accuracy[count]) if count <= len(path) else NONE
        mark = _mark(path.criterion, SAMPLE / 2, 9)
        sample = _sample(path.criterion, DASHES.get(path.criterion, ""), mark)
        rows.append(_row(sample, criterion_words(path), value, first=i == 0))
        if i == 0 and held_out is not None:
            value = percent(held_out.accuracy[count]) if count <= len(held_out) else NONE
            rows.append(_row(_sample("car", HELD, "", "cv-held"), HELD_OUT, value))
    if band is not None:
        value, more = NONE, f"{len(band)} orders"
        if count <= band.steps:
            low, high = share_words(band.lowest[count]), share_words(band.highest[count])
            value, more = percent(band.mean[count]), f"{more}: {low} to {high}"
        sample = _sample("random", DASHES["random"], _mark("random", SAMPLE / 2, 9))
        rows.append(_row(sample, "random", value, more=more))
    head = f"Right after {count} pruned"
    table = f'<table class="cv-legend"><caption>{head}</caption>{"".join(rows)}</table>'
    said = escape(" ".join(_notes(paths[0], band, held_out)))
    return f'{table}<p class="cv-caveat">{said}</p>'


def _notes(path: PruningPath, band: RandomBand | None, held_out: PruningPath | None) -> list[str]:
    """Return what a reader should know of the lines."""
    notes = []
    if len(path):
        chosen = f"CAR chose its order on these {counted(len(path.targets), 'image')}"
        others = "on others its line can lie lower."
        if held_out is not None:
            others = f"the dashed line is of {counted(len(held_out.targets), 'other')}."
        tied = f"A tie decided {share_words(path.tie_share)} of its steps."
        notes += [f"{chosen}: {others}", tied]
    return notes + ([] if band is None else [band_words(band)])


def _row(sample: str, name: str, value: str, first: bool = False, more: str = "") -> str:
    strong = ' class="cv-first"' if first else ""
    small = f"<br><small>{more}</small>" if more else ""
    head = f"<th scope=row>{escape(name)}{small}</th>"
    return f"<tr{strong}><td>{sample}</td>{head}<td>{value}</td></tr>"


def _sample(criterion: str, dashes: str, mark: str, more: str = "") -> str:
    return (
        f'<svg viewBox="0 0 {SAMPLE} 18" width="{SAMPLE}" height="18" aria-hidden="true">'
        f'<path class="cv-path cv-by-{criterion} {more}" d="M2 9H{SAMPLE - 2}" '
        f'stroke-dasharray="{dashes}"/>{mark}</svg>'
    )


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


def _line(criterion: str, accuracy: Floats, filters: int, x: Scale, y: Scale, place: int) -> str:
    every = math.ceil(filters / MARKS)
    marks = (
        _mark(criterion, x(n), y(100 * float(accuracy[n])))
        for n in range(place % every, len(accuracy), every)
    )
    line = _polyline(criterion, accuracy, x, y, DASHES.get(criterion, ""))
    return line + "".join(marks)


def _polyline(
    criterion: str, accuracy: Floats, x: Scale, y: Scale, dashes: str, more: str = ""
) -> str:
    return (
        f'<polyline class="cv-path cv-by-{escape(criterion)} {more}" '
        f'points="{_corners(accuracy, x, y)}" stroke-dasharray="{dashes}"/>'
    )


def _corners(accuracy: Floats, x: Scale, y: Scale) -> str:
    return " ".join(f"{x(n):.1f},{y(100 * float(high)):.1f}" for n, high in enumerate(accuracy))


def _band(band: RandomBand, x: Scale, y: Scale) -> str:
    """Return the area from the lowest to the highest random order at each place."""
    there = _corners(band.highest, x, y).split(" ")
    back = _corners(band.lowest, x, y).split(" ")[::-1]
    return f'<polygon class="cv-band" points="{" ".join([*there, *back])}"/>'


def _mark(criterion: str, x: float, y: float, more: str = "") -> str:
    shape = SHAPES.get(criterion, SHAPES["car"])
    grown = " scale(1.5)" if more else ""
    return (
        f'<path class="cv-point cv-by-{escape(criterion)} {more}" '
        f'transform="translate({x:.1f} {y:.1f}){grown}" d="{shape}"/>'
    )


def _describe(
    paths: Sequence[PruningPath],
    count: int,
    band: RandomBand | None,
    held_out: PruningPath | None,
) -> str:
    told = [
        f"{criterion_words(path)} {percent(path.accuracy[count])}"
        for path in paths
        if count <= len(path)
    ]
    if held_out is not None and count <= len(held_out):
        told.append(f"{HELD_OUT} {percent(held_out.accuracy[count])}")
    if band is not None and count <= band.steps:
        low, high = percent(band.lowest[count]), percent(band.highest[count])
        told.append(f"{counted(len(band), 'random order')} {low} to {high}")
    return f"Accuracy after {count} of {paths[0].filters} filters: {', '.join(told)}."
