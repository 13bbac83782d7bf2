"""How sure the ranks of a bank's filters are: each filter's place, and between which it may lie."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from carviz.plots.classes import MARGIN
from carviz.plots.style import (
    BODY,
    BOLD,
    EDGE,
    FILLED,
    HEAD,
    INK,
    LINE,
    PAPER,
    SMALL,
    SOFT,
    TITLE,
    CarvizFigure,
    bare,
    box,
    check_table,
    fit_heading,
    wrap,
    write_at,
)
from carviz.results import CarTable, Order
from carviz.wording import (
    NOT_APART,
    ORDERS,
    accuracy_words,
    agreement_words,
    apart_sentence,
    counted,
    rank_interval_words,
)

WIDTH, PLOT = 13.2, 5.4
LEFT = 0.9
"""Inches beside the plot for the names of its upright axis."""
TOP, STEP, AXIS, NOTE = 0.82, 0.32, 1.0, 0.27
UPRIGHT = 0.16
"""Inches that a number takes when it stands upright under its bar."""
NAMED = 4
"""Filters at either end whose numbers are told where there are too many for an axis."""
TOLD = 3
"""Filters at either end that are told in words."""


def plot_ranks(table: CarTable, *, order: Order = "car") -> CarvizFigure:
    """Show how sure the ranks of a bank's filters are.

    Filters stand in their order, the highest first. A dot is a filter's rank, and its bar reaches
    over all ranks that it may truly have: all true ranks lie in their bars at once in 95% of banks
    (`CarTable.ranks`). A hollow dot may have any rank. Above stands how far the order agrees with
    what other images would give (`CarTable.agreement`), and, where it is so, that these images do
    not tell the bank's filters apart.

    Parameters
    ----------
    table
        A `CarTable` of the bank, or of some of its filters; one of part of the images says how
        many it has seen.
    order
        "car", or "log_prob" for the order by the fall of log p, which is often the steadier.

    Returns
    -------
    CarvizFigure
        A matplotlib Figure, not shown, that Jupyter displays.

    Raises
    ------
    TypeError
        If `table` is no CarTable.
    ValueError
        If `order` is neither, or the table has no fall of log p of each image.

    Examples
    --------
    >>> import carviz
    >>> model, data = carviz.load_model("shapes"), carviz.load_data("shapes", limit=1)
    >>> table = carviz.measure_car(model, data, "features.0", progress=False)
    >>> figure = carviz.plot_ranks(table, order="log_prob")
    >>> figure.description.split(". ")[0]
    'features.0: 32 filters by the fall of log p, and how sure their ranks are'
    """
    check_table(table)
    agreement, frame = table.agreement(order=order), table.ranks(order=order)
    by = "CAR" if order == "car" else f"the fall of {ORDERS[order]}"
    filters = counted(len(table.filters), "filter")
    if table.filters.max() != len(table.filters) - 1:
        filters += " measured"
    room = WIDTH - 2 * MARGIN
    page = CarvizFigure(WIDTH, 1)
    sure = "its rank is" if len(table.filters) == 1 else "their ranks are"
    heading = fit_heading(page, table.layer, f": {filters} by {by}, and how sure {sure}", room)
    doubt = _doubt(table, order) or _any_rank(frame)
    words = agreement_words(agreement).removesuffix(".")
    said = [*wrap(page, f"{words[0].upper()}{words[1:]}.", room, HEAD)]
    doubted = wrap(page, doubt, BOLD * room, HEAD)
    notes = _notes(frame)
    top = TOP + STEP * (1 + len(said) + len(doubted)) + 0.1
    axis = AXIS - (0.25 if _crowded(len(frame)) else 0)
    figure = CarvizFigure(WIDTH, top + PLOT + axis + NOTE * len(notes))
    write_at(figure, MARGIN, 0.42, heading, fontsize=TITLE, weight="bold")
    write_at(figure, MARGIN, TOP, accuracy_words(table), color=SOFT)
    for i, line in enumerate([*doubted, *said]):
        weight = "bold" if i < len(doubted) else "normal"
        write_at(figure, MARGIN, TOP + STEP * (i + 1), line, fontsize=HEAD, weight=weight)
    size = LEFT, top, WIDTH - LEFT - MARGIN, PLOT
    _draw(bare(box(figure, *size), keep="left bottom"), frame)
    for i, note in enumerate(notes):
        write_at(figure, MARGIN, top + PLOT + axis - 0.1 + NOTE * i, note, fontsize=SMALL,
                 color=SOFT)  # fmt: skip
    ends = [*range(min(TOLD, len(frame))), *range(max(TOLD, len(frame) - TOLD), len(frame))]
    told = [_told(frame.iloc[i]) for i in ends]
    facts = [heading, accuracy_words(table), doubt.removesuffix("."), *said, *told]
    figure.description = ". ".join(fact.removesuffix(".") for fact in facts if fact) + "."
    return figure


def _doubt(table: CarTable, order: Order) -> str:
    """Return that the images do not tell the filters apart, where they do not by this order."""
    if order == "car":
        return apart_sentence(table)
    by = f"By {ORDERS[order]}, {NOT_APART}."
    return "" if table.tells_apart(order=order) else by


def _any_rank(frame: Any) -> str:
    """Return that each filter may have any rank, where the test of all together says more."""
    free = (frame["rank_low"] == 1) & (frame["rank_high"] == len(frame))
    sure = len(frame) == 1 or not free.all()
    return "" if sure else "No two filters are told apart for sure: each may have any rank."


def _told(row: Any) -> str:
    span = rank_interval_words(int(row["rank_low"]), int(row["rank_high"]))
    return f"Filter {int(row['filter'])}: rank {int(row['rank'])}, {span}"


def _notes(frame: Any) -> list[str]:
    notes = [
        "bars: the ranks that a filter may truly have, all of them at once, at 95%.  "
        "hollow: it may have any."
    ]
    if _crowded(len(frame)):
        numbers = [str(i) for i in frame["filter"]]
        ends = f"{', '.join(numbers[:NAMED])} … {', '.join(numbers[-NAMED:])}"
        notes.insert(0, f"filters {ends}")
    return notes


def _crowded(filters: int) -> bool:
    """Whether there are more filters than an axis has room for numbers."""
    return (WIDTH - LEFT - MARGIN) / filters < UPRIGHT


def _draw(axes: Axes, frame: Any) -> None:
    """Draw ranks downwards, the first at the top."""
    F = len(frame)
    place = frame["rank"].to_numpy()
    low, high = frame["rank_low"].to_numpy(), frame["rank_high"].to_numpy()
    pitch = (WIDTH - LEFT - MARGIN) / F
    low_edge, high_edge = low - 0.5, high + 0.5  # one rank is a bar as well
    if _crowded(F):
        axes.fill_between(
            np.arange(F + 1) + 0.5, np.append(low_edge, low_edge[-1]),
            np.append(high_edge, high_edge[-1]), step="post", color=FILLED, alpha=0.6, linewidth=0,
        )  # fmt: skip
    else:
        axes.vlines(place, low_edge, high_edge, color=FILLED, linewidth=min(14.0, 36 * pitch))
    free = (low == 1) & (high == F)
    size = min(9.0, max(3.0, 72 * 0.62 * pitch))
    axes.plot(place, place, "o", color=EDGE, markersize=size, markeredgewidth=1.1, zorder=3)
    axes.plot(place[free], place[free], "o", color=PAPER, markeredgecolor=EDGE, markersize=size,
              markeredgewidth=1.1, zorder=4)  # fmt: skip
    axes.set_xlim(0.3, F + 0.7)
    axes.set_ylim(F + 0.7, 0.3)
    axes.set_yticks(_ticks(F))
    axes.tick_params(axis="y", labelsize=SMALL)
    axes.grid(axis="y", color=LINE, linewidth=0.6)
    axes.set_ylabel("rank", fontsize=BODY, color=INK)
    if _crowded(F):
        axes.set_xticks([])
        axes.set_xlabel("filters by their place in the order", fontsize=BODY, color=INK)
    else:
        numbers = [str(i) for i in frame["filter"]]
        level = pitch >= 0.11 * max(map(len, numbers)) + 0.06
        axes.set_xticks(place, numbers, rotation=0 if level else 90)
        axes.set_xlabel("filter, by its number", fontsize=BODY, color=INK)


def _ticks(filters: int) -> list[int]:
    """Return a few ranks, the first and the last of them."""
    step = next(s for s in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if filters <= 10 * s)
    between = np.arange(step, filters, step)
    kept = between[(between > 1 + 0.4 * step) & (between < filters - 0.4 * step)]
    return list(dict.fromkeys([1, *kept.tolist(), filters]))
