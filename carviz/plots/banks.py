"""The whole network: a strip of its filters by CAR for each bank, and what not to prune."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from carviz.plots.classes import MARGIN
from carviz.plots.style import (
    BODY,
    BOLD,
    EDGE,
    HEAD,
    INK,
    LINE,
    PAPER,
    TITLE,
    CarvizFigure,
    bare,
    box,
    fit,
    fit_names,
    set_points_axis,
    width_of,
    write_at,
)
from carviz.results import CarTable, CarTables
from carviz.wording import NONE, NOT_APART, accuracy_words, points

LARGEST_COLOR = "#D55E00"
MOST_ROWS = 26
"""Banks that stand below one another; of more there are two panels side by side."""
ROW, TALLEST_ROW, TALL = 0.37, 1.1, 5.5
"""Inches of a bank: at the least, at the most, and of all of them where they are few."""
NAME = 2.9
STRIP = {1: 6.0, 2: 3.4}
"""Inches of a bank's name at the most, and of its dots, by how many panels there are."""
GAP, BETWEEN = 0.2, 0.5
TOP, HEADS, AXIS = 2.6, 0.34, 0.85
DOUBT = 0.36
"""Inches of a line more, where there are banks whose filters are not told apart."""
COLUMNS = (("largest CAR", 1.3), ("filter", 0.85), ("CAR ≤ 0", 1.5), ("may be 0", 1.15))
"""Heads of the numbers beside a strip, and the inches that each takes."""
DOT, DIAMOND = 0.1, 0.17
"""Inches across a filter's dot, and across that of the bank's largest CAR."""
NAMED = 3
"""Filters of largest CAR that are told in words."""


@dataclasses.dataclass(frozen=True)
class _Bank:
    """What is shown of a bank: CAR by filter, where its interval begins, and what it comes to."""

    name: str
    table: CarTable
    low: NDArray[np.float64]

    @property
    def largest(self) -> int:
        """The row of the filter with the largest CAR."""
        return self.table.row(int(self.table.order[0]))

    @property
    def told_apart(self) -> bool:
        """Whether it is more than chance which filter that is."""
        return self.table.tells_apart()

    @property
    def nothing(self) -> int:
        """How many filters cost nothing."""
        return int((self.table.car <= 0).sum())

    @property
    def perhaps(self) -> int:
        """How many may cost nothing."""
        return int((self.low <= 0).sum())


def plot_banks(tables: CarTables) -> CarvizFigure:
    """Show a network: for each bank its filters by CAR, what not to prune, and what costs nothing.

    Banks stand in the order in which they were listed, all on one scale. A dot is a filter; it is
    filled where the 95% interval (Agresti and Min) lies above 0, so that pruning it costs accuracy,
    and hollow where the interval reaches 0. The diamond is the bank's largest CAR. The numbers
    beside it are that CAR in percentage points, the filter it belongs to (a dash where the images
    do not tell the bank's filters apart, so that it is chance), how many filters of the bank cost
    nothing (CAR ≤ 0), and how many may cost nothing (the interval reaches 0). Where filters lie
    upon one another, only as many dots are drawn as can be told apart. The intervals are each
    filter's own: of many filters one in forty lies above 0 by chance.

    Parameters
    ----------
    tables
        A `CarTables`, which `carviz.measure_car` with a list of banks or None returns.

    Returns
    -------
    CarvizFigure
        A matplotlib Figure, not shown, that Jupyter displays. More than 26 banks stand in two
        panels side by side.

    Raises
    ------
    TypeError
        If `tables` is no CarTables.

    Examples
    --------
    >>> import carviz
    >>> model, data = carviz.load_model("shapes"), carviz.load_data("shapes", limit=1)
    >>> banks = ["features.0", "features.3"]
    >>> figure = carviz.plot_banks(carviz.measure_car(model, data, banks, progress=False))
    >>> figure.description.split(" Whole")[0]
    'CAR of 80 filters in 2 banks'
    """
    if not isinstance(tables, CarTables):
        raise TypeError(
            "plot_banks shows CarTables, which carviz.measure_car(model, data, None) returns or "
            f"CarTables.load reads; found {type(tables).__name__}."
        )
    banks = [_bank(name, table) for name, table in tables.items()]
    panels = 1 if len(banks) <= MOST_ROWS else 2
    rows = math.ceil(len(banks) / panels)
    row = min(TALLEST_ROW, max(ROW, TALL / rows))
    names, beside = _names(banks, STRIP[panels])
    panel = beside + sum(width for _, width in COLUMNS)
    width = 2 * MARGIN + panels * panel + (panels - 1) * BETWEEN
    doubt = _doubt(banks)
    top = TOP + (DOUBT if doubt else 0)
    figure = CarvizFigure(width, top + HEADS + rows * row + AXIS)
    room = BOLD * (width - 2 * MARGIN)
    keep = _not_to_prune(banks, figure, room)
    lines = _lines(banks, keep)
    for line, (place, size, weight) in zip(
        [*lines, doubt], ((0.42, TITLE, "bold"), (0.85, BODY, "normal"), (1.25, HEAD, "bold"),
                          (1.65, HEAD, "normal"), (TOP - 0.56, BODY, "normal")), strict=True,
    ):  # fmt: skip
        write_at(figure, MARGIN, place, fit(figure, line, room, size), fontsize=size, weight=weight)
    _draw_legend(figure, top - 0.52)
    low, high = _limits(banks)
    kept = {bank.name for bank, _ in keep}
    for p in range(panels):
        part = slice(p * rows, (p + 1) * rows)
        left = MARGIN + p * (panel + BETWEEN)
        shown = list(zip(banks[part], names[part], strict=True))
        _write_rows(figure, shown, (left, top), row, beside, kept)
        strip = left + beside - STRIP[panels], top + HEADS, STRIP[panels], len(shown) * row
        axes = bare(box(figure, *strip), keep="bottom")
        _draw_strips(axes, [bank for bank, _ in shown], (low, high), row)
    lines += [doubt] if doubt else []
    figure.description = " ".join(lines) + " " + " ".join(_told(bank) for bank in banks)
    return figure


def _bank(name: str, table: CarTable) -> _Bank:
    return _Bank(name, table, table.interval_all[0])


def _names(banks: list[_Bank], strip: float) -> tuple[list[str], float]:
    """Return the names as they fit, and the inches that they and the dots beside them take."""
    page = CarvizFigure(10, 1)
    names = fit_names(page, [bank.name for bank in banks], BOLD * NAME, BODY)
    widest = max(width_of(page, name, BODY, weight="bold") for name in names)
    return names, widest + GAP + strip


# -- in words


def _not_to_prune(banks: list[_Bank], figure: Figure, room: float) -> list[tuple[_Bank, int]]:
    """Return the filters, as (bank, row), of largest CAR in the network that cost accuracy.

    They are no more than can be told in a line; a first one is told in any case.
    """
    found = [(bank, int(row)) for bank in banks for row in np.flatnonzero(bank.low > 0)]
    found.sort(key=lambda entry: -float(entry[0].table.car[entry[1]]))
    found = found[:NAMED]
    while len(found) > 1 and width_of(figure, _keep_words(found), HEAD) > room:
        found.pop()
    return found


def _keep_words(keep: list[tuple[_Bank, int]]) -> str:
    if not keep:
        return "No filter is shown to cost accuracy: no interval lies above 0."
    told = [
        f"{bank.table.filters[row]} of {bank.name} ({points(bank.table.car[row], unit=not i)})"
        for i, (bank, row) in enumerate(keep)
    ]
    return f"Do not prune: filter{'s' if len(told) > 1 else ''} {'; '.join(told)}."


def _lines(banks: list[_Bank], keep: list[tuple[_Bank, int]]) -> list[str]:
    """Return what stands above the strips."""
    filters = sum(len(bank.table.filters) for bank in banks)
    of_banks = f"{len(banks)} bank{'s' if len(banks) > 1 else ''}"
    several = f"{filters:,} filter{'s' if filters > 1 else ''}"
    nothing = sum(bank.nothing for bank in banks)
    perhaps = sum(bank.perhaps for bank in banks)
    return [
        f"CAR of {several} in {of_banks}",
        f"{accuracy_words(banks[0].table)}.",
        _keep_words(keep),
        f"{nothing:,} of {several} cost{'s' if nothing == 1 else ''} nothing (CAR ≤ 0); "
        f"{perhaps:,} may cost nothing (the 95% interval reaches 0).",
    ]


def _doubt(banks: list[_Bank]) -> str:
    """Return what a dash for a filter means, or "" where there is none."""
    if all(bank.told_apart for bank in banks):
        return ""
    return f"{NONE} for a filter: {NOT_APART}."


def _told(bank: _Bank) -> str:
    table, i = bank.table, bank.largest
    filter = f"of filter {table.filters[i]}" if bank.told_apart else NOT_APART
    return (
        f"{bank.name}: largest CAR {points(table.car[i])}, {filter}; "
        f"{bank.nothing} of {len(table.filters)} at 0 or below, {bank.perhaps} may be 0."
    )


def _write_rows(
    figure: Figure, shown: list[tuple[_Bank, str]], place: tuple[float, float], row: float,
    beside: float, kept: set[str],
) -> None:  # fmt: skip
    """Write each bank's name left of its strip, and its numbers right of it under their heads."""
    left, top = place
    rights = [left + beside + sum(w for _, w in COLUMNS[: i + 1]) for i in range(len(COLUMNS))]
    for (head, _), right in zip(COLUMNS, rights, strict=True):
        write_at(figure, right, top + HEADS / 2 - 0.05, head, weight="bold", ha="right")
    for number, (bank, name) in enumerate(shown):
        table, middle = bank.table, top + HEADS + (number + 0.5) * row
        weight = "bold" if bank.name in kept else "normal"
        write_at(figure, left, middle, name, weight=weight)
        cells = [
            points(table.car[bank.largest], unit=False),
            str(table.filters[bank.largest]) if bank.told_apart else NONE,
            f"{bank.nothing:,} of {len(table.filters):,}",
            f"{bank.perhaps:,}",
        ]
        for column, (words, right) in enumerate(zip(cells, rights, strict=True)):
            bold = "bold" if column < 2 and bank.name in kept else "normal"
            write_at(figure, right, middle, words, weight=bold, ha="right")


# -- the dots


def _limits(banks: list[_Bank]) -> tuple[float, float]:
    """Return the lowest and the highest CAR of all banks, 0 among them."""
    low = min(0.0, *(float(bank.table.car.min()) for bank in banks))
    high = max(0.0, *(float(bank.table.car.max()) for bank in banks))
    least = 1 / len(banks[0].table.images)
    return low, high if high - low > least else low + least


def _draw_strips(axes: Axes, banks: list[_Bank], limits: tuple[float, float], row: float) -> None:
    """Draw the filters of banks below one another; y is in inches from the top."""
    set_points_axis(axes, *limits)
    axes.set_ylim(len(banks) * row, 0)
    axes.set_yticks([])
    axes.tick_params(labelsize=BODY)
    axes.set_xlabel("CAR, percentage points of accuracy", fontsize=BODY)
    axes.axvline(0, color=INK, linewidth=1.2, zorder=1)
    for place in range(len(banks) + 1):
        axes.axhline(place * row, color=LINE, linewidth=0.8, zorder=0)
    low, high = axes.get_xlim()
    inch = (high - low) / (axes.get_window_extent().width / axes.figure.dpi)
    for place, bank in enumerate(banks):
        middle = (place + 0.5) * row
        car, sure = 100 * bank.table.car, bank.low > 0
        others = np.flatnonzero(np.arange(len(car)) != bank.largest)
        shown, offset = _stacked(car[others] / inch, sure[others], row - DOT - 0.04)
        others = others[shown]
        _dots(axes, car[others], middle + offset, sure[others])
        look = _look(bool(sure[bank.largest]), LARGEST_COLOR)
        axes.scatter(
            car[bank.largest], middle, s=(72 * DIAMOND) ** 2, **look,
            marker="D", linewidth=2.0, zorder=4, clip_on=False,
        )  # fmt: skip


def _dots(
    axes: Axes, x: NDArray[np.float64], y: NDArray[np.float64], sure: NDArray[np.bool_]
) -> None:
    for kind in (False, True):
        which = sure == kind
        axes.scatter(
            x[which], y[which], s=(72 * DOT) ** 2, **_look(kind, EDGE),
            linewidth=1.1, zorder=2 + kind, clip_on=False,
        )  # fmt: skip


def _look(sure: bool, color: str) -> dict[str, Any]:
    return {"facecolor": color if sure else PAPER, "edgecolor": color}


def _stacked(
    x: NDArray[np.float64], sure: NDArray[np.bool_], height: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return which dots at `x` inches are drawn, and how far they move up or down.

    Dots at one place stand above one another. Of more than can be told apart as many are drawn as
    fit, some of each kind.
    """
    bins = np.floor(x / DOT).astype(np.int64)
    most = 1 + int(height / (0.7 * DOT))
    kept, offsets = [], []
    for one in np.unique(bins):
        which = np.flatnonzero(bins == one)
        which = which[np.argsort(sure[which], kind="stable")]
        if len(which) > most:
            which = which[np.linspace(0, len(which) - 1, most).astype(int)]
        step = min(1.1 * DOT, height / max(1, len(which) - 1))
        kept.append(which)
        offsets.append(step * (np.arange(len(which)) - (len(which) - 1) / 2))
    if not kept:
        return np.empty(0, np.int64), np.empty(0)
    return np.concatenate(kept), np.concatenate(offsets)


def _draw_legend(figure: Figure, top: float) -> None:
    """Draw what the signs mean, in one line."""
    left = MARGIN + DIAMOND / 2
    for words, sure, color, marker, size in (
        ("a filter that costs accuracy", True, EDGE, "o", DIAMOND),
        ("a filter that may cost nothing", False, EDGE, "o", DIAMOND),
        ("the bank's largest CAR, filled or hollow likewise", True, LARGEST_COLOR, "D", DIAMOND),
    ):
        sign = box(figure, left - 0.15, top - 0.15, 0.3, 0.3)
        sign.set_axis_off()
        sign.scatter([0], [0], s=(72 * size) ** 2, marker=marker, linewidth=1.6,
                     **_look(sure, color))  # fmt: skip
        write_at(figure, left + 0.22, top, words)
        left += 0.22 + width_of(figure, words, BODY) + 0.55
