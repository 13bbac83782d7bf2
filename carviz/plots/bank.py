"""A whole bank: its filters as a gallery sorted by CAR, beside CAR against the colour index."""

from __future__ import annotations

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
    FAINT,
    FILLED,
    HEAD,
    HOLLOW,
    INK,
    KIND_COLORS,
    KIND_MARKERS,
    LINE,
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
    set_points_axis,
    width_of,
    write,
    write_at,
)
from carviz.results import CarTable, SelectivityTable
from carviz.wording import (
    KIND_LETTERS,
    SIGNIFICANT,
    accuracy_words,
    apart_sentence,
    kind_words,
    points,
)

HEIGHT = 8.6
TOP = 1.25
PLOT = 6.2
"""Inches that the scatter or the bars take beside a gallery."""
MOST_PICTURES = 66
"""A gallery of more could not be read from the back row: it shows both ends of the order."""
UPRIGHT = 0.16
"""Inches that a number takes when it stands upright under its bar."""
MOST_WIDTH = 9.3
CAPTION = 0.5
NUMBERED = 4
MANY = 100
KIND_BOXES = {"color": "circle", "shape": "square", "dead": "square"}
DEAD_PLACE = -0.2
"""Where a scatter puts filters that have no colour index."""


def plot_bank(
    table: CarTable,
    *,
    selectivity: SelectivityTable | None = None,
    pictures: Any = None,
) -> CarvizFigure:
    """Show a bank: its filters sorted by CAR, and CAR against the colour index.

    Parameters
    ----------
    table
        A `CarTable` of the bank, or of some of its filters; one of part of the images says how
        many it has seen.
    selectivity
        The bank's `SelectivityTable`, for the scatter of CAR against the colour index and the
        kinds of the filters: ● C color, ■ S shape, × dead. None: bars of CAR instead.
    pictures
        (F, height, width, 3), floats in [0, 1], of the whole bank by filter number, as
        `carviz.rgb_weights` gives them. None for no gallery. Of more than 66 filters the gallery
        shows those with the highest and the lowest CAR.

    Returns
    -------
    CarvizFigure
        A matplotlib Figure, not shown, that Jupyter displays.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind.
    ValueError
        If `selectivity` or `pictures` are not of the table's bank.

    Examples
    --------
    >>> import carviz
    >>> model, data = carviz.load_model("shapes"), carviz.load_data("shapes", limit=1)
    >>> table = carviz.measure_car(model, data, "features.0", progress=False)
    >>> figure = carviz.plot_bank(table, pictures=carviz.rgb_weights(model, "features.0"))
    >>> figure.description.split(". ")[0]
    'features.0: CAR of 32 filters'
    """
    check_table(table)
    most = int(table.filters.max())
    selectivity = check_selectivity(selectivity, table, most)
    pictures = check_picture(pictures, "(filter, height, width, 3)")
    if pictures is not None and len(pictures) <= most:
        raise ValueError(
            f"pictures are of the whole bank, by filter number; the table holds filter {most}, "
            f"found {len(pictures)} pictures. carviz.rgb_weights(model, {table.layer!r}) gives all."
        )
    gallery = _Gallery(len(table.filters)) if pictures is not None else None
    plot = PLOT if gallery is not None else 12.0
    width = 2 * MARGIN + plot + (gallery.width + 0.5 if gallery is not None else 0)
    figure = CarvizFigure(width, HEIGHT)
    F = len(table.filters)
    filters = f"{F} filter{'s' if F > 1 else ''}{'' if most == F - 1 else ' measured'}"
    heading = fit(figure, f"{table.layer}: CAR of {filters}", BOLD * (width - 2 * MARGIN), TITLE)
    write_at(figure, MARGIN, 0.42, heading, fontsize=TITLE, weight="bold")
    said = f"{accuracy_words(table)}. {apart_sentence(table)}" if apart_sentence(table) else ""
    said = fit(figure, said or accuracy_words(table), width - 2 * MARGIN, BODY)
    write_at(figure, MARGIN, 0.82, said, color=SOFT)
    left = MARGIN
    if gallery is not None and pictures is not None:
        _draw_gallery(figure, table, selectivity, pictures, gallery)
        left += gallery.width + 0.5
    if selectivity is None:
        _draw_bars(figure, table, left, plot)
    else:
        _draw_scatter(figure, table, selectivity, left, plot)
    figure.description = _describe(heading, table, selectivity)
    return figure


# -- the gallery


class _Gallery:
    """How many pictures a gallery shows, how large, and where; inches."""

    def __init__(self, filters: int) -> None:
        self.shown = min(filters, MOST_PICTURES)
        room = HEIGHT - TOP - 0.55
        for columns in range(min(3, self.shown), 12):  # the fewer columns, the larger the pictures
            pitch = min(1.5, MOST_WIDTH / columns)
            rows = math.ceil(self.shown / columns)
            cell = min(pitch - 0.12, room / rows - CAPTION)
            if cell >= 0.66 * pitch:
                break
        self.columns, self.cell = columns, cell
        self.pitch = max(cell + 0.12, 0.84)
        self.width = max(columns * self.pitch, 4.4)

    def place(self, i: int) -> tuple[float, float]:
        """Return left and top of picture `i`."""
        row, column = divmod(i, self.columns)
        return MARGIN + column * self.pitch, TOP + 0.4 + row * (self.cell + CAPTION)


def _draw_gallery(
    figure: Figure,
    table: CarTable,
    selectivity: SelectivityTable | None,
    pictures: Any,
    gallery: _Gallery,
) -> None:
    order = table.order.tolist()
    head = "Highest CAR first (percentage points)"
    if gallery.shown < len(order):
        half = gallery.shown // 2
        left_out = len(order) - 2 * half
        order = order[:half] + order[-half:]
        head = f"The {half} highest CARs, then the {half} lowest ({left_out} between left out)"
    write_at(figure, MARGIN, TOP + 0.1, head, fontsize=HEAD, weight="bold")
    for i, filter in enumerate(order):
        left, top = gallery.place(i)
        draw_thumbnail(figure, pictures[filter], left, top, gallery.cell)
        line = top + gallery.cell + 0.13
        name = write_at(figure, left, line, str(filter), fontsize=SMALL, weight="bold")
        if selectivity is not None:
            edge = name.get_window_extent().x1 / figure.dpi
            draw_letter(figure, str(selectivity.kind[filter]), edge + 0.18, line)
        words = points(table.car[table.row(filter)], unit=False)
        write_at(figure, left, line + 0.2, words, fontsize=SMALL)


def draw_thumbnail(figure: Figure, picture: Any, left: float, top: float, side: float) -> None:
    """Draw a picture into a square of `side` inches, placed from the figure's upper left corner.

    A wide one stands at the bottom of the square, just above its caption.
    """
    height, width = picture.shape[:2]
    scale = side / max(height, width)
    wide, high = scale * width, scale * height
    axes = bare(box(figure, left, top + side - high, wide, high), keep="left right top bottom")
    axes.imshow(picture, interpolation="nearest", aspect="auto")
    axes.set_xticks([])
    axes.set_yticks([])


def draw_letter(figure: Figure, kind: str, centre: float, middle: float) -> None:
    """Draw a kind's letter on its ground: C on a disc, S on a square, × on a grey one."""
    write_at(
        figure, centre, middle, KIND_LETTERS[kind],
        fontsize=SMALL, weight="bold", color=PAPER, ha="center",
        bbox={
            "boxstyle": f"{KIND_BOXES[kind]},pad=0.12",
            "facecolor": KIND_COLORS[kind],
            "edgecolor": "none",
        },
    )  # fmt: skip


# -- CAR of every filter, with intervals


def _draw_scatter(
    figure: Figure, table: CarTable, selectivity: SelectivityTable, left: float, width: float
) -> None:
    index = selectivity.color_index[table.filters]
    kinds = selectivity.kind[table.filters]
    low, high = table.interval_all
    dead = bool((kinds == "dead").any())
    x, spread = _spread(np.where(np.isnan(index), DEAD_PLACE, index))
    axes = _car_axes(figure, left, width, low, high, notes=1 + spread)
    axes.set_xlim(-0.3 if dead else -0.09, 1.09)
    axes.axvline(selectivity.threshold, color=SOFT, linewidth=1.2, linestyle=(0, (5, 4)))
    axes.vlines(x, 100 * low, 100 * high, color=SOFT, linewidth=1.0, alpha=0.55)
    size = 10 if len(x) <= MANY else 6
    for kind, marker in KIND_MARKERS.items():
        its = kinds == kind
        axes.plot(
            x[its], 100 * table.car[its], marker, color=KIND_COLORS[kind], markersize=size,
            markeredgecolor=PAPER, markeredgewidth=0.8,
        )  # fmt: skip
    ticks = [0.0, 0.25, 0.5, 0.75, 1.0]
    words = ["0\ngrey", "0.25", "0.5", "0.75", "1\nopponent"]
    if dead:
        ticks, words = [DEAD_PLACE, *ticks], ["dead", *words]
    axes.set_xticks(ticks, words)
    axes.set_xlabel(
        f"colour index (dashed: threshold {selectivity.threshold:g})", fontsize=BODY, color=INK
    )
    _legend(figure, selectivity, kinds, left, width)
    _number_extremes(figure, axes, table, x)
    notes = ["lines: 95% intervals"]
    if spread:
        notes.append("filters with nearly the same index are set side by side")
    _write_notes(figure, notes, left)


def _draw_bars(figure: Figure, table: CarTable, left: float, width: float) -> None:
    """Draw CAR in falling order: a bar a filter, or a point where there are too many."""
    rows = np.array([table.row(i) for i in table.order])
    low, high = (end[rows] for end in table.interval_all)
    car, sure = 100 * table.car[rows], table.q_value_all[rows] <= SIGNIFICANT
    place = np.arange(1, len(rows) + 1)
    room = (width - 0.9) / len(rows)
    notes = [f"lines: 95% intervals.  filled: q ≤ {SIGNIFICANT:g}.  hollow: could be chance."]
    if room < UPRIGHT:
        numbers = [str(i) for i in table.order]
        notes.insert(
            0, f"filters {', '.join(numbers[:NUMBERED])} … {', '.join(numbers[-NUMBERED:])}"
        )
    axes = _car_axes(figure, left, width, low, high, notes=len(notes))
    axes.set_xlim(0.3, len(rows) + 0.7)
    colors = np.where(sure, FILLED, HOLLOW).tolist()
    if room < UPRIGHT:
        axes.vlines(place, 100 * low, 100 * high, color=FAINT, linewidth=0.8)
        axes.scatter(place, car, 22, colors, edgecolors=EDGE, linewidths=0.9, zorder=3)
        by_rank = " by rank" if table.tells_apart() else ""
        axes.set_xlabel(f"filters{by_rank}, highest CAR first", fontsize=BODY, color=INK)
    else:
        axes.bar(place, car, 0.72, color=colors, edgecolor=EDGE, linewidth=1.4)
        axes.vlines(place, 100 * low, 100 * high, color=INK, linewidth=1.2)
        level = room >= 0.11 * len(str(table.filters.max())) + 0.06
        axes.set_xticks(place, [str(i) for i in table.order], rotation=0 if level else 90)
        axes.set_xlabel("filter, by its number", fontsize=BODY, color=INK)
    write_at(figure, left, TOP + 0.1, "Highest CAR first", fontsize=HEAD, weight="bold")
    _write_notes(figure, notes, left)


def _car_axes(
    figure: Figure, left: float, width: float, low: Any, high: Any, *, notes: int
) -> Axes:
    """Return axes with CAR upwards, in percentage points."""
    height = HEIGHT - TOP - 1.3 - 0.27 * notes
    axes = bare(box(figure, left + 0.85, TOP + 0.4, width - 0.9, height), keep="left bottom")
    set_points_axis(axes, min(0.0, low.min()), max(0.0, high.max()), on="y")
    axes.set_ylabel("CAR, percentage points", fontsize=BODY, color=INK)
    axes.grid(axis="y", color=LINE, linewidth=0.6)
    axes.axhline(0, color=INK, linewidth=1.2)
    return axes


def _write_notes(figure: Figure, notes: list[str], left: float) -> None:
    for i, note in enumerate(reversed(notes)):
        write_at(figure, left, HEIGHT - 0.24 - 0.27 * i, note, fontsize=SMALL, color=SOFT)


def _legend(
    figure: Figure,
    selectivity: SelectivityTable,
    kinds: NDArray[np.str_],
    left: float,
    width: float,
) -> None:
    """Write each kind's mark, letter, name and count in one line above the scatter."""
    axes = bare(box(figure, left, TOP - 0.1, width, 0.4))
    axes.set_axis_off()
    axes.set_xlim(0, width)
    axes.set_ylim(-1, 1)
    place = 0.95
    for kind, marker in KIND_MARKERS.items():
        count = int((kinds == kind).sum())
        if not count and kind == "dead":
            continue
        axes.plot([place], [0], marker, color=KIND_COLORS[kind], markersize=11)
        words = f"{KIND_LETTERS[kind]} {kind_words(kind)}: {count}"
        write(axes, place + 0.16, 0, words, fontsize=HEAD)
        place += width_of(figure, words, HEAD) + 0.6


def _spread(x: NDArray[np.float64]) -> tuple[NDArray[np.float64], bool]:
    """Set points of nearly the same place side by side, in a fixed order."""
    moved = x.copy()
    groups = np.round(x / 0.02)
    for group in np.unique(groups):
        members = np.flatnonzero(groups == group)
        reach = min(0.06, 0.008 * (len(members) - 1))
        moved[members] = x[members] + np.linspace(-reach, reach, len(members))
    return moved, bool(np.any(moved != x))


def _number_extremes(figure: Figure, axes: Axes, table: CarTable, x: NDArray[np.float64]) -> None:
    """Write the numbers of the filters at both ends of CAR, where there is room for them."""
    order = table.order.tolist()
    y = 100 * table.car
    marks = axes.transData.transform(np.column_stack([x, y]))
    taken: list[Any] = []
    for filter in dict.fromkeys([*order[:NUMBERED], *order[: -NUMBERED - 1 : -1]]):
        row = table.row(filter)
        for side, align in ((9, "left"), (-9, "right")):
            label = axes.annotate(
                str(filter), (x[row], y[row]), xytext=(side, 0), textcoords="offset points",
                color=INK, fontsize=SMALL, weight="bold", va="center", ha=align,
            )  # fmt: skip
            extent = label.get_window_extent().padded(6)
            inside = (marks > extent.min).all(axis=1) & (marks < extent.max).all(axis=1)
            hidden = inside.any() or extent.x1 > figure.bbox.x1
            if not hidden and not any(extent.overlaps(other) for other in taken):
                taken.append(extent)
                break
            label.remove()


def _describe(heading: str, table: CarTable, selectivity: SelectivityTable | None) -> str:
    order = table.order.tolist()

    def told(filter: int) -> str:
        kind = "" if selectivity is None else f", {kind_words(selectivity.kind[filter])}"
        return f"filter {filter} ({points(table.car[table.row(filter)])}{kind})"

    ends = (
        f"Highest: {', '.join(map(told, order[:3]))}. Lowest: {', '.join(map(told, order[-3:]))}."
    )
    facts = [f"{heading}.", f"{accuracy_words(table)}.", apart_sentence(table), ends]
    return " ".join(filter(None, facts))
