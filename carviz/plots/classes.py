"""Class bars: to which classes a filter matters most and least, with what is known of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from carviz.class_lists import class_lists
from carviz.plots.letters import told_apart
from carviz.plots.style import (
    BODY,
    BOLD,
    EDGE,
    FILLED,
    HEAD,
    HOLLOW,
    INK,
    LINE,
    SIDE,
    SMALL,
    SOFT,
    TITLE,
    CarvizFigure,
    bare,
    box,
    check_table,
    fit,
    fit_names,
    set_points_axis,
    width_of,
    write,
    write_at,
)
from carviz.results import CarTable, summary_frame
from carviz.wording import SIGNIFICANT, accuracy_words, counts_words, points

if TYPE_CHECKING:
    import pandas as pd

ROW = 0.36
HEADER = 0.42
AXIS = 0.75
NOTE = 0.27
TALLEST_ROW = 0.5
MOST_OF_NAME = 3.3
MARGIN = SIDE


def plot_classes(table: CarTable, filter: int, *, k: int = 5) -> CarvizFigure:
    """Show the classes that a filter matters to most and least, as bars with intervals.

    A bar is the class's CAR in percentage points, the line across its end the 95% interval
    (Agresti and Min), the words at its right the counts that it is made of. A filled bar passes
    the exact sign test at q ≤ 0.05 (Benjamini and Hochberg over all classes of the filter); a
    hollow one could be chance. "=" marks a class that ties with another in CAR. With fewer than
    2k classes all of them are shown once.

    Parameters
    ----------
    table
        A `CarTable`; one of part of the images says how many it has seen.
    filter
        The filter's number in its bank.
    k
        Classes at each end, 1 or more.

    Returns
    -------
    CarvizFigure
        A matplotlib Figure, not shown, that Jupyter displays.

    Raises
    ------
    TypeError
        If `table` is no CarTable.
    ValueError
        If the table does not hold the filter, or `k` is less than 1.

    Examples
    --------
    >>> import carviz
    >>> model, data = carviz.load_model("shapes"), carviz.load_data("shapes", limit=1)
    >>> table = carviz.measure_car(model, data, "features.0", filters=[4], progress=False)
    >>> figure = carviz.plot_classes(table, 4, k=3)
    >>> "features.0" in figure.description
    True
    """
    check_table(table)
    blocks, notes = class_blocks(table, filter, k), class_notes(table, filter, k)
    width, top = 10.0, 1.15
    figure = CarvizFigure(width, top + bars_height(blocks, notes) + 0.15)
    heading = f"Filter {filter} of {table.layer}: CAR by class"
    heading = fit(figure, heading, BOLD * (width - 2 * MARGIN), TITLE)
    write_at(figure, MARGIN, 0.42, heading, fontsize=TITLE, weight="bold")
    write_at(figure, MARGIN, 0.82, accuracy_words(table), color=SOFT)
    height = bars_height(blocks, notes)
    draw_bars(figure, blocks, notes, MARGIN, top, width - 2 * MARGIN, height)
    figure.description = f"{heading}. {describe_blocks(blocks)}"
    return figure


def class_blocks(table: CarTable, filter: int, k: int) -> list[tuple[str, pd.DataFrame]]:
    """Return headed lists of classes: see `carviz.class_lists`."""
    blocks = class_lists(table, filter, k).blocks
    return [(title, summary_frame(classes)) for title, classes in blocks]


def class_notes(table: CarTable, filter: int, k: int) -> list[str]:
    """Return what stands below the lists: what the marks mean, and what is not in them."""
    found = class_lists(table, filter, k)
    key = "lines: 95% intervals.  filled bar: sign test q ≤ 0.05.  hollow bar: could be chance."
    return [note for note in (key, found.doubt, found.rest, found.tie) if note]


def bars_height(blocks: list[tuple[str, pd.DataFrame]], notes: list[str]) -> float:
    """Return the inches that `draw_bars` takes at the least."""
    rows = sum(len(frame) for _, frame in blocks)
    return len(blocks) * HEADER + rows * ROW + AXIS + len(notes) * NOTE


def draw_bars(
    figure: Figure,
    blocks: list[tuple[str, pd.DataFrame]],
    notes: list[str],
    left: float,
    top: float,
    width: float,
    height: float,
) -> None:
    """Draw the blocks into the figure below each other, on one scale; places are in inches."""
    names = _names(figure, blocks)
    of_name = max(width_of(figure, n, BODY) for block in names for n in block) + 0.15
    counts = [
        [counts_words(r["lost"], r["gained"], r["images"]) for _, r in frame.iterrows()]
        for _, frame in blocks
    ]
    of_counts = max(width_of(figure, c, BODY) for block in counts for c in block) + 0.2
    middle = width - of_name - of_counts
    low = min(0.0, *(frame[["low", "car"]].min().min() for _, frame in blocks))
    high = max(0.0, *(frame[["high", "car"]].max().max() for _, frame in blocks))
    spare = height - bars_height(blocks, notes)
    row_height = min(TALLEST_ROW, ROW + spare / sum(len(frame) for _, frame in blocks))
    for i, (title, frame) in enumerate(blocks):
        write_at(figure, left, top + 0.22, title, fontsize=HEAD, weight="bold")
        axes = box(figure, left + of_name, top + HEADER, middle, row_height * len(frame))
        last = i == len(blocks) - 1
        bare(axes, keep="bottom" if last else "")
        set_points_axis(axes, low, high)
        draw_rows(axes, frame, names[i], counts[i])
        if last:
            axes.set_xlabel("CAR of the class, percentage points", fontsize=SMALL, color=INK)
        else:
            axes.tick_params(axis="x", length=0, labelbottom=False)
        top += HEADER + row_height * len(frame)
    for i, note in enumerate(notes):
        write_at(figure, left, top + AXIS + (i + 0.3) * NOTE, note, fontsize=SMALL, color=SOFT)


def draw_rows(axes: Any, frame: pd.DataFrame, names: list[str], counts: list[str]) -> None:
    """Draw a bar a class with its interval, filled where q ≤ 0.05, and words at its right."""
    axes.set_ylim(len(frame) - 0.5, -0.5)
    axes.grid(axis="x", color=LINE, linewidth=0.6)
    axes.axvline(0, color=INK, linewidth=1.2)
    for y, (_, row) in enumerate(frame.iterrows()):
        sure = row["q_value"] <= SIGNIFICANT
        axes.barh(
            y,
            100 * row["car"],
            0.62,
            color=FILLED if sure else HOLLOW,
            edgecolor=EDGE,
            linewidth=1.4,
        )
        axes.plot([100 * row["low"], 100 * row["high"]], [y, y], color=INK, linewidth=1.6)
        axes.plot([100 * row["low"], 100 * row["high"]], [y, y], "|", color=INK, ms=9, mew=1.6)
        write(axes, 1.02, y, counts[y], transform=axes.get_yaxis_transform(), va="center_baseline")
    axes.set_yticks(range(len(frame)), names, fontsize=BODY, parse_math=False)
    axes.tick_params(axis="y", length=0, pad=6)


def _names(figure: Figure, blocks: list[tuple[str, pd.DataFrame]]) -> list[list[str]]:
    """Return the classes' names as they are written, with "=" behind those that tie."""
    rows = [row for _, frame in blocks for _, row in frame.iterrows()]
    whole = [told_apart(row["class"], row["number"]) for row in rows]
    names = fit_names(figure, whole, MOST_OF_NAME, BODY)
    short = {row["number"]: name for row, name in zip(rows, names, strict=True)}
    return [
        [
            short[number] + (" =" if tied else "")
            for number, tied in zip(frame["number"], frame["tied"], strict=True)
        ]
        for _, frame in blocks
    ]


def describe_blocks(blocks: list[tuple[str, pd.DataFrame]]) -> str:
    """Return the blocks in words."""
    return ". ".join(
        f"{title}: "
        + "; ".join(
            f"{r['class']} {points(r['car'])} ({counts_words(r['lost'], r['gained'], r['images'])})"
            for _, r in frame.iterrows()
        )
        for title, frame in blocks
    )
