"""Cumulative curves: filters removed by their importance, up and down, in the band of chance."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from carviz.plots.accuracy import (
    CHANCE,
    MARKS,
    NOT_FROM_ZERO,
    WHOLE,
    accuracy_axes,
    draw_band,
    held_out_look,
    starts_at_zero,
)
from carviz.plots.classes import MARGIN
from carviz.plots.labels import FAN, SWATCH, Label, column_widths, draw_labels
from carviz.plots.style import (
    BODY,
    EDGE,
    PAPER,
    SMALL,
    SOFT,
    TITLE,
    CarvizFigure,
    fit_heading,
    fit_names,
    write_at,
)
from carviz.results import CumulativeTable, Curves
from carviz.wording import CRITERIA, band_words, counted, names_words, percent

WIDTH, HEIGHT = 13.2, 7.6
TOP = 1.65
AXIS = 1.05
NOTE = 0.27
MOST_OF_NAME = 3.2
RANDOM = "#6B6B6B"
LOOKS: dict[str, dict[str, Any]] = {
    "up": {"color": EDGE, "marker": "^", "linewidth": 3.2, "markersize": 9},
    "down": {"color": "#A63C00", "marker": "v", "linewidth": 3.2, "markersize": 9},
    "random": {"color": RANDOM, "marker": "X", "linewidth": 1.7, "markersize": 7},
}
NAMES = {"up": "up: least important first", "down": "down: most important first"}
HEADS = ["area", "above"]


def plot_cumulative(table: CumulativeTable) -> CarvizFigure:
    """Show what is left as filters go by their importance, up and down, beside random orders.

    Three lines: up removes the least important filters first, down the most important first, and
    the third is the mean of the random orders, in a band from the lowest to the highest at each
    step. At their ends stand the areas under them, their mean accuracy, and how many of the random
    orders have a smaller one. Held-out images are dashed, in the same colours, with hollow marks.

    Parameters
    ----------
    table
        What `carviz.measure_cumulative` returns.

    Returns
    -------
    CarvizFigure
        A matplotlib Figure, not shown, that Jupyter displays.

    Raises
    ------
    TypeError
        If `table` is no CumulativeTable.

    Examples
    --------
    >>> import carviz
    >>> model, data = carviz.load_model("shapes"), carviz.load_data("shapes", limit=2)
    >>> table = carviz.measure_cumulative(
    ...     model, data, "features.0", criterion="l2", draws=2, count=4, progress=False
    ... )
    >>> carviz.plot_cumulative(table).description.split(". ")[0]
    'Removing filters of features.0 by L2 norm'
    """
    if not isinstance(table, CumulativeTable):
        raise TypeError(
            "A plot of cumulative curves shows a CumulativeTable, which carviz.measure_cumulative "
            f"returns or CumulativeTable.load reads; found {type(table).__name__}."
        )
    curves, held = table.curves, table.held_out
    figure = CarvizFigure(WIDTH, HEIGHT)
    ranked = f"by {CRITERIA.get(table.criterion, table.criterion)}"
    ranked = "in a given order" if table.criterion == "given" else ranked
    banks, room = names_words(table.banks), WIDTH - 2 * MARGIN
    heading = fit_heading(figure, banks, f" {ranked}", room, before="Removing filters of ")
    write_at(figure, MARGIN, 0.42, heading, fontsize=TITLE, weight="bold")
    whole = _whole_words(curves, held)
    write_at(figure, MARGIN, 0.82, whole, color=SOFT)
    sets = [("", curves)] + ([(", held out", held)] if held is not None else [])
    every = [_lines(shown) for _, shown in sets]
    lowest = 100 * min(float(line.min()) for lines in every for line in lines.values())
    from_zero = starts_at_zero(lowest, 100 * curves.up[0])
    labels = [label for more, shown in sets for label in _labels(shown, more)]
    level = 100 * float(curves.up[0])
    labels.append(Label((level, level), _level("whole network", curves.up[0]), [], WHOLE))
    if from_zero:
        one = curves.one_answer
        labels.append(Label((100 * one, 0), _level("one answer for all", one), [], CHANCE))
    for label in labels:
        label.values.extend([""] * (len(HEADS) - len(label.values)))
    names = fit_names(figure, [label.name for label in labels], MOST_OF_NAME, BODY)
    widths = column_widths(figure, labels, names, HEADS)
    notes = _notes(table, from_zero)
    height = HEIGHT - TOP - AXIS - NOTE * len(notes)
    left, width = MARGIN + 0.75, WIDTH - 2 * MARGIN - 0.75 - FAN - SWATCH - sum(widths)
    axes = accuracy_axes(
        figure, (left, TOP, width, height),
        filters=len(table.order), banks=len(table.banks), steps=len(table), low=lowest,
        high=100 * max(float(line.max()) for lines in every for line in lines.values()),
        from_zero=from_zero,
    )  # fmt: skip
    draw_band(axes, 100 * curves.random, RANDOM)
    for (more, _), lines in reversed(list(zip(sets, every, strict=True))):
        _draw(axes, lines, bool(more))
    axes.axhline(100 * curves.up[0], zorder=1, **WHOLE)
    if from_zero:
        axes.axhline(100 * curves.one_answer, zorder=1, **CHANCE)
    draw_labels(axes, labels, names, HEADS, widths)
    for i, note in enumerate(reversed(notes)):
        write_at(figure, MARGIN, HEIGHT - 0.24 - NOTE * i, note, fontsize=SMALL, color=SOFT)
    told = [
        f"{label.name}: area {label.values[0]}"
        + (f", above {label.values[1]} random orders" if label.values[1] else "")
        for label in labels
        if label.values[0]
    ]
    figure.description = ". ".join([heading, whole, *told]) + "."
    return figure


def _lines(curves: Curves) -> dict[str, Any]:
    return {"up": curves.up, "down": curves.down, "random": curves.band.mean}


def _labels(curves: Curves, more: str) -> list[Label]:
    """Return what stands at the ends of the lines of one set of images."""
    labels = []
    for name, line in _lines(curves).items():
        look = _look(name, bool(more))
        area = float(line.mean())
        drawn = len(curves.band)
        words = f"{name}{more}" if more else NAMES.get(name, f"random (mean of {drawn})")
        values = [percent(area)]
        values += [] if name == "random" else [f"{curves.above(area)} of {drawn}"]
        labels.append(Label((100 * float(line[-1]), 100 * area), words, values, look, not more))
    return labels


def _draw(axes: Axes, lines: dict[str, Any], held: bool) -> None:
    for place, name in enumerate(("random", "down", "up")):  # what matters most on top
        line = lines[name]
        every = max(1, math.ceil((len(line) - 1) / MARKS))
        marks = (int(place / 3 * every), every)
        look = _look(name, held)
        axes.plot(np.arange(len(line)), 100 * line, markevery=marks, clip_on=False, **look)


def _look(name: str, held: bool) -> dict[str, Any]:
    look = held_out_look(LOOKS[name]) if held else LOOKS[name]
    return {"markeredgecolor": PAPER, "markeredgewidth": 0.8, **look}


def _level(words: str, accuracy: float) -> str:
    return f"{words} {percent(accuracy)}"


def _whole_words(curves: Curves, held: Curves | None) -> str:
    words = f"Whole network: {percent(curves.up[0])} right on {counted(curves.images, 'image')}"
    if held is not None:
        words += f", {percent(held.up[0])} on {counted(held.images, 'held-out image')}"
    return words


def _notes(table: CumulativeTable, from_zero: bool) -> list[str]:
    notes = [] if from_zero else [NOT_FROM_ZERO]
    notes.append(band_words(table.curves.band))
    if table.chosen_on == "these images":
        others = "on others its lines can lie nearer to the band."
        if table.held_out is not None:
            others = "the dashed lines are of images that had no part in it."
        notes.append(f"The ranking was chosen on these same images, which flatters it: {others}")
    elif table.held_out is not None:
        notes.append("Dashed, hollow marks: the same orders on held-out images.")
    notes.append("area: mean accuracy along the line.  above: random orders with a smaller area.")
    return notes
