"""What was pruned beside what is left that is most like it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from carviz.plots.bank import draw_letter, draw_thumbnail
from carviz.plots.classes import MARGIN
from carviz.plots.style import (
    BODY,
    BOLD,
    LINE,
    SMALL,
    SOFT,
    TITLE,
    CarvizFigure,
    check_kinds,
    check_whole_bank,
    fit,
    write_at,
)
from carviz.results import SelectivityTable, SiblingTable
from carviz.wording import counted, likeness_words

if TYPE_CHECKING:
    import pandas as pd

WIDTH = 13.2
TOP = 1.65
ACROSS = 4
"""Filters in a row, each with its two siblings."""
CARD = (WIDTH - 2 * MARGIN) / ACROSS
SIDE, GAP = 0.84, 0.14
CAPTION = 0.6
BETWEEN = 0.22
LEGEND = 0.35
MOST = 40
"""Filters that a page still shows at a readable size."""
HEADS = ("pruned", "weights", "activation")
NONE = "none"


def plot_siblings(
    table: SiblingTable,
    pictures: Any,
    filters: Iterable[int],
    *,
    among: Iterable[int] | None = None,
    selectivity: SelectivityTable | None = None,
) -> CarvizFigure:
    """Show pruned filters, each beside its nearest surviving sibling by weights and by activation.

    Below a picture stands the filter's number, below a sibling's how alike it is: the cosine of the
    weights, the correlation of the activations; 1 is the same, 0 is unlike.

    Parameters
    ----------
    table
        A `SiblingTable`.
    pictures
        (F, height, width, 3), floats in [0, 1], of the whole bank by filter number, as
        `carviz.rgb_weights` gives them.
    filters
        Numbers of the filters that were pruned, in the order in which they shall stand.
    among
        Numbers of the filters to look among; None for all that are not in `filters`.
    selectivity
        The bank's `SelectivityTable`, to mark each filter: C colour, S shape, × dead. None for no
        marks.

    Returns
    -------
    CarvizFigure
        A matplotlib Figure, not shown, that Jupyter displays. Of more than 40 filters it shows the
        first.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind.
    ValueError
        If a number is no filter of the bank, `pictures` or `selectivity` are not of it, or no
        filter is given or left.

    Examples
    --------
    >>> import carviz
    >>> model, data = carviz.load_model("shapes"), carviz.load_data("shapes", limit=1)
    >>> siblings = carviz.measure_siblings(model, data, "features.0", progress=False)
    >>> figure = carviz.plot_siblings(siblings, carviz.rgb_weights(model, "features.0"), [0, 1])
    >>> figure.description.split(". ")[0]
    'features.0: 2 filters pruned, and what is left that is most like them'
    """
    check_siblings(table)
    shown = check_whole_bank(pictures, table.layer, len(table))
    selectivity = check_kinds(selectivity, table.layer, len(table), whole=True)
    gone = table.check_filters(filters, "filters")
    left = sorted(set(range(len(table))) - set(gone))
    left = left if among is None else sorted(set(table.check_filters(among, "among")))
    if not gone or not left:
        raise ValueError(
            "plot_siblings shows one filter at least, beside one that is left; found "
            f"{len(gone)} and {len(left)}."
        )
    frame = table.nearest_each(gone, among=left)
    page = frame.head(MOST)
    rows = math.ceil(len(page) / ACROSS)
    height = TOP + rows * (SIDE + CAPTION + BETWEEN) + 0.1
    figure = CarvizFigure(WIDTH, height + (LEGEND if selectivity is not None else 0))
    pruned = f"{counted(len(gone), 'filter')} pruned"
    heading = f"{table.layer}: {pruned}, and what is left that is most like them"
    heading = fit(figure, heading, BOLD * (WIDTH - 2 * MARGIN), TITLE)
    write_at(figure, MARGIN, 0.42, heading, fontsize=TITLE, weight="bold")
    lines = _lines(table, frame, len(left), len(page))
    for i, line in enumerate(lines):
        write_at(figure, MARGIN, 0.82 + 0.29 * i, line, color=SOFT)
    _draw_heads(figure, min(ACROSS, len(page)))
    for i, row in enumerate(page.to_dict("records")):
        _draw_card(figure, row, i, shown, selectivity)
    if selectivity is not None:
        draw_kinds(figure, MARGIN + 0.1, height + 0.05, selectivity)
    told = "; ".join(_told(row) for row in page.to_dict("records"))
    figure.description = f"{heading}. {' '.join(lines)} {told}."
    return figure


# -- what is shown


def _lines(table: SiblingTable, frame: pd.DataFrame, left: int, shown: int) -> list[str]:
    """Write what the numbers are, and what they are in the middle."""
    first = (
        f"Nearest of {left} left: by weights (their cosine) and by activation (correlation on "
        f"{counted(table.images, 'image')}). 1 is the same, 0 is unlike."
    )
    second = (
        f"In the middle (median) the nearest has {likeness_words(frame['cosine'].median())} by "
        f"weights and {likeness_words(frame['correlation'].median())} by activation."
    )
    if shown < len(frame):
        second += f" {len(frame) - shown} more are not shown."
    return [first, second]


def _told(row: dict[Any, Any]) -> str:
    return (
        f"filter {row['filter']}: by weights {_name(row['by_weights'])} "
        f"({likeness_words(row['cosine'])}), by activation {_name(row['by_activation'])} "
        f"({likeness_words(row['correlation'])})"
    )


def _name(filter: Any) -> str:
    import pandas as pd

    return NONE if pd.isna(filter) else str(filter)


# -- the cards


def _draw_heads(figure: CarvizFigure, across: int) -> None:
    for i in range(across * len(HEADS)):
        card, column = divmod(i, len(HEADS))
        left = MARGIN + card * CARD + column * (SIDE + GAP)
        write_at(figure, left, TOP - 0.16, HEADS[column], fontsize=SMALL, color=SOFT)


def _draw_card(
    figure: CarvizFigure,
    row: dict[Any, Any],
    i: int,
    pictures: NDArray[np.float64],
    selectivity: SelectivityTable | None,
) -> None:
    """Draw a filter and its two siblings, as the `i`-th."""
    down, across = divmod(i, ACROSS)
    top = TOP + down * (SIDE + CAPTION + BETWEEN)
    places = [
        (row["filter"], None),
        (row["by_weights"], row["cosine"]),
        (row["by_activation"], row["correlation"]),
    ]
    for column, (filter, similarity) in enumerate(places):
        left = MARGIN + across * CARD + column * (SIDE + GAP)
        name, line = _name(filter), top + SIDE + 0.16
        if name != NONE:
            draw_thumbnail(figure, pictures[int(name)], left, top, SIDE)
        weight = "bold" if column == 0 else "normal"
        text = write_at(figure, left, line, name, fontsize=BODY, weight=weight)
        if selectivity is not None and name != NONE:
            edge = text.get_window_extent().x1 / figure.dpi
            draw_letter(figure, str(selectivity.kind[int(name)]), edge + 0.19, line)
        if similarity is not None and name != NONE:
            write_at(figure, left, line + 0.26, likeness_words(similarity), fontsize=BODY)
    if across:
        _draw_rule(figure, MARGIN + across * CARD - 0.16, top, SIDE + CAPTION)


def _draw_rule(figure: CarvizFigure, left: float, top: float, height: float) -> None:
    from matplotlib.lines import Line2D

    W, H = figure.get_size_inches()
    x, y = left / W, 1 - top / H
    figure.add_artist(Line2D([x, x], [y, y - height / H], color=LINE, linewidth=1.0))


def draw_kinds(
    figure: CarvizFigure, left: float, top: float, selectivity: SelectivityTable
) -> None:
    """Write in one line what the letters of the kinds mean, of those that the bank has."""
    for kind, words in (("color", "selects colour"), ("shape", "selects shape"), ("dead", "dead")):
        if not (selectivity.kind == kind).any():
            continue
        draw_letter(figure, kind, left, top)
        text = write_at(figure, left + 0.2, top, words, fontsize=SMALL, color=SOFT)
        left = text.get_window_extent().x1 / figure.dpi + 0.4


# -- what the plots of siblings ask of their argument


def check_siblings(table: Any) -> SiblingTable:
    """Return `table` if it is a SiblingTable; TypeError otherwise."""
    if not isinstance(table, SiblingTable):
        raise TypeError(
            "A plot of siblings shows a SiblingTable, which carviz.measure_siblings returns or "
            f"SiblingTable.load reads; found {type(table).__name__}."
        )
    return table
