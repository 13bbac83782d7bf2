"""Two readings of colour beside each other: by the weights, and by what grey pictures take away."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from carviz.plots.agreement_panel import AXIS_ROOM, HEAD_ROOM, alike_words, draw_panel
from carviz.plots.classes import MARGIN
from carviz.plots.style import (
    BODY,
    BOLD,
    INK,
    KIND_COLORS,
    KIND_MARKERS,
    SOFT,
    TITLE,
    CarvizFigure,
    bare,
    box,
    fit,
    width_of,
    write,
    write_at,
)
from carviz.results import SelectivityTable

WIDTH = 13.2
TOP = 1.75
"""Inches above the first panels: heading, line, legend."""
HEIGHTS = {1: 5.6, 2: 3.4, 3: 3.0}
"""Inches of a panel's plot, by the number of panels in a row."""


def plot_agreement(selectivity: SelectivityTable | Iterable[SelectivityTable]) -> CarvizFigure:
    """Show how well two readings of colour agree, a point a filter, a panel a bank.

    To the right stands the colour index of a filter's weights (of a deeper bank, of its effective
    RGB weights), upwards the activation index of Rafegas and Vanrell: the share of its response
    that goes when the images that excite it most are made grey. The dashed lines are the
    thresholds. Filters that one reading calls colour-selective and the other does not are ringed,
    and of these the farthest from a threshold are numbered. The rank correlation is Spearman's.

    Parameters
    ----------
    selectivity
        A `SelectivityTable` that was measured with data, or several, one a bank.

    Returns
    -------
    CarvizFigure
        A matplotlib Figure, not shown, that Jupyter displays.

    Raises
    ------
    TypeError
        If something else than a SelectivityTable is found.
    ValueError
        If there is no table.

    Examples
    --------
    >>> import carviz
    >>> model, data = carviz.load_model("shapes"), carviz.load_data("shapes", limit=1)
    >>> table = carviz.measure_selectivity(model, "features.0", data=data, progress=False)
    >>> figure = carviz.plot_agreement(table)
    >>> figure.description.split(". ")[0]
    'features.0: both readings of colour rank its filters somewhat alike'
    """
    tables = _check_tables(selectivity)
    columns = {1: 1, 2: 2, 4: 2}.get(len(tables), 3)
    rows = math.ceil(len(tables) / columns)
    height = HEIGHTS[columns]
    panel = HEAD_ROOM + height + AXIS_ROOM
    figure = CarvizFigure(WIDTH, TOP + rows * panel)
    heading = fit(figure, _heading(tables), BOLD * (WIDTH - 2 * MARGIN), TITLE)
    write_at(figure, MARGIN, 0.42, heading, fontsize=TITLE, weight="bold")
    line = (
        "Right: the colour index of the weights. Up: the share of the response that goes when "
        "the images are made grey."
    )
    write_at(figure, MARGIN, 0.82, line, color=SOFT)
    _draw_legend(figure)
    pitch = (WIDTH - 2 * MARGIN) / columns
    told = []
    for i, table in enumerate(tables):
        down, across = divmod(i, columns)
        left, top = MARGIN + across * pitch, TOP + down * panel
        told.append(draw_panel(figure, table, left, top, pitch - 0.3, height))
    figure.description = f"{heading}. {line} {' '.join(told)}"
    return figure


def _heading(tables: list[SelectivityTable]) -> str:
    found = [table.rank_correlation() for table in tables]
    known = [value for value in found if not math.isnan(value)]
    if not known:
        return "Two readings of colour: nothing to compare"
    if len(tables) == 1:
        words = alike_words(found[0])
        return f"{tables[0].layer}: both readings of colour rank its filters {words}"
    each = list(dict.fromkeys(alike_words(value) for value in sorted(known)))
    some = f"{len(known)} of " if len(known) < len(tables) else ""
    span = each[0] if len(each) == 1 else f"{each[0].removesuffix(' alike')} to {each[-1]}"
    return f"Both readings of colour rank the filters {span} in {some}{len(tables)} banks"


def _draw_legend(figure: CarvizFigure) -> None:
    """Write in one line what the marks are."""
    axes = bare(box(figure, MARGIN, 1.06, WIDTH - 2 * MARGIN, 0.36))
    axes.set_axis_off()
    axes.set_xlim(0, WIDTH - 2 * MARGIN)
    axes.set_ylim(-1, 1)
    marks: list[tuple[str, dict[str, Any]]] = [
        ("colour by its weights", {"marker": KIND_MARKERS["color"], "color": KIND_COLORS["color"]}),
        ("shape by its weights", {"marker": KIND_MARKERS["shape"], "color": KIND_COLORS["shape"]}),
        ("ringed: the readings disagree", {"marker": "o", "mfc": "none", "mec": INK, "mew": 1.6}),
        ("dashed: thresholds", {"linestyle": (0, (5, 4)), "color": SOFT}),
    ]
    place = 0.15
    for words, look in marks:
        ends = [place - 0.15, place + 0.2] if "linestyle" in look else [place]
        axes.plot(ends, [0] * len(ends), **{"markersize": 11, **look})
        write(axes, ends[-1] + 0.18, 0, words)
        place = ends[-1] + 0.18 + width_of(figure, words, BODY) + 0.45


# -- what the plot asks of its arguments


def _check_tables(selectivity: Any) -> list[SelectivityTable]:
    single = isinstance(selectivity, SelectivityTable) or not isinstance(selectivity, Iterable)
    tables = [selectivity] if single else list(selectivity)
    for table in tables:
        if not isinstance(table, SelectivityTable):
            raise TypeError(
                "plot_agreement shows what carviz.measure_selectivity returns, one or several; "
                f"found {type(table).__name__}."
            )
    if not tables:
        raise ValueError("plot_agreement shows one bank at least; found none.")
    return tables
