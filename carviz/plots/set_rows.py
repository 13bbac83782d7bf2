"""Rows of numbers with intervals, one below another: what is told of sets and of pairs."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes

from carviz.plots.style import (
    BODY,
    INK,
    LINE,
    PAPER,
    CarvizFigure,
    bare,
    box,
    set_points_axis,
    width_of,
    write_at,
)

ROW, HEADS, AXIS = 0.34, 0.34, 0.85
"""Inches of a row, of the heads above, and of the axis below."""
DOT = 0.13
WIDER = "q is exact, by sign flips, and the interval wider: it may hold 0 where q is at most 0.05."
"""Said where it is so of what is shown."""


@dataclasses.dataclass(frozen=True)
class Sign:
    """A number as it is drawn: filled where it is told apart from chance.

    `low` and `high` are its interval, None for none; `off` moves it down, a share of a row.
    """

    value: float
    low: float | None
    high: float | None
    color: str
    marker: str = "o"
    filled: bool = True
    off: float = 0.0


@dataclasses.dataclass(frozen=True)
class SetRow:
    """A set or a pair: its name, its numbers as they are drawn, and as they are written."""

    name: str
    signs: tuple[Sign, ...]
    cells: tuple[str, ...]
    bold: bool = False


def draw_rows(
    figure: CarvizFigure,
    rows: Sequence[SetRow],
    heads: Sequence[tuple[str, float]],
    place: tuple[float, float],
    widths: tuple[float, float],
    words: str,
    *,
    as_points: bool = True,
) -> None:
    """Draw rows from `place` (left, top), in inches.

    Parameters
    ----------
    heads
        Of the columns of written numbers, each with its inches.
    widths
        Inches of the names, and of what is drawn.
    words
        What the axis has.
    as_points
        Whether numbers are fractions, shown as percentage points.
    """
    (left, top), (name, strip) = place, widths
    top += HEADS
    rights = write_heads(figure, heads, left + name + strip, top - HEADS / 2 - 0.05)
    scale = 100.0 if as_points else 1.0
    for number, row in enumerate(rows):
        middle, weight = top + (number + 0.5) * ROW, "bold" if row.bold else "normal"
        write_at(figure, left, middle, row.name, weight=weight)
        for cell, right in zip(row.cells, rights, strict=True):
            write_at(figure, right, middle, cell, weight=weight, ha="right")
    axes = bare(box(figure, left + name, top, strip, len(rows) * ROW), keep="bottom")
    _set_axis(axes, rows, scale)
    axes.set_xlabel(words, fontsize=BODY)
    axes.set_ylim(len(rows), 0)
    axes.set_yticks([])
    axes.axvline(0, color=INK, linewidth=1.2, zorder=1)
    for number in range(len(rows) + 1):
        axes.axhline(number, color=LINE, linewidth=0.8, zorder=0)
    for number, row in enumerate(rows):
        for sign in row.signs:
            _draw(axes, sign, number + 0.5 + sign.off, scale)


def write_heads(
    figure: CarvizFigure, heads: Sequence[tuple[str, float]], left: float, middle: float
) -> list[float]:
    """Write the heads of columns of numbers, and return the columns' right ends, in inches."""
    rights = [left + sum(width for _, width in heads[: i + 1]) for i in range(len(heads))]
    for (head, _), right in zip(heads, rights, strict=True):
        write_at(figure, right, middle, head, weight="bold", ha="right")
    return rights


def _set_axis(axes: Axes, rows: Sequence[SetRow], scale: float) -> None:
    ends = [0.0]
    for row in rows:
        for sign in row.signs:
            ends += [v for v in (sign.value, sign.low, sign.high) if v is not None and v == v]
    low, high = min(ends), max(ends)
    if high - low <= 0:
        low, high = -0.01, 0.01
    set_points_axis(axes, low, high, scale=scale)


def _draw(axes: Axes, sign: Sign, y: float, scale: float) -> None:
    if sign.low is not None and sign.high is not None and sign.low == sign.low:
        axes.plot(
            [scale * sign.low, scale * sign.high], [y, y],
            color=sign.color, linewidth=1.6, zorder=2, solid_capstyle="butt",
        )  # fmt: skip
    axes.scatter(
        scale * sign.value, y, s=(72 * DOT) ** 2, marker=sign.marker, linewidth=1.6, zorder=3,
        clip_on=False, **look(sign),
    )  # fmt: skip


def look(sign: Sign) -> dict[str, Any]:
    """Return how a sign is filled: it shows in grey as well."""
    return {"facecolor": sign.color if sign.filled else PAPER, "edgecolor": sign.color}


def draw_legend(
    figure: CarvizFigure, signs: Sequence[tuple[Sign, str]], left: float, top: float
) -> None:
    """Draw what signs mean, in one line."""
    for sign, words in signs:
        axes = box(figure, left, top - 0.15, 0.3, 0.3)
        axes.set_axis_off()
        axes.scatter([0], [0], s=(72 * DOT) ** 2, marker=sign.marker, linewidth=1.6, **look(sign))
        write_at(figure, left + 0.36, top, words)
        left += 0.36 + width_of(figure, words, BODY) + 0.5
