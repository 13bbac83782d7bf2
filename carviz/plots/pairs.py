"""Pairs of filters: which do one another's work, as a clustered map or as a ranked list."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from carviz.plots.classes import MARGIN
from carviz.plots.cluster_map import ALIKE, OPPOSITE, diverging
from carviz.plots.set_rows import (
    AXIS,
    HEADS,
    ROW,
    WIDER,
    SetRow,
    Sign,
    draw_legend,
    draw_rows,
    write_heads,
)
from carviz.plots.style import (
    BODY,
    FAINT,
    INK,
    SMALL,
    SOFT,
    TITLE,
    CarvizFigure,
    bare,
    box,
    fit,
    fit_heading,
    write_at,
)
from carviz.results import COMPENSATION, REDUNDANCY, PairTable
from carviz.wording import SIGNIFICANT, accuracy_share_words, counted, nats, points, probability

WIDTH = 13.2
TOP = 2.25
LINE_HEIGHT = 0.31
MOST_ROWS = 30
"""Pairs that are listed at most where there is no map."""
LEAST_ROW, SMALLEST, LARGEST = 0.17, 5.2, 11.0
"""Inches of a row of the map that is numbered, and of the map."""
NUMBERS, BAR, BELOW = 0.36, 0.16, 1.45
NAME, STRIP = 1.35, 5.2
COLUMNS = (("both", 1.15), ("sum of both", 1.45), ("beyond it", 1.3), ("q", 1.1))
"""Heads of the numbers of a pair, and the inches that each takes."""
LIST = 0.75 + sum(width for _, width in COLUMNS)
"""Inches of the list beside the map."""
COLORS = {REDUNDANCY: ALIKE[1], COMPENSATION: OPPOSITE[0]}
By = Literal["car", "log_prob"]


@dataclasses.dataclass(frozen=True)
class _Told:
    """What is shown of pairs, by accuracy or by log p: (P,) each."""

    by: str
    both: NDArray[np.float64]
    alone: NDArray[np.float64]
    excess: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    q_value: NDArray[np.float64]
    kind: NDArray[np.str_]

    @property
    def rising(self) -> NDArray[np.int64]:
        """The pairs with those first that are farthest from chance."""
        return np.lexsort((-np.abs(self.excess), self.q_value))

    def write(self, value: float) -> str:
        """Write a number of theirs."""
        return points(value, unit=False) if self.by == "car" else nats(value)


def plot_pairs(table: PairTable, *, by: By = "car") -> CarvizFigure:
    """Show what pairs of filters cost together beyond what each costs alone.

    Where all pairs of a bank were measured, or half of them, it is a map: the interaction of every
    two filters, green where they do one another's work, purple where losing one makes up for losing
    the other, in the order of a tree that joins redundant filters first; a
    dot marks what is told apart from chance (q at most 0.05 over all pairs). Beside it stand the
    pairs farthest from chance. Of fewer pairs these are shown with their intervals; by accuracy q
    is exact and the interval wider, so it may hold 0 where q is at most 0.05.

    Parameters
    ----------
    table
        A `PairTable`.
    by
        "car", percentage points of accuracy, or "log_prob", the fall of log p in nats.

    Returns
    -------
    CarvizFigure
        A matplotlib Figure, not shown, that Jupyter displays.

    Raises
    ------
    TypeError, ValueError
        If `table` is no PairTable, or `by` is not one of the two.

    Examples
    --------
    >>> import carviz
    >>> model, data = carviz.load_model("shapes"), carviz.load_data("shapes", limit=1)
    >>> pairs = [[0, 1], [2, 3]]
    >>> table = carviz.measure_pairs(model, data, "features.0", pairs=pairs, progress=False)
    >>> carviz.plot_pairs(table).description.split(". ")[0]
    'features.0: 2 pairs of filters, beyond the sum of both'
    """
    if not isinstance(table, PairTable):
        raise TypeError(
            "plot_pairs shows a PairTable, which carviz.measure_pairs returns or PairTable.load "
            f"reads; found {type(table).__name__}."
        )
    if by not in ("car", "log_prob"):
        raise ValueError(f"by is 'car' or 'log_prob'; found {by!r}.")
    told = _told(table, by)
    F = len(table.filters)
    as_map = F > 2 and len(table) >= F * (F - 1) / 4
    side = max(SMALLEST, min(LARGEST, F * LEAST_ROW))
    beside = int((side + BELOW - HEADS - 0.2) / ROW)
    listed = told.rising[: beside if as_map else MOST_ROWS]
    if as_map:
        width = 2 * MARGIN + NUMBERS + side + 0.35 + LIST
        height = TOP + side + BELOW
    else:
        width, height = WIDTH, TOP + HEADS + len(listed) * ROW + AXIS
    figure = CarvizFigure(max(WIDTH, width), height)
    lines = _lines(table, told, len(listed))
    sure = told.q_value[listed] <= SIGNIFICANT
    holds = (told.low[listed] <= 0) & (told.high[listed] >= 0)
    if by == "car" and not as_map and (sure & holds).any():
        lines.append(WIDER)
    room = figure.get_figwidth() - 2 * MARGIN
    heading = fit_heading(figure, table.layer, lines[0].removeprefix(table.layer), room)
    write_at(figure, MARGIN, 0.42, heading, fontsize=TITLE, weight="bold")
    for i, line in enumerate(lines[1:]):
        look: dict[str, Any] = {"weight": "bold"} if i == 2 else {"color": SOFT}
        write_at(figure, MARGIN, 0.85 + LINE_HEIGHT * i, fit(figure, line, room, BODY), **look)
    if as_map:
        _draw_map(figure, table, told, side)
        left = MARGIN + NUMBERS + side + 0.35
        _write_list(figure, table, told, listed, left)
    else:
        _draw_list(figure, table, told, listed)
    pairs = "; ".join(_sentence(table, told, int(row)) for row in listed)
    figure.description = f"{lines[0]}. {' '.join(lines[1:])} {pairs}."
    return figure


# -- in words


def _told(table: PairTable, by: str) -> _Told:
    if by == "car":
        return _Told(
            by, table.car, table.sum_of_cars, table.excess, table.low, table.high,
            table.q_value, table.kind,
        )  # fmt: skip
    return _Told(
        by, table.log_prob_drop, table.sum_of_log_prob_drops, table.log_prob_excess,
        table.log_prob_low, table.log_prob_high, table.log_prob_q_value, table.log_prob_kind,
    )  # fmt: skip


def _lines(table: PairTable, told: _Told, listed: int) -> list[str]:
    what = "CAR, in percentage points" if told.by == "car" else "fall of log p, in nats"
    redundant = int((told.kind == REDUNDANCY).sum())
    compensating = int((told.kind == COMPENSATION).sum())
    images = accuracy_share_words(table.accuracy, len(table.images))
    third = (
        f"Told apart from chance (q ≤ 0.05 over all {len(table):,}): {redundant:,} redundant, "
        f"{compensating:,} compensating."
    )
    if listed < len(table):
        which = f"the {listed} farthest from chance" if told.excess.any() else f"the first {listed}"
        third += f" Listed: {which}."
    return [
        f"{table.layer}: {counted(len(table), 'pair')} of filters, beyond the sum of both",
        f"Beyond: what both cost together, less what each costs alone ({what}). {images}.",
        "Above 0 one does the other's work (redundancy); below 0 losing one makes up for losing "
        "the other (compensation).",
        third,
    ]


def _name(table: PairTable, row: int) -> str:
    one, other = table.pairs[row].tolist()
    return f"{one} and {other}"


def _cells(told: _Told, row: int) -> tuple[str, ...]:
    values = told.both[row], told.alone[row], told.excess[row]
    return (*map(told.write, values), probability(told.q_value[row]))


def _sentence(table: PairTable, told: _Told, row: int) -> str:
    both, alone, excess, q = _cells(told, row)
    return (
        f"{_name(table, row)}: together {both}, the sum of both {alone}, beyond it {excess}, "
        f"q {q}, {told.kind[row]}"
    )


# -- the map


def _draw_map(figure: CarvizFigure, table: PairTable, told: _Told, side: float) -> None:
    values = table.matrix(told.excess)
    order = table.map_order(told.excess)
    F, left = len(order), MARGIN + NUMBERS
    most = float(np.nanmax(np.abs(values))) or 1.0
    axes = bare(box(figure, left, TOP, side, side), keep="left right top bottom")
    axes.imshow(
        values[np.ix_(order, order)], cmap=diverging(), vmin=-most, vmax=most,
        interpolation="nearest", extent=(0, F, F, 0), aspect="auto",
    )  # fmt: skip
    axes.set_xlim(0, F)
    axes.set_ylim(F, 0)
    axes.set_xticks([])
    axes.set_yticks([])
    sure = np.isin(told.kind, list(COLORS))
    marked = table.matrix(sure.astype(float))[np.ix_(order, order)] == 1
    down, across = np.nonzero(marked)
    size = min(6.0, 0.3 * 72 * side / F)
    axes.scatter(
        across + 0.5, down + 0.5, s=size**2, facecolor=INK, edgecolor="white",
        linewidth=0.6, zorder=3,
    )  # fmt: skip
    if side / F >= LEAST_ROW - 1e-9:
        for place, filter in enumerate(table.filters[order].tolist()):
            middle = (place + 0.5) * side / F
            write_at(figure, left - 0.08, TOP + middle, str(filter), fontsize=SMALL, ha="right")
            write_at(
                figure, left + middle, TOP + side + 0.08, str(filter),
                fontsize=SMALL, ha="center", va="top", rotation=90,
            )  # fmt: skip
    bar = bare(
        box(figure, left, TOP + side + 0.52, side, BAR), keep="left right top bottom"
    )  # below the numbers of the columns
    bar.imshow(np.linspace(-1, 1, 255)[None], cmap=diverging(), extent=(-1, 1, 0, 1), aspect="auto")
    bar.set_yticks([])
    if told.excess.any():
        below, above = (
            ("compensation", "redundancy") if sure.any() else ("below the sum", "beyond the sum")
        )
        words = [f"{told.write(-most)}: {below}", "0", f"{told.write(most)}: {above}"]
        bar.set_xticks([-1, 0, 1], words, fontsize=SMALL)
        first, _, last = bar.get_xticklabels()
        first.set_horizontalalignment("left")
        last.set_horizontalalignment("right")
    else:  # nothing is beyond any sum, and no number says how much would be
        bar.set_xticks([0], ["0"], fontsize=SMALL)
    all_measured = len(table) == F * (F - 1) // 2
    note = "black dot: told apart from chance; grey: " + (
        "the filter itself" if all_measured else "the filter itself, or not measured"
    )
    write_at(figure, left, TOP + side + 1.15, note, fontsize=SMALL, color=SOFT)


def _write_list(
    figure: CarvizFigure, table: PairTable, told: _Told, listed: NDArray[np.int64], left: float
) -> None:
    write_at(figure, left, TOP + HEADS / 2, "pair", weight="bold")
    rights = write_heads(figure, COLUMNS, left + 0.75, TOP + HEADS / 2)
    for place, row in enumerate(listed.tolist()):
        middle = TOP + HEADS + (place + 0.5) * ROW
        color = COLORS.get(str(told.kind[row]), SOFT)
        write_at(figure, left, middle, _name(table, row), color=color)
        for cell, right in zip(_cells(told, row), rights, strict=True):
            write_at(figure, right, middle, cell, ha="right", color=color)


# -- the list


def _draw_list(
    figure: CarvizFigure, table: PairTable, told: _Told, listed: NDArray[np.int64]
) -> None:
    rows = []
    for row in sorted(listed.tolist(), key=lambda row: -told.excess[row]):
        kind = str(told.kind[row])
        sign = Sign(
            float(told.excess[row]), float(told.low[row]), float(told.high[row]),
            COLORS.get(kind, FAINT), filled=kind in COLORS,
        )  # fmt: skip
        rows.append(SetRow(_name(table, row), (sign,), _cells(told, row), kind in COLORS))
    legend = [
        (Sign(0, None, None, COLORS[REDUNDANCY]), "redundancy"),
        (Sign(0, None, None, COLORS[COMPENSATION]), "compensation"),
        (Sign(0, None, None, FAINT, filled=False), "not told apart from chance"),
    ]
    draw_legend(figure, legend, MARGIN, TOP - 0.22)
    unit = "percentage points of accuracy" if told.by == "car" else "nats of log p"
    draw_rows(
        figure, rows, COLUMNS, (MARGIN, TOP), (NAME, STRIP),
        f"beyond the sum of both, {unit}, with the 95% interval",
        as_points=told.by == "car",
    )  # fmt: skip
