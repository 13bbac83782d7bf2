"""The curve of pruning: accuracy against filters pruned, for one criterion beside its rivals."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from carviz.plots.accuracy import (
    CHANCE,
    FLOOR,
    MARKS,
    NOT_FROM_ZERO,
    WHOLE,
    accuracy_axes,
    draw_band,
    starts_at_zero,
)
from carviz.plots.classes import MARGIN
from carviz.plots.curves import Curve, check_band, check_held_out, check_paths, curves_of
from carviz.plots.labels import FAN, SWATCH, Label, column_widths, draw_labels
from carviz.plots.pruned import check_count
from carviz.plots.style import (
    BODY,
    BOLD,
    HEAD,
    INK,
    SMALL,
    SOFT,
    TITLE,
    CarvizFigure,
    fit,
    fit_names,
    width_of,
    write_at,
)
from carviz.results import CumulativeTable, PruningPath, RandomBand
from carviz.wording import (
    band_words,
    banks_words,
    count_words,
    counted,
    percent,
    share_words,
    whole_words,
)

WIDTH, HEIGHT = 13.2, 7.6
TOP = 1.65
AXIS = 1.05
NOTE = 0.27
MOST_OF_NAME = 2.6


def plot_paths(
    paths: PruningPath | Iterable[PruningPath],
    *,
    band: CumulativeTable | RandomBand | None = None,
    held_out: PruningPath | Iterable[PruningPath] | None = None,
    count: int | None = None,
    floor: float | None = None,
) -> CarvizFigure:
    """Show what is left of the accuracy as filters are pruned.

    One line a criterion, greedy CAR the strongest; each has a colour, a mark and dashes of its
    own and its name at its end. Several paths by one criterion, such as random ones, are drawn as
    their mean in a band from the lowest to the highest.

    Parameters
    ----------
    paths
        A `PruningPath`, or several of the same banks on the same images.
    band
        What `carviz.measure_cumulative` gives for the same banks and images: its random orders are
        drawn as their mean in a band from the lowest to the highest.
    held_out
        The same orders on other images, ``prune_filters(model, others, layer, order=path)``:
        dashed, in the colour of their criterion, with hollow marks.
    count
        Marks this many filters pruned, and tells what each criterion has left there.
    floor
        Marks this accuracy, a fraction, and tells how many filters each criterion prunes before
        it falls below.

    Returns
    -------
    CarvizFigure
        A matplotlib Figure, not shown, that Jupyter displays.

    Raises
    ------
    TypeError
        If one of `paths` is no PruningPath.
    ValueError
        If there is none, they are of different banks or images, no path prunes `count` filters,
        the whole network is below the floor already, `band` is of other banks or images, or
        `held_out` follows another order.

    Examples
    --------
    >>> import carviz
    >>> model, data = carviz.load_model("shapes"), carviz.load_data("shapes", limit=1)
    >>> paths = [
    ...     carviz.prune_filters(
    ...         model, data, "features.0", count=2, criterion=criterion, progress=False
    ...     )
    ...     for criterion in ("l1", "random")
    ... ]
    >>> carviz.plot_paths(paths, count=2).description.split(". ")[0]
    'Pruning features.0: the accuracy left'
    """
    shown = check_paths(paths)
    first = shown[0]
    drawn, judged = check_band(band, first), check_held_out(held_out, shown)
    curves = curves_of(shown) + curves_of(judged, held=True)
    steps = max(curve.steps for curve in curves)
    if drawn is not None:
        curves.append(Curve([], drawn.cut(steps)))
    count = None if count is None else check_count(count, steps)
    figure = CarvizFigure(WIDTH, HEIGHT)
    heading = fit(
        figure,
        f"Pruning {banks_words(first)}: the accuracy left",
        BOLD * (WIDTH - 2 * MARGIN),
        TITLE,
    )
    write_at(figure, MARGIN, 0.42, heading, fontsize=TITLE, weight="bold")
    whole = whole_words(first)
    if judged:
        seen = counted(len(judged[0].targets), "held-out image")
        whole += f", {percent(judged[0].accuracy[0])} on {seen}"
    write_at(figure, MARGIN, 0.82, whole, color=SOFT)
    labels, heads = _labels(curves, first, count, floor)
    names = fit_names(figure, [label.name for label in labels], MOST_OF_NAME, BODY)
    widths = column_widths(figure, labels, names, heads)
    notes = _notes(curves)
    height = HEIGHT - TOP - AXIS - NOTE * len(notes)
    left, width = MARGIN + 0.75, WIDTH - 2 * MARGIN - 0.75 - FAN - SWATCH - sum(widths)
    levels = [_lowest(curves)] + ([] if floor is None else [100 * floor])
    axes = accuracy_axes(
        figure, (left, TOP, width, height),
        filters=first.filters, banks=len(first.banks), steps=steps, low=min(levels),
        high=float(max(curve.all.max() for curve in curves)), from_zero=_from_zero(curves),
    )  # fmt: skip
    for i, curve in reversed(list(enumerate(curves))):  # the prominent one on top
        _draw_curve(axes, curve, count, i / len(curves))
    if _from_zero(curves):
        axes.axhline(100 * first.one_answer, zorder=1, **CHANCE)
    _draw_marks(figure, axes, first, count, floor, steps)
    draw_labels(axes, labels, names, heads, widths)
    for i, note in enumerate(reversed(notes)):
        write_at(figure, MARGIN, HEIGHT - 0.24 - NOTE * i, note, fontsize=SMALL, color=SOFT)
    figure.description = _describe(heading, whole, labels, heads)
    return figure


# -- what is shown


def _labels(
    curves: list[Curve], first: PruningPath, count: int | None, floor: float | None
) -> tuple[list[Label], list[str]]:
    """Return the labels at the right, and the heads of their columns of numbers."""
    heads = [] if count is None else [f"after {count}"]
    heads += [] if floor is None else [f"at ≥ {percent(floor)}"]
    labels = []
    for curve in curves:
        values = [] if count is None else [curve.at(count)]
        values += [] if floor is None else [curve.filters_at_or_above(floor)]
        marked = curve.mean if count is None else curve.mean[: count + 1][-1]
        place = (float(curve.mean[-1]), float(np.mean(marked)))
        look = curve.look
        labels.append(Label(place, curve.name, values, look, curve.prominent))
    level = 100 * float(first.accuracy[0])
    blank = [""] * len(heads)
    labels.append(
        Label((level, level), f"whole network {percent(first.accuracy[0])}", blank, WHOLE)
    )
    if floor is not None:
        labels.append(Label((100 * floor, 100), f"floor {percent(floor)}", blank, FLOOR))
    if _from_zero(curves):
        chance = 100 * first.one_answer
        labels.append(
            Label((chance, 0), f"one answer for all {percent(first.one_answer)}", blank, CHANCE)
        )
    return labels, heads


def _lowest(curves: list[Curve]) -> float:
    return float(min(curve.all.min() for curve in curves))


def _from_zero(curves: list[Curve]) -> bool:
    """Return whether the axis begins at 0: where little is lost it shows that little larger."""
    return starts_at_zero(_lowest(curves), float(curves[0].mean[0]))


def _notes(curves: list[Curve]) -> list[str]:
    notes = [] if _from_zero(curves) else [NOT_FROM_ZERO]
    if any(len(curve.paths) > 1 for curve in curves):
        notes.append("Band: the lowest to the highest of the paths that a line is the mean of.")
    notes += [band_words(curve.band) for curve in curves if curve.band is not None]
    if any(curve.held for curve in curves):
        notes.append("Dashed, hollow marks: the same order on images that are given as held out.")
    greedy = next((curve for curve in curves if curve.prominent), None)
    if greedy is not None and greedy.steps:
        share = np.mean([path.tie_share for path in greedy.paths])
        if any("order" in path.passport for path in greedy.paths):
            notes.append("CAR's order was given beforehand, and followed on these images.")
        else:
            notes.append(
                "CAR chose its order on these same images: on others its line can lie lower. "
                f"A tie decided {share_words(float(share))} of its steps."
            )
    return notes


# -- the lines


def _draw_curve(axes: Axes, curve: Curve, count: int | None, offset: float) -> None:
    """Draw a line; `offset` sets its marks beside those of the other lines."""
    look = curve.look
    x = np.arange(curve.steps + 1)
    if curve.members > 1 and not curve.held:
        draw_band(axes, curve.all, look["color"])
    every = max(1, math.ceil(curve.steps / MARKS))
    marks = (int(offset * every), every)
    axes.plot(x, curve.mean, markevery=marks, clip_on=False, **look)
    if count is not None and count <= curve.steps:
        axes.plot(
            [count], [curve.mean[count]], look["marker"], color=look["color"],
            markerfacecolor=look.get("markerfacecolor", look["color"]),
            markersize=1.4 * look["markersize"], markeredgecolor=INK, markeredgewidth=1.4,
            clip_on=False, zorder=4,
        )  # fmt: skip


def _draw_marks(
    figure: Figure,
    axes: Axes,
    first: PruningPath,
    count: int | None,
    floor: float | None,
    steps: int,
) -> None:
    """Draw the levels that the lines are held against, and the place that is marked."""
    axes.axhline(100 * first.accuracy[0], zorder=1, **WHOLE)
    if floor is not None:
        axes.axhline(100 * floor, zorder=1, **FLOOR)
    if count is None:
        return
    axes.axvline(count, color=INK, linewidth=1.4, linestyle=(0, (3, 3)), zorder=1)
    place = axes.get_window_extent()
    middle = (place.x0 + place.width * count / max(1, steps)) / figure.dpi
    words = count_words(first, count)
    half = width_of(figure, words, HEAD, weight="bold") / 2
    middle = min(max(middle, MARGIN + half), place.x1 / figure.dpi - half)
    write_at(figure, middle, TOP - 0.2, words, fontsize=HEAD, weight="bold", ha="center")


def _describe(heading: str, whole: str, labels: list[Label], heads: list[str]) -> str:
    told = [
        f"{label.name}: "
        + ", ".join(f"{head} {value}" for head, value in zip(heads, label.values, strict=True))
        for label in labels
        if any(label.values)
    ]
    ends = [
        f"{label.name} ends at {percent(label.place[0] / 100)}"
        for label in labels
        if "marker" in label.look
    ]
    return ". ".join([heading, whole, *(told or ends)]) + "."
