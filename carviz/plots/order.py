"""The order of pruning: the filters' pictures in the order in which they went."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from carviz.plots.bank import draw_letter, draw_thumbnail
from carviz.plots.classes import MARGIN
from carviz.plots.pruned import check_count, check_path
from carviz.plots.style import (
    BODY,
    BOLD,
    HEAD,
    SMALL,
    SOFT,
    TITLE,
    CarvizFigure,
    check_kinds,
    check_whole_bank,
    fit,
    fit_names,
    write_at,
)
from carviz.results import PruningPath, SelectivityTable
from carviz.wording import banks_words, chance_lines, criterion_words, percent, whole_words

WIDTH = 13.2
LINE_HEIGHT = 0.29
SECTION = 0.5
STEP = 0.24
"""Inches above a picture, for its step."""
CAPTION = 0.32
"""Inches below it, for its number and letter; a line more names its bank."""
BANK = 0.22
LEAST, NAMED, LARGEST = 0.84, 1.04, 1.4
"""Inches from one picture to the next: at least, where the bank is named below, and at most."""
MOST = 120
"""Pictures that a page still shows at a readable size."""


@dataclasses.dataclass(frozen=True)
class _Section:
    """A headed part of the strip: filters as (bank, number), and the step of the first, if any."""

    head: str
    filters: list[tuple[str, int]]
    first: int | None


def plot_order(
    path: PruningPath,
    pictures: Any,
    *,
    selectivity: SelectivityTable | Mapping[str, SelectivityTable] | None = None,
    count: int | None = None,
) -> CarvizFigure:
    """Show the filters in the order in which they were pruned, each marked colour or shape.

    Every picture has its step above it, and below it the filter's number and its kind: C on a disc
    selects colour, S on a square shape, × is dead. Above them stand how many of the first `count`
    select colour, beside what chance would give, the banks' own share, and how likely chance alone
    draws as many or more; and the same again without the filters that training hardly shaped.

    Parameters
    ----------
    path
        A `PruningPath`.
    pictures
        (F, height, width, 3), floats in [0, 1], of the whole bank by filter number, as
        `carviz.rgb_weights` gives them; of several banks a mapping from the bank's name to that.
    selectivity
        The bank's `SelectivityTable`, or a mapping likewise, which may leave banks out: their
        filters are neither marked nor counted. None for no marks.
    count
        How many count as the first. None: half of the filters, or what the path prunes if less.

    Returns
    -------
    CarvizFigure
        A matplotlib Figure, not shown, that Jupyter displays. Of more than 120 filters it shows
        the first.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind.
    ValueError
        If `pictures` or `selectivity` are not of the path's banks, or the path does not prune
        `count` filters.

    Examples
    --------
    >>> import carviz
    >>> model, data = carviz.load_model("shapes"), carviz.load_data("shapes", limit=1)
    >>> path = carviz.prune_filters(
    ...     model, data, "features.0", count=4, criterion="l1", progress=False
    ... )
    >>> figure = carviz.plot_order(path, carviz.rgb_weights(model, "features.0"))
    >>> figure.description.split(". ")[-1]
    'Order: 0, 17, 23, 25.'
    """
    check_path(path)
    shown = _pictures(path, pictures)
    kinds = _selectivity(path, selectivity)
    if count is None:
        count = min(len(path), path.filters // 2)
    count = check_count(count, len(path))
    sections = _sections(path, count)
    lines = chance_lines(path, kinds, count)
    grid = _Grid(path, sections, 1.05 + LINE_HEIGHT * len(lines))
    figure = CarvizFigure(WIDTH, grid.height)
    heading = f"Pruning {banks_words(path)}: the order, by {criterion_words(path)}"
    heading = fit(figure, heading, BOLD * (WIDTH - 2 * MARGIN), TITLE)
    write_at(figure, MARGIN, 0.42, heading, fontsize=TITLE, weight="bold")
    left = f"{whole_words(path)}; {percent(path.accuracy[count])} without the first {count}"
    write_at(figure, MARGIN, 0.82, left, color=SOFT)
    for i, line in enumerate(lines):
        weight = "bold" if i == 0 else "normal"
        write_at(figure, MARGIN, 1.15 + LINE_HEIGHT * i, line, weight=weight)
    _draw_sections(figure, path, sections, grid, shown, kinds)
    steps = ", ".join(f"{i}" if len(path.banks) == 1 else f"{i} of {b}" for b, i in path.steps)
    told = [heading, left, *lines, f"Order: {steps}"]
    figure.description = ". ".join(part.rstrip(".") for part in told) + "."
    return figure


# -- what is shown


def _sections(path: PruningPath, count: int) -> list[_Section]:
    """Return the first pruned, those pruned later and those that stay, as many as fit a page."""
    steps = path.steps
    gone = set(steps)
    every = [(b, i) for b, F in zip(path.banks, path.bank_sizes, strict=True) for i in range(F)]
    stay = [filter for filter in every if filter not in gone]
    parts = [
        _Section(f"First {count} pruned, in this order", steps[:count], 1),
        _Section(f"Pruned later, {count + 1} to {len(path)}", steps[count:], count + 1),
        _Section(f"Left in the network after {len(path)}", stay, None),
    ]
    room, kept = MOST, []
    for part in parts:
        fits = part.filters[:room]
        room -= len(fits)
        if fits:
            more = len(part.filters) - len(fits)
            head = part.head + (f" ({more} more are not shown)" if more else "")
            kept.append(_Section(head, fits, part.first))
    return kept


# -- the strip


class _Grid:
    """Where the pictures stand and how large they are; inches."""

    def __init__(self, path: PruningPath, sections: list[_Section], top: float) -> None:
        total = max(1, sum(len(part.filters) for part in sections))
        room = WIDTH - 2 * MARGIN
        least = LEAST if len(path.banks) == 1 else NAMED
        columns = min(math.floor(room / least), max(8, math.ceil(math.sqrt(3 * total))))
        self.columns, self.pitch = columns, min(LARGEST, room / columns)
        self.cell = self.pitch - 0.14
        self.row = STEP + self.cell + CAPTION + (BANK if len(path.banks) > 1 else 0) + 0.1
        self.tops = []
        for part in sections:
            self.tops.append(top)
            top += SECTION + self.row * math.ceil(len(part.filters) / columns)
        self.height = top + 0.15

    def place(self, section: int, i: int) -> tuple[float, float]:
        """Return left and top of a picture."""
        row, column = divmod(i, self.columns)
        return MARGIN + column * self.pitch, self.tops[section] + SECTION + row * self.row + STEP


def _draw_sections(
    figure: Figure,
    path: PruningPath,
    sections: list[_Section],
    grid: _Grid,
    pictures: dict[str, NDArray[np.float64]],
    kinds: dict[str, SelectivityTable],
) -> None:
    short = dict(
        zip(path.banks, fit_names(figure, list(path.banks), grid.cell, SMALL), strict=True)
    )
    for s, part in enumerate(sections):
        write_at(figure, MARGIN, grid.tops[s] + 0.24, part.head, fontsize=HEAD, weight="bold")
        for i, (bank, filter) in enumerate(part.filters):
            left, top = grid.place(s, i)
            if part.first is not None:
                step = f"{part.first + i}."
                write_at(figure, left, top - 0.12, step, fontsize=SMALL, color=SOFT)
            draw_thumbnail(figure, pictures[bank][filter], left, top, grid.cell)
            line = top + grid.cell + 0.16
            name = write_at(figure, left, line, str(filter), fontsize=BODY, weight="bold")
            if bank in kinds:
                edge = name.get_window_extent().x1 / figure.dpi
                draw_letter(figure, str(kinds[bank].kind[filter]), edge + 0.19, line)
            if len(path.banks) > 1:
                write_at(figure, left, line + BANK, short[bank], fontsize=SMALL, color=SOFT)


# -- what the plot asks of its arguments


def _by_bank(path: PruningPath, given: Any, what: str) -> dict[str, Any]:
    """Return what was given as a mapping from bank to it."""
    if isinstance(given, Mapping):
        unknown = [str(bank) for bank in given if bank not in path.banks]
        if unknown:
            raise ValueError(
                f"{what} are of the path's banks, {', '.join(map(repr, path.banks))}; found "
                f"{unknown[0]!r}."
            )
        return dict(given)
    if len(path.banks) > 1:
        raise TypeError(
            f"Of several banks {what} are a mapping from a bank's name, "
            f"{', '.join(map(repr, path.banks))}; found {type(given).__name__}."
        )
    return {path.banks[0]: given}


def _pictures(path: PruningPath, pictures: Any) -> dict[str, NDArray[np.float64]]:
    given = _by_bank(path, pictures, "pictures")
    sizes = zip(path.banks, path.bank_sizes.tolist(), strict=True)
    return {bank: check_whole_bank(given.get(bank), bank, F) for bank, F in sizes}


def _selectivity(path: PruningPath, selectivity: Any) -> dict[str, SelectivityTable]:
    if selectivity is None:
        return {}
    sizes = dict(zip(path.banks, path.bank_sizes.tolist(), strict=True))
    given = _by_bank(path, selectivity, "selectivity tables")
    checked = {
        bank: check_kinds(table, bank, sizes[bank], whole=True) for bank, table in given.items()
    }
    return {bank: table for bank, table in checked.items() if table is not None}
