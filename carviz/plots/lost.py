"""Which classes a pruned network forgot first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from carviz.checks import check_whole
from carviz.plots.classes import MARGIN, MOST_OF_NAME, NOTE, ROW, draw_rows
from carviz.plots.letters import told_apart
from carviz.plots.pruned import check_count, check_path
from carviz.plots.style import (
    BODY,
    BOLD,
    INK,
    SMALL,
    SOFT,
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
from carviz.results import PruningPath
from carviz.wording import (
    SIGNIFICANT,
    banks_words,
    count_words,
    counts_words,
    criterion_words,
    percent,
    points,
    share_words,
    whole_words,
)

if TYPE_CHECKING:
    import pandas as pd

WIDTH = 12.0
TOP = 1.9
AXIS = 0.75
RIGHT = "before → after"


def plot_lost(path: PruningPath, count: int, *, k: int = 10) -> CarvizFigure:
    """Show the classes that have lost most after `count` filters were pruned.

    A bar is what the class has lost in percentage points, the line across its end the 95% interval
    (Agresti and Min); at its right its accuracy before and after, and the images behind it. A
    filled bar passes the exact sign test at q ≤ 0.05 (Benjamini and Hochberg over all classes with
    images); a hollow one could be chance. "=" marks a class that ties with another.

    Parameters
    ----------
    path
        A `PruningPath`.
    count
        How many filters of it are pruned.
    k
        Classes shown at most, 1 or more.

    Returns
    -------
    CarvizFigure
        A matplotlib Figure, not shown, that Jupyter displays.

    Raises
    ------
    TypeError
        If `path` is no PruningPath.
    ValueError
        If the path does not prune `count` filters, or `k` is less than 1.

    Examples
    --------
    >>> import carviz
    >>> model, data = carviz.load_model("shapes"), carviz.load_data("shapes", limit=1)
    >>> path = carviz.prune_filters(
    ...     model, data, "features.0", count=4, criterion="l1", progress=False
    ... )
    >>> carviz.plot_lost(path, 4).description.split(". ")[0]
    'Pruning features.0: what the classes lost'
    """
    count = check_count(count, len(check_path(path)))
    k = check_whole(k, "k", what="the number of classes that are shown")
    classes = path.lost_classes(count)
    frame = classes.head(k)
    notes = _notes(frame)
    height = ROW * len(frame)
    figure = CarvizFigure(WIDTH, TOP + height + AXIS + NOTE * len(notes) + 0.15)
    heading = f"Pruning {banks_words(path)}: what the classes lost"
    heading = fit(figure, heading, BOLD * (WIDTH - 2 * MARGIN), TITLE)
    write_at(figure, MARGIN, 0.42, heading, fontsize=TITLE, weight="bold")
    place = _place_words(path, count)
    write_at(figure, MARGIN, 0.82, fit(figure, place, WIDTH - 2 * MARGIN, BODY), color=SOFT)
    shown = f"{len(frame)} of {len(classes)} classes, most lost first"
    if len(frame) == len(classes):
        shown = f"All {len(frame)} classes, most lost first" if len(frame) > 1 else "One class"
    write_at(figure, MARGIN, 1.4, shown, weight="bold")
    _draw(figure, frame, height)
    for i, note in enumerate(notes):
        top = TOP + height + AXIS + (i + 0.3) * NOTE
        write_at(figure, MARGIN, top, note, fontsize=SMALL, color=SOFT)
    told = "; ".join(
        f"{row['class']} {points(-row['car'])} ({_right_words(row)}, {_counts_words(row)})"
        for _, row in frame.iterrows()
    )
    figure.description = f"{heading}. {place}. {shown}: {told}."
    return figure


def _place_words(path: PruningPath, count: int) -> str:
    """Write the place of the path, and what the network has left there."""
    left = path.accuracy[count]
    return (
        f"{whole_words(path)}; {percent(left)} without {count_words(path, count)}, "
        f"by {criterion_words(path)}"
    )


def _right_words(row: pd.Series) -> str:
    return f"{share_words(row['before'])} → {share_words(row['after'])}"


def _counts_words(row: pd.Series) -> str:
    return counts_words(row["lost"], row["gained"], row["images"])


def _draw(figure: CarvizFigure, frame: pd.DataFrame, height: float) -> None:
    """Draw the bars, in the columns: class, bar, accuracy before and after, counts."""
    rows = [row for _, row in frame.iterrows()]
    whole = [told_apart(row["class"], row["number"]) for row in rows]
    short = fit_names(figure, whole, MOST_OF_NAME, BODY)
    names = [name + (" =" if row["tied"] else "") for name, row in zip(short, rows, strict=True)]
    right, counts = [_right_words(row) for row in rows], [_counts_words(row) for row in rows]
    of_names = max(width_of(figure, name, BODY) for name in names) + 0.15
    of_right = max(width_of(figure, words, BODY) for words in right)
    of_right = max(of_right, width_of(figure, RIGHT, SMALL)) + 0.3
    of_counts = max(width_of(figure, words, BODY) for words in counts) + 0.2
    width = WIDTH - 2 * MARGIN - of_names - of_right - of_counts
    axes = bare(box(figure, MARGIN + of_names, TOP, width, height), keep="bottom")
    low = min(0.0, frame[["low", "car"]].min().min())
    set_points_axis(axes, low, max(0.0, frame[["high", "car"]].max().max()))
    draw_rows(axes, frame, names, right)
    axes.set_xlabel("lost by the class, percentage points", fontsize=SMALL, color=INK)
    edge = MARGIN + of_names + 1.02 * width
    write_at(figure, edge, TOP - 0.2, RIGHT, fontsize=SMALL, color=SOFT)
    for i, words in enumerate(counts):
        middle = TOP + (i + 0.5) * ROW
        write_at(figure, WIDTH - MARGIN, middle, words, ha="right", va="center_baseline")


def _notes(frame: pd.DataFrame) -> list[str]:
    notes = [
        f"lines: 95% intervals.  filled bar: sign test q ≤ {SIGNIFICANT:g}.  "
        "hollow bar: could be chance."
    ]
    if frame["tied"].any():
        notes.append("= ties with another class; classes that tie keep the data's order.")
    return notes
