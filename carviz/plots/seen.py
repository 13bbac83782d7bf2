"""What a filter sees, side by side: weights, the patches that excite it most, a synthesised one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from carviz.checks import found_words, is_whole
from carviz.plots.classes import MARGIN
from carviz.plots.seen_rows import WIDTH, FilterViews, Place, draw_row
from carviz.plots.style import (
    BOLD,
    SOFT,
    TITLE,
    CarvizFigure,
    check_kinds,
    check_picture,
    check_table,
    fit,
    write_at,
)
from carviz.results import CarTable, SelectivityTable

if TYPE_CHECKING:
    from carviz.pictures import TopPatches

TOP = 1.1
MOST = 6
"""Filters that a page still shows at a readable size."""


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

    Examples
    --------
    >>> import carviz
    >>> model, data = carviz.load_model("shapes"), carviz.load_data("shapes", limit=1)
    >>> patches = carviz.top_patches(model, data, "features.0", progress=False)
    >>> weights = carviz.rgb_weights(model, "features.0", [4, 9])
    >>> carviz.plot_seen(patches, [4, 9], weights=weights).description.split(". ")[0]
    'What 2 filters of features.0 see'
    """
    chosen = _check_filters(patches, filters)
    seen = FilterViews(
        patches,
        chosen[:MOST],
        _check_pictures(weights, "weights", chosen),
        _check_pictures(excited, "excited", chosen),
        check_kinds(selectivity, patches.layer, max(chosen) + 1),
        _check_car(table, patches.layer, chosen),
    )
    place = Place(seen)
    figure = CarvizFigure(WIDTH, TOP + len(seen.filters) * place.row)
    heading = fit(figure, _heading(patches.layer, chosen), BOLD * (WIDTH - 2 * MARGIN), TITLE)
    write_at(figure, MARGIN, 0.42, heading, fontsize=TITLE, weight="bold")
    line = _line(seen, len(chosen))
    write_at(figure, MARGIN, 0.8, line, color=SOFT)
    shown = range(len(seen.filters))
    told = [draw_row(figure, seen, place, i, TOP + i * place.row) for i in shown]
    figure.description = f"{heading}. {line} {' '.join(told)}"
    return figure


def _heading(layer: str, filters: list[int]) -> str:
    if len(filters) == 1:
        return f"What filter {filters[0]} of {layer} sees"
    return f"What {len(filters)} filters of {layer} see"


def _line(seen: FilterViews, asked: int) -> str:
    """Write what the patches are."""
    height, width = seen.patches.pictures.shape[-3:-1]
    line = (
        f"Small: the patches of {height} × {width} pixels that excite it most, the strongest "
        "first, with the class of each."
    )
    more = asked - len(seen.filters)
    if more:
        line += f" {more} more {'filters are' if more > 1 else 'filter is'} not shown."
    return line


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
        if not is_whole(filter):
            raise TypeError(f"filters are filters' numbers; found {found_words(filter)}.")
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
