"""Sets of filters: what they cost together beside the sum of what each costs alone."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from carviz.plots.classes import MARGIN
from carviz.plots.set_rows import AXIS, HEADS, ROW, WIDER, SetRow, Sign, draw_legend, draw_rows
from carviz.plots.style import (
    BODY,
    BOLD,
    EDGE,
    SOFT,
    TITLE,
    CarvizFigure,
    fit,
    fit_heading,
    fit_names,
    write_at,
)
from carviz.results import JointTable
from carviz.wording import (
    SIGNIFICANT,
    accuracy_share_words,
    counted,
    interval_words,
    points,
    probability,
)

WIDTH = 14.4
TOP = 1.95
MOST_ROWS = 30
NAME, STRIP = 3.6, 4.3
COLUMNS = (("together", 1.2), ("sum", 1.0), ("beyond it", 1.15), ("interval", 1.75), ("q", 1.0))
"""Heads of the numbers of a set, and the inches that each takes."""
SUM_COLOR = "#D55E00"
FEW = 6
"""Filters of a set that are named without their count."""


def plot_joint(table: JointTable) -> CarvizFigure:
    """Show what sets of filters cost together, beside the sum of what each filter costs alone.

    A dot is what accuracy loses without the set, with its 95% interval (Agresti and Min); the
    diamond is the sum of the CARs of its filters. The dot is filled where the two differ beyond
    chance (q at most 0.05 over all sets of the table). q is exact and the interval beside it wider,
    so it may hold 0 where q is at most 0.05.

    Parameters
    ----------
    table
        A `JointTable`, or a `PairTable`. Of more than 30 sets the first are shown.

    Returns
    -------
    CarvizFigure
        A matplotlib Figure, not shown, that Jupyter displays.

    Raises
    ------
    TypeError
        If `table` is no JointTable.

    Examples
    --------
    >>> import carviz
    >>> model, data = carviz.load_model("shapes"), carviz.load_data("shapes", limit=1)
    >>> sets = [[0, 1], list(range(8))]
    >>> table = carviz.measure_joint(model, data, "features.0", sets, progress=False)
    >>> carviz.plot_joint(table).description.split(". ")[0]
    'features.0: 2 sets of filters, together and one by one'
    """
    if not isinstance(table, JointTable):
        raise TypeError(
            "plot_joint shows a JointTable, which carviz.measure_joint returns or JointTable.load "
            f"reads; found {type(table).__name__}."
        )
    shown = min(len(table), MOST_ROWS)
    figure = CarvizFigure(WIDTH, TOP + HEADS + shown * ROW + AXIS)
    room = WIDTH - 2 * MARGIN
    of = table.layer or counted(len(table.banks), "bank")
    what = f": {counted(len(table), 'set')} of filters, together and one by one"
    heading = fit_heading(figure, of, what, room)
    sure = int((table.q_value <= SIGNIFICANT).sum())
    lines = [
        f"{accuracy_share_words(table.accuracy, len(table.images))}. Beyond the sum: what the set "
        "costs, less the CARs of its filters.",
        f"Told apart from chance (q ≤ 0.05 over all sets): {sure} of {len(table)}."
        + (f" The first {shown} are shown." if shown < len(table) else ""),
    ]
    told = table.q_value[:shown] <= SIGNIFICANT
    if (told & (table.low[:shown] <= 0) & (table.high[:shown] >= 0)).any():
        lines.append(WIDER)
    write_at(figure, MARGIN, 0.42, heading, fontsize=TITLE, weight="bold")
    for i, line in enumerate(lines):
        write_at(figure, MARGIN, 0.85 + 0.31 * i, fit(figure, line, room, BODY), color=SOFT)
    names = fit_names(figure, [_name(one) for one in table.sets[:shown]], BOLD * NAME, BODY)
    rows = [_row(table, row, name) for row, name in enumerate(names)]
    legend = [
        (Sign(0, None, None, EDGE), "together, other than the sum"),
        (Sign(0, None, None, EDGE, filled=False), "together, perhaps the sum"),
        (Sign(0, None, None, SUM_COLOR, "D"), "sum of the CARs"),
    ]
    draw_legend(figure, legend, MARGIN, TOP - 0.24)
    axis = "CAR, percentage points of accuracy"
    draw_rows(figure, rows, COLUMNS, (MARGIN, TOP), (NAME, STRIP), axis)
    sentences = "; ".join(
        f"{_name(one)}: together {points(table.car[row])}, sum {points(table.sum_of_cars[row])}, "
        f"beyond it {points(table.excess[row])}, q {probability(table.q_value[row])}"
        for row, one in enumerate(table.sets[:shown])
    )
    figure.description = f"{heading}. {' '.join(lines)} {sentences}."
    return figure


def _row(table: JointTable, row: int, name: str) -> SetRow:
    low, high = (ends[row] for ends in table.car_interval)
    sure = bool(table.q_value[row] <= SIGNIFICANT)
    beyond = points(table.excess[row], unit=False)
    interval = interval_words(table.low[row], table.high[row], unit=False)
    if np.isnan(table.q_value[row]):  # one filter: nothing is beyond it
        interval = ""
    cells = (
        points(table.car[row], unit=False), points(table.sum_of_cars[row], unit=False),
        beyond, interval, probability(table.q_value[row]),
    )  # fmt: skip
    signs = (
        Sign(float(table.sum_of_cars[row]), None, None, SUM_COLOR, "D", off=0.18),
        Sign(float(table.car[row]), float(low), float(high), EDGE, filled=sure, off=-0.12),
    )
    return SetRow(name, signs, cells, sure)


def _name(one: list[int] | Mapping[str, list[int]]) -> str:
    """Write a set: its filters where they are few, else how many there are as well."""
    banks = one if isinstance(one, Mapping) else {"": one}
    count = sum(map(len, banks.values()))
    if not isinstance(one, Mapping):
        words = _numbers(one)
    elif count <= FEW:
        words = "; ".join(f"{bank}: {_numbers(filters)}" for bank, filters in one.items())
    else:
        words = ", ".join(f"{len(filters)} in {bank}" for bank, filters in one.items())
    return words if count <= FEW else f"{counted(count, 'filter')}: {words}"


def _numbers(filters: list[int]) -> str:
    return ", ".join(map(str, filters))
