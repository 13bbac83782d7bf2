"""One filter at a glance: what it looks like, what it costs to lose it, and whom."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from carviz.plots.classes import (
    MARGIN,
    bars_height,
    class_blocks,
    class_notes,
    describe_blocks,
    draw_bars,
)
from carviz.plots.style import (
    BODY,
    BOLD,
    HEAD,
    INK,
    KIND_COLORS,
    KIND_MARKERS,
    LARGE,
    PAPER,
    SMALL,
    SOFT,
    TITLE,
    CarvizFigure,
    bare,
    box,
    check_picture,
    check_selectivity,
    check_table,
    fit,
    wrap,
    write_at,
)
from carviz.results import CarTable, SelectivityTable
from carviz.wording import (
    accuracy_words,
    flips_words,
    index_words,
    interval_words,
    kind_words,
    place_words,
    points,
)

WIDTH = 13.2
COLUMN = 3.6
"""Inches of the left column: picture, badge and numbers."""
TOP = 1.2
LINE = 0.31


def plot_filter(
    table: CarTable,
    filter: int,
    *,
    picture: Any = None,
    selectivity: SelectivityTable | None = None,
    k: int = 5,
) -> CarvizFigure:
    """Show one filter at a glance.

    Left its weights, whether it selects colour or shape, its CAR in percentage points with the
    95% interval and the images behind it, and its rank in the bank. Right the classes that it
    matters to most and least, as in `plot_classes`.

    Parameters
    ----------
    table
        A `CarTable`; one of part of the images says how many it has seen.
    filter
        The filter's number in its bank.
    picture
        (height, width, 3), floats in [0, 1], as `carviz.rgb_weights` gives it; None for none.
    selectivity
        The bank's `SelectivityTable`; None for no badge.
    k
        Classes at each end, 1 or more.

    Returns
    -------
    CarvizFigure
        A matplotlib Figure, not shown, that Jupyter displays.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind.
    ValueError
        If the table does not hold the filter, `selectivity` is of another bank, the picture has
        another shape or range, or `k` is less than 1.

    Examples
    --------
    >>> import carviz
    >>> model, data = carviz.load_model("shapes"), carviz.load_data("shapes", limit=1)
    >>> table = carviz.measure_car(model, data, "features.0", progress=False)
    >>> figure = carviz.plot_filter(table, 4, picture=carviz.rgb_weights(model, "features.0", 4))
    >>> figure.description.split(". ")[0]
    'Filter 4 of features.0'
    """
    check_table(table)
    table.row(filter)
    picture = check_picture(picture, "(height, width, 3)")
    selectivity = check_selectivity(selectivity, table, filter)
    blocks, notes = class_blocks(table, filter, k), class_notes(table, filter, k)
    facts = _facts(table, filter)
    left = (COLUMN if picture is not None else 0.2) + (0.75 if selectivity is not None else 0.1)
    lines = _lines(facts)
    height = TOP + max(left + 1.58 + LINE * (len(lines) - 1), bars_height(blocks, notes)) + 0.2
    figure = CarvizFigure(WIDTH, height)
    heading = f"Filter {filter} of {table.layer}"
    heading = fit(figure, heading, BOLD * (WIDTH - 2 * MARGIN), TITLE)
    write_at(figure, MARGIN, 0.42, heading, fontsize=TITLE, weight="bold")
    write_at(figure, MARGIN, 0.82, accuracy_words(table), color=SOFT)
    top = TOP
    if picture is not None:
        _draw_picture(figure, picture, top)
        top += COLUMN + 0.05
    badge = ""
    if selectivity is not None:
        badge = _draw_badge(figure, selectivity, filter, top + 0.4)
        top += 0.75
    _draw_facts(figure, lines, top)
    bars = MARGIN + COLUMN + 0.55
    draw_bars(figure, blocks, notes, bars, TOP - 0.1, WIDTH - bars - MARGIN, height - TOP - 0.1)
    words = [heading, badge, *facts, accuracy_words(table), describe_blocks(blocks)]
    figure.description = ". ".join(w for w in words if w)
    return figure


def _facts(table: CarTable, filter: int) -> list[str]:
    """Return CAR, its interval, its counts and its rank, in words."""
    found = table.summary(filter, k=0)
    return [
        points(found.car),
        f"95% interval {interval_words(found.low, found.high)}",
        flips_words(found.lost, found.gained, found.images),
        place_words(found),
    ]


def _draw_picture(figure: Figure, picture: Any, top: float) -> None:
    height, width = picture.shape[:2]
    side = COLUMN / max(height, width)
    axes = box(figure, MARGIN, top, side * width, side * height)
    bare(axes, keep="left right top bottom")
    axes.imshow(picture, interpolation="nearest", aspect="auto")
    axes.set_xticks([])
    axes.set_yticks([])


def _draw_badge(figure: Figure, selectivity: SelectivityTable, filter: int, middle: float) -> str:
    """Draw "colour", "shape" or "dead" as a mark on a coloured ground, and return it in words."""
    kind = str(selectivity.kind[filter])
    index = index_words(selectivity.color_index[filter])
    text = write_at(
        figure, MARGIN + 0.5, middle, kind_words(kind), fontsize=HEAD, weight="bold", color=PAPER,
        bbox={"boxstyle": "round,pad=0.32", "facecolor": KIND_COLORS[kind], "edgecolor": "none"},
    )  # fmt: skip
    axes = box(figure, MARGIN, middle - 0.16, 0.32, 0.32)
    bare(axes)
    axes.set_axis_off()
    axes.plot([0], [0], KIND_MARKERS[kind], color=KIND_COLORS[kind], ms=15, mec=INK, mew=1.2)
    edge = text.get_window_extent().x1 / figure.dpi
    write_at(figure, edge + 0.22, middle, index)
    return f"{kind_words(kind)}, {index}"


def _lines(facts: list[str]) -> list[str]:
    """Break the facts, the first of which is written large, into lines of the left column."""
    page = CarvizFigure(10, 1)
    small = [wrap(page, words, COLUMN + 0.4, BODY) for words in facts[1:]]
    return [facts[0], *(line for lines in small for line in lines)]


def _draw_facts(figure: Figure, facts: list[str], top: float) -> None:
    write_at(figure, MARGIN, top + 0.2, "CAR, accuracy lost without it", fontsize=SMALL, color=SOFT)
    write_at(figure, MARGIN, top + 0.62, facts[0], fontsize=LARGE, weight="bold")
    for i, words in enumerate(facts[1:]):
        write_at(figure, MARGIN, top + 1.08 + LINE * i, words)
