"""Labels at the ends of lines, in columns, as near to the ends as they fit."""

from __future__ import annotations

import dataclasses
from typing import Any, cast

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from carviz.plots.style import BODY, bare, box, width_of, write_at

ROW = 0.34
"""Inches that a label takes at the least."""
SWATCH = 0.5
FAN = 0.45
"""Inches in which the lines' ends fan out to their labels."""


@dataclasses.dataclass(frozen=True)
class Label:
    """What stands at a line's end: where it would stand best, and what it says.

    `place` is the accuracy at which the line ends and, where several end together, what decides.
    """

    place: tuple[float, float]
    name: str
    values: list[str]
    look: dict[str, Any]
    bold: bool = False


def column_widths(
    figure: Figure, labels: list[Label], names: list[str], heads: list[str]
) -> list[float]:
    """Return the inches of the names and of each column of numbers."""
    of_names = [
        width_of(figure, name, BODY, weight="bold" if label.bold else "normal") + 0.2
        for label, name in zip(labels, names, strict=True)
    ]
    of_values = [
        max(width_of(figure, words, BODY, weight="bold") for words in (head, *column)) + 0.25
        for head, *column in zip(heads, *(label.values for label in labels), strict=True)
    ]
    valued = [any(label.values) or not heads for label in labels]
    beside = max(width for width, value in zip(of_names, valued, strict=True) if value)
    return [max(beside, max(of_names) - sum(of_values)), *of_values]


def draw_labels(
    axes: Axes,
    labels: list[Label],
    names: list[str],
    heads: list[str],
    widths: list[float],
) -> None:
    """Write labels right of axes, each with a piece of its line, under the heads of its numbers."""
    figure = cast(Figure, axes.figure)
    page, place = figure.bbox, axes.get_window_extent()
    left, top = place.x1 / figure.dpi, (page.y1 - place.y1) / figure.dpi
    height = place.height / figure.dpi
    rights = [left + FAN + SWATCH + sum(widths[: i + 2]) for i in range(len(heads))]
    for head, right in zip(heads, rights, strict=True):
        write_at(figure, right, top - 0.2, head, weight="bold", ha="right")
    low, high = axes.get_ylim()
    wanted = [(high - label.place[0]) / (high - low) * height for label in labels]
    order = sorted(range(len(labels)), key=lambda i: (round(wanted[i], 1), -labels[i].place[1]))
    middles = spread([wanted[i] for i in order], ROW, height)
    side = bare(box(figure, left, top, FAN + SWATCH, height))
    side.set_axis_off()
    side.set_xlim(0, FAN + SWATCH)
    side.set_ylim(height, 0)
    for i, middle in zip(order, middles, strict=True):
        label, weight = labels[i], "bold" if labels[i].bold else "normal"
        _draw_swatch(side, label, wanted[i], middle)
        write_at(figure, left + FAN + SWATCH + 0.12, top + middle, names[i], weight=weight)
        for value, right in zip(label.values, rights, strict=True):
            write_at(figure, right, top + middle, value, weight=weight, ha="right")


def _draw_swatch(side: Axes, label: Label, end: float, middle: float) -> None:
    """Draw a piece of a line beside its label, and lead there from where the line ends."""
    line = {name: value for name, value in label.look.items() if not name.startswith("marker")}
    fan = {**line, "linestyle": "-", "linewidth": 0.9}
    side.plot([0.06, FAN - 0.08], [end, middle], clip_on=False, **fan)
    side.plot([FAN, FAN + SWATCH], [middle, middle], clip_on=False, **line)
    side.plot([FAN + SWATCH / 2], [middle], clip_on=False, **label.look)


def spread(wanted: list[float], least: float, height: float) -> list[float]:
    """Move rising places apart to `least` of each other, as little as that takes, inside height."""
    least = min(least, height / max(1, len(wanted) - 1))
    blocks: list[list[float]] = []  # mean of the wanted places less their offsets, members
    for i, place in enumerate(wanted):
        blocks.append([place - i * least, 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (a, m), (b, n) = blocks[-2:]
            blocks[-2:] = [[(a * m + b * n) / (m + n), m + n]]
    flat = [start for start, members in blocks for _ in range(int(members))]
    most = height - (len(wanted) - 1) * least
    return [min(max(start, 0.0), most) + i * least for i, start in enumerate(flat)]
