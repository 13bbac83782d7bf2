"""A bank's filters by two readings of their colour: one panel of points, and what it says."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from carviz.plots.style import (
    BODY,
    BOLD,
    HEAD,
    INK,
    KIND_COLORS,
    KIND_MARKERS,
    PAPER,
    SMALL,
    SOFT,
    CarvizFigure,
    bare,
    box,
    fit,
    width_of,
    write,
    write_at,
)
from carviz.results import SelectivityTable

HEAD_ROOM, AXIS_ROOM, LEFT_ROOM = 0.75, 0.85, 0.85
"""Inches above a panel's plot, below it, and left of it."""
STRIP = 0.13
"""Share of the unit range above and below it, for what the quarters mean."""
NUMBERED = 4
MANY = 100
CLOSE, CLUMP = 0.02, 5
"""How far apart marks still hide one another, and of how many of them the number is told."""
ALIKE = (
    (0.9, "nearly alike"),
    (0.7, "much alike"),
    (0.4, "somewhat alike"),
    (-0.4, "hardly alike"),
)
"""From which rank correlation on two orders are called so; below all, they are opposite."""
WORDS = {
    (0.0, 1.0): "colour by answers only",
    (1.0, 1.0): "colour by both",
    (0.0, 0.0): "shape by both",
    (1.0, 0.0): "colour by weights only",
}
"""What the quarters of a panel mean."""
REACH = 8
"""Pixels that a mark or its ring reaches from its place."""
NARROW = 4.0
"""Inches of a panel in which these words are shortened."""


def draw_panel(
    figure: CarvizFigure,
    table: SelectivityTable,
    left: float,
    top: float,
    width: float,
    height: float,
) -> str:
    """Draw one bank, and return in words what is drawn."""
    lines = _panel_lines(table)
    name = fit(figure, table.layer, BOLD * width, HEAD)
    write_at(figure, left, top + 0.1, name, fontsize=HEAD, weight="bold")
    edge = left + width_of(figure, name, HEAD, weight="bold") + 0.25
    told = f"{table.layer}: {'; '.join(lines)}."
    if edge + width_of(figure, lines[0], BODY) < left + width:
        write_at(figure, edge, top + 0.1, lines[0])
        lines = lines[1:]
    for i, line in enumerate(lines):
        line = fit(figure, line, width, BODY)
        write_at(figure, left, top + 0.1 + 0.28 * (i + 1), line, color=SOFT)
    axes = bare(
        box(figure, left + LEFT_ROOM, top + HEAD_ROOM, width - LEFT_ROOM, height),
        keep="left bottom",
    )
    _draw_ground(axes, table)
    numbered = _draw_points(axes, table)
    if numbered:
        told += f" Farthest from agreeing: filters {', '.join(map(str, numbered))}."
    return told


def _draw_ground(axes: Axes, table: SelectivityTable) -> None:
    """Draw the thresholds, and name the quarters they make in strips above and below."""
    axes.set_xlim(-0.06, 1.06)
    axes.set_ylim(-STRIP, 1 + STRIP)
    ticks = [0.0, 0.25, 0.5, 0.75, 1.0]
    axes.set_xticks(ticks, ["0", "0.25", "0.5", "0.75", "1"])
    axes.set_yticks(ticks, ["0", "0.25", "0.5", "0.75", "1"])
    axes.spines["left"].set_bounds(0, 1)
    own = table.reading == "weights"
    axes.set_xlabel(
        f"colour index of its {'' if own else 'effective '}weights", fontsize=BODY, color=INK
    )
    axes.set_ylabel("activation index", fontsize=BODY, color=INK)
    dashes: dict[str, Any] = {"color": SOFT, "linewidth": 1.2, "linestyle": (0, (5, 4))}
    axes.plot([table.threshold] * 2, [0, 1], **dashes)
    axes.plot([-0.06, 1.06], [table.activation_threshold] * 2, **dashes)
    narrow = axes.get_window_extent().width < NARROW * axes.figure.dpi
    for (x, y), words in WORDS.items():
        words = words.removeprefix("colour ") if narrow and x != y else words
        write(
            axes, -0.04 + 1.08 * x, y + (0.6 * STRIP if y else -0.6 * STRIP), words,
            fontsize=SMALL, color=SOFT, ha="right" if x else "left",
        )  # fmt: skip


def _draw_points(axes: Axes, table: SelectivityTable) -> list[int]:
    """Draw the filters, ring those the readings differ on, and return those that are numbered."""
    both = table.read_both_ways
    size = 9 if both.sum() <= MANY else 6
    x, y = table.color_index, table.activation_index
    for kind, marker in KIND_MARKERS.items():
        its = both & (table.kind == kind)
        axes.plot(
            x[its], y[its], marker, color=KIND_COLORS[kind], markersize=size,
            markeredgecolor=PAPER, markeredgewidth=0.7,
        )  # fmt: skip
    odd = table.disagrees
    axes.plot(
        x[odd], y[odd], "o", mfc="none", mec=INK, mew=1.6, markersize=size + 4, linestyle="none"
    )
    far = np.minimum(np.abs(x - table.threshold), np.abs(y - table.activation_threshold))
    outermost = sorted(np.flatnonzero(odd).tolist(), key=lambda i: -far[i])[:NUMBERED]
    _count_clumps(axes, x[both], y[both])
    points = np.column_stack([x[both], y[both]])
    return [i for i in outermost if _number(axes, i, (x[i], y[i]), points)]


def _count_clumps(axes: Axes, x: NDArray[np.float64], y: NDArray[np.float64]) -> None:
    """Write beside marks that lie on one another how many they are, where nothing else is near."""
    points = np.column_stack([x, y])
    places = np.round(points / CLOSE)
    for place, count in zip(*np.unique(places, axis=0, return_counts=True), strict=True):
        if count >= CLUMP:
            others = points[(places != place).any(axis=1)]
            at = (CLOSE * place[0], CLOSE * place[1])
            sides = (-10, 10) if at[0] > 0.5 else (10, -10)
            _label(axes, f"{count} filters", at, [(side, 0) for side in sides], others)


def _number(axes: Axes, filter: int, at: tuple[float, float], points: NDArray[np.float64]) -> bool:
    """Write a filter's number beside its mark, if there is room; say whether there is."""
    around = [(10, 0), (-10, 0), (0, 14), (0, -14)]
    return _label(axes, str(filter), at, around, points, weight="bold")


def _label(
    axes: Axes,
    words: str,
    at: tuple[float, float],
    sides: list[tuple[int, int]],
    points: NDArray[np.float64],
    **style: Any,
) -> bool:
    """Write words at the first side, in points, where they hide neither words nor marks."""
    taken = [text.get_window_extent() for text in axes.texts]
    marks = axes.transData.transform(points)
    for side in sides:
        label = axes.annotate(
            words, at, xytext=side, textcoords="offset points", parse_math=False, va="center",
            ha="center" if not side[0] else "left" if side[0] > 0 else "right",
            color=INK, fontsize=SMALL, **style,
        )  # fmt: skip
        extent = label.get_window_extent()
        room = extent.padded(REACH)
        hides = ((marks > room.min) & (marks < room.max)).all(axis=1).any()
        inside = axes.get_window_extent().x1 >= extent.x1
        if inside and not hides and not any(extent.overlaps(other) for other in taken):
            return True
        label.remove()
    return False


# -- what is said


def alike_words(correlation: float) -> str:
    """Write how alike two orders are, by their rank correlation."""
    if math.isnan(correlation):
        return "no rank correlation: too few filters, or all the same"
    return next((words for least, words in ALIKE if correlation >= least), "opposite")


def _panel_lines(table: SelectivityTable) -> list[str]:
    """Write of a bank how alike the readings rank its filters, and how many they call the same."""
    both, disagree = table.read_both_ways, int(table.disagrees.sum())
    correlation = table.rank_correlation()
    lines = [
        alike_words(correlation)
        if math.isnan(correlation)
        else f"{alike_words(correlation)}: rank correlation {correlation:.2f}"
    ]
    counts = f"{int(both.sum()) - disagree} agree, {disagree} disagree"
    left_out = len(both) - int(both.sum())
    return [*lines, counts + (f", {left_out} not read" if left_out else "")]
