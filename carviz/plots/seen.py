"""What a filter sees, side by side: weights, the patches that excite it most, a synthesised one."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from carviz.plots.bank import draw_letter, draw_thumbnail
from carviz.plots.classes import MARGIN
from carviz.plots.style import (
    BODY,
    HEAD,
    INK,
    SMALL,
    SOFT,
    TITLE,
    CarvizFigure,
    check_picture,
    check_table,
    fit,
    fit_names,
    points,
    write_at,
)
from carviz.results import CarTable, SelectivityTable

if TYPE_CHECKING:
    from carviz.pictures import TopPatches

WIDTH = 13.2
TOP = 1.1
MOST = 6
"""Filters that a page still shows at a readable size."""
SHOWN = 9
"""Patches of a filter."""
LARGEST = 1.6
"""Inches from one patch to the next, at most."""
CLASSES = 3
"""Classes that a filter's line of CAR names."""
GAP, CAPTION, BETWEEN = 0.32, 0.3, 0.3
LINE = 0.29
BOLD = 0.86
"""Share of the room that plain letters may take, for bold ones to fit."""


def plot_seen(
    patches: TopPatches,
    filters: int | Iterable[int] | None = None,
    *,
    weights: Any = None,
    excited: Any = None,
    selectivity: SelectivityTable | None = None,
    table: CarTable | None = None,
) -> CarvizFigure:
    """Show what filters see, a row each: weights, top patches, and the synthesised picture.

    Above the pictures stand both readings of colour, by the weights and by the answers, and what it
    means where they disagree. Below a patch stands the class of its image.

    Parameters
    ----------
    patches
        What `carviz.top_patches` returns, of one filter or of the bank; nine a filter are shown.
    filters
        Numbers of the filters in the order in which they shall stand, or one number; None for all
        that `patches` holds.
    weights
        (filter, height, width, 3), floats in [0, 1], one for each of `filters` in their order, as
        ``carviz.rgb_weights(model, layer, filters, data=data)`` gives them, or (height, width, 3)
        for one filter. None for none.
    excited
        Synthesised pictures, likewise, as ``carviz.excite(model, layer, filters)`` gives them.
    selectivity
        The bank's `SelectivityTable`, for the readings of colour; None for none.
    table
        A `CarTable` of the bank. The classes, three at most, that a filter's removal hurts most
        are named above its pictures, and patches of these classes in bold. None for none.

    Returns
    -------
    CarvizFigure
        A matplotlib Figure, not shown, that Jupyter displays. Of more than 6 filters it shows the
        first.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind.
    ValueError
        If `patches` or `table` do not hold a filter, the pictures are not as many as the filters,
        or `selectivity` or `table` are of another bank.
    """
    chosen = _check_filters(patches, filters)
    seen = _Seen(
        patches,
        chosen[:MOST],
        _check_pictures(weights, "weights", chosen),
        _check_pictures(excited, "excited", chosen),
        _check_selectivity(selectivity, patches.layer, max(chosen)),
        _check_car(table, patches.layer, chosen),
    )
    place = _Place(seen)
    figure = CarvizFigure(WIDTH, TOP + len(seen.filters) * place.row)
    heading = fit(figure, _heading(patches.layer, chosen), BOLD * (WIDTH - 2 * MARGIN), TITLE)
    write_at(figure, MARGIN, 0.42, heading, fontsize=TITLE, weight="bold")
    line = _line(seen, len(chosen))
    write_at(figure, MARGIN, 0.8, line, color=SOFT)
    told = [
        _draw_row(figure, seen, place, i, TOP + i * place.row) for i in range(len(seen.filters))
    ]
    figure.description = f"{heading}. {line} {' '.join(told)}"
    return figure


@dataclasses.dataclass(frozen=True, eq=False)
class _Seen:
    """What is shown of which filters; pictures by the filters' places on the page."""

    patches: TopPatches
    filters: list[int]
    weights: NDArray[np.float64] | None
    excited: NDArray[np.float64] | None
    selectivity: SelectivityTable | None
    table: CarTable | None

    def ranks(self, filter: int) -> list[tuple[Any, str]]:
        """Return the filter's patches, each with the name of its class."""
        whole = self.patches.filter is None
        pictures, names = self.patches.pictures, self.patches.names
        pictures, names = (pictures[filter], names[filter]) if whole else (pictures, names)
        there = [rank for rank, name in enumerate(names.tolist()) if name][:SHOWN]
        return [(pictures[rank], str(names[rank])) for rank in there]

    def sides(self, place: int) -> list[tuple[str, Any]]:
        """Return the large pictures of a filter, each with what it is."""
        own = self.selectivity is None or self.selectivity.reading == "weights"
        named = {
            "its weights" if own else "its effective RGB weights": self.weights,
            "synthesised to excite it": self.excited,
        }
        return [(name, found[place]) for name, found in named.items() if found is not None]


class _Place:
    """How large the parts of a row are; inches."""

    def __init__(self, seen: _Seen) -> None:
        sides, one = len(seen.sides(0)), len(seen.filters) == 1
        self.side = 3.9 if one else 2.5
        self.columns = 3 if one and sides else 5
        room = WIDTH - 2 * MARGIN - sides * (self.side + GAP)
        self.pitch = min(LARGEST, room / self.columns)
        self.patch = self.pitch - 0.22
        rows = math.ceil(min(SHOWN, seen.patches.images.shape[-1]) / self.columns)
        patches = rows * (self.patch + CAPTION)
        lines = 1 + (seen.table is not None)
        self.head = lines * LINE + 0.12
        self.row = self.head + max(patches, self.side + CAPTION if sides else 0.0) + BETWEEN


def _heading(layer: str, filters: list[int]) -> str:
    if len(filters) == 1:
        return f"What filter {filters[0]} of {layer} sees"
    return f"What {len(filters)} filters of {layer} see"


def _line(seen: _Seen, asked: int) -> str:
    """Write what the patches are."""
    height, width = seen.patches.pictures.shape[-3:-1]
    line = (
        f"Small: the patches of {height} × {width} pixels that excite it most, the strongest "
        "first, with the class of each."
    )
    if asked > len(seen.filters):
        line += f" {asked - len(seen.filters)} more filters are not shown."
    return line


# -- a row


def _draw_row(figure: CarvizFigure, seen: _Seen, place: _Place, i: int, top: float) -> str:
    """Draw one filter, and return in words what is drawn."""
    filter = seen.filters[i]
    reading = _draw_reading(figure, seen, filter, top + 0.1)
    hurt, words = _hurt_most(seen.table, filter)
    if words:
        line = fit(figure, words, WIDTH - 2 * MARGIN, BODY)
        write_at(figure, MARGIN, top + 0.1 + LINE, line, color=SOFT)
    left, under = MARGIN, top + place.head
    for name, picture in seen.sides(i):
        draw_thumbnail(figure, picture, left, under, place.side)
        line = fit(figure, name, place.side, SMALL)
        write_at(figure, left, under + place.side + 0.15, line, fontsize=SMALL, color=SOFT)
        left += place.side + GAP
    shown = seen.ranks(filter)
    _draw_patches(figure, shown, hurt, place, left, under)
    classes = ", ".join(name for _, name in shown) or "none, nothing excites it"
    return " ".join(w for w in (f"{reading}.", words, f"Patches: {classes}.") if w)


def _draw_reading(figure: CarvizFigure, seen: _Seen, filter: int, middle: float) -> str:
    """Write the filter's number and what both readings say of it."""
    look: dict[str, Any] = {"fontsize": HEAD, "weight": "bold"}
    text = write_at(figure, MARGIN, middle, f"Filter {filter}", **look)
    if seen.selectivity is None:
        return f"Filter {filter}"
    edge = text.get_window_extent().x1 / figure.dpi
    draw_letter(figure, str(seen.selectivity.kind[filter]), edge + 0.22, middle)
    words = reading_words(seen.selectivity, filter)
    write_at(figure, edge + 0.48, middle, fit(figure, words, WIDTH - MARGIN - edge - 0.5, BODY))
    return f"Filter {filter}: {words}"


def reading_words(selectivity: SelectivityTable, filter: int) -> str:
    """Write both readings of a filter's colour, and what it means where they disagree."""
    by_weights = float(selectivity.color_index[filter])
    by_answers = float(selectivity.activation_index[filter])
    if math.isnan(by_weights):
        return "dead, no reading of colour"
    words = f"colour index {by_weights:.2f}"
    if math.isnan(by_answers):
        return words
    words += f", activation index {by_answers:.2f}"
    if not selectivity.disagrees[filter]:
        return f"{words}: both say {'colour' if by_weights > selectivity.threshold else 'shape'}"
    if by_weights > selectivity.threshold:
        return f"{words}. They disagree: its weights compare colours, its answers need few"
    return f"{words}. They disagree: its weights compare few colours, its answers need them"


def _hurt_most(table: CarTable | None, filter: int) -> tuple[set[str], str]:
    """Return the classes that a filter's removal hurts most, and a line of their CAR."""
    if table is None:
        return set(), ""
    frame = table.top_classes(filter, CLASSES)
    frame = frame[frame["car"] > 0]
    if frame.empty:
        return set(), "No class loses images without it."
    each = zip(frame["class"].tolist(), frame["car"].tolist(), strict=True)
    named = ", ".join(f"{name} {points(car, unit=False)}" for name, car in each)
    words = f"Hurt most without it (CAR in points): {named}. Patches of these classes are in bold."
    return set(frame["class"]), words


def _draw_patches(
    figure: CarvizFigure,
    shown: list[tuple[Any, str]],
    hurt: set[str],
    place: _Place,
    left: float,
    top: float,
) -> None:
    if not shown:
        write_at(figure, left, top + 0.2, "none: no image excites it")
        return
    names = fit_names(figure, [name for _, name in shown], BOLD * place.pitch, SMALL)
    for rank, ((picture, name), words) in enumerate(zip(shown, names, strict=True)):
        down, across = divmod(rank, place.columns)
        x, y = left + across * place.pitch, top + down * (place.patch + CAPTION)
        draw_thumbnail(figure, picture, x, y, place.patch)
        look: dict[str, Any] = (
            {"weight": "bold", "color": INK} if name in hurt else {"color": SOFT if hurt else INK}
        )
        write_at(figure, x, y + place.patch + 0.14, words, fontsize=SMALL, **look)


# -- what the plot asks of its arguments


def _check_filters(patches: Any, filters: Any) -> list[int]:
    """Return the numbers of the filters that are shown."""
    from carviz.pictures import TopPatches  # brings torch, which no other plot needs

    if not isinstance(patches, TopPatches):
        raise TypeError(
            f"plot_seen shows what carviz.top_patches returns; found {type(patches).__name__}."
        )
    count = len(patches.pictures)
    held = list(range(count)) if patches.filter is None else [patches.filter]
    if filters is None:
        return held
    several = isinstance(filters, Iterable) and not isinstance(filters, (str, bytes))
    chosen = list(filters) if several else [filters]
    for filter in chosen:
        if isinstance(filter, (bool, np.bool_)) or not isinstance(filter, (int, np.integer)):
            raise TypeError(f"filters are filters' numbers; found {filter!r}.")
        if filter not in held:
            of = f"filters 0 to {count - 1}" if patches.filter is None else f"filter {held[0]}"
            raise ValueError(f"patches hold {of} of {patches.layer!r}; found {filter}.")
    if not chosen:
        raise ValueError("plot_seen shows one filter at least; found none.")
    return [int(filter) for filter in chosen]


def _check_pictures(pictures: Any, name: str, filters: list[int]) -> NDArray[np.float64] | None:
    """Return one picture for each filter, as floats, or None."""
    if pictures is not None and len(filters) == 1 and np.ndim(pictures) == 3:
        pictures = np.asarray(pictures)[None]
    shown = check_picture(pictures, "(filter, height, width, 3)")
    if shown is not None and len(shown) != len(filters):
        raise ValueError(
            f"{name} has a picture for each filter that is shown, in the same order; found "
            f"{len(shown)} for {len(filters)}. Of a whole bank's pictures take {name}[filters]."
        )
    return shown


def _check_selectivity(selectivity: Any, layer: str, most: int) -> SelectivityTable | None:
    if selectivity is None:
        return None
    if not isinstance(selectivity, SelectivityTable):
        raise TypeError(
            "selectivity is what carviz.measure_selectivity returns, or None; "
            f"found {type(selectivity).__name__}."
        )
    if selectivity.layer != layer or len(selectivity.energy) <= most:
        raise ValueError(
            f"selectivity is of the patches' own bank, {layer!r}; found one of "
            f"{selectivity.layer!r} with {len(selectivity.energy)} filters."
        )
    return selectivity


def _check_car(table: Any, layer: str, filters: list[int]) -> CarTable | None:
    if table is None:
        return None
    if check_table(table).layer != layer:
        raise ValueError(
            f"table is of the patches' own bank, {layer!r}; found one of {table.layer!r}."
        )
    for filter in filters:
        table.row(filter)
    return table  # type: ignore[no-any-return]
