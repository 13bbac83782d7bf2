"""Where on some images a filter answers: each image, and its map over it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from carviz.plots.bank import draw_thumbnail
from carviz.plots.classes import MARGIN
from carviz.plots.style import BOLD, SMALL, SOFT, TITLE, CarvizFigure, fit, write_at
from carviz.wording import counted

if TYPE_CHECKING:
    from carviz.pictures import ActivationMaps

WIDTH = 13.2
TOP, SIDE, GAP, CAPTION = 1.1, 2.0, 0.12, 0.34
MOST = 12
"""Images that a page shows."""
COLUMNS = 3
"""Images of a row, each beside its map."""


def plot_maps(maps: ActivationMaps) -> CarvizFigure:
    """Show where on images a filter answers: each image, and beside it the map over the image.

    All maps have one scale: the brighter, the stronger the answer, brightest where it is highest of
    all. Where the answer is not above zero the image is dark. Brightness goes by the square root.

    Parameters
    ----------
    maps
        What `carviz.activation_maps` returns; the first 12 images are shown.

    Returns
    -------
    CarvizFigure
        A matplotlib Figure, not shown, that Jupyter displays.

    Raises
    ------
    TypeError
        If `maps` is nothing of the kind.

    Examples
    --------
    >>> import carviz
    >>> model, data = carviz.load_model("shapes"), carviz.load_data("shapes", limit=1)
    >>> maps = carviz.activation_maps(model, data, "features.0", 12, numbers=[0, 5, 9])
    >>> carviz.plot_maps(maps).description.split(". ")[0]
    'Where filter 12 of features.0 answers on 3 images'
    """
    from carviz.pictures import ActivationMaps, overlay  # bring torch, which few plots need

    if not isinstance(maps, ActivationMaps):
        raise TypeError(
            f"plot_maps shows what carviz.activation_maps returns; found {type(maps).__name__}."
        )
    shown = min(len(maps), MOST)
    on_images = maps.on_images()
    highest = float(on_images.max())
    rows = math.ceil(shown / COLUMNS)
    figure = CarvizFigure(WIDTH, TOP + rows * (SIDE + CAPTION) + 0.2)
    heading = f"Where filter {maps.filter} of {maps.layer} answers on {counted(len(maps), 'image')}"
    written = fit(figure, heading, BOLD * (WIDTH - 2 * MARGIN), TITLE)
    write_at(figure, MARGIN, 0.42, written, fontsize=TITLE, weight="bold")
    line = _line(len(maps) - shown, highest)
    write_at(figure, MARGIN, 0.8, line, color=SOFT)
    for place in range(shown):
        row, column = divmod(place, COLUMNS)
        left = MARGIN + column * (2 * SIDE + GAP + 0.2)
        top = TOP + row * (SIDE + CAPTION)
        picture = maps.pictures[place]
        over = overlay(picture, on_images[place], highest)
        draw_thumbnail(figure, picture, left, top, SIDE)
        draw_thumbnail(figure, over, left + SIDE + GAP, top, SIDE)
        words = f"image {maps.images[place]}: up to {on_images[place].max():.2f}"
        write_at(figure, left, top + SIDE + 0.14, words, fontsize=SMALL, color=SOFT)
    each = ", ".join(
        f"image {number} up to {top:.2f}"
        for number, top in zip(maps.images, on_images.max(axis=(1, 2)), strict=True)
    )
    figure.description = f"{heading}. {line} {each}."
    return figure


def _line(more: int, highest: float) -> str:
    line = f"Brightest: {highest:.2f}, the highest answer of all. Dark: none."
    if highest <= 0:
        line = "It answers nowhere: no answer is above zero."
    return line + (f" {counted(more, 'more image')} not shown." if more else "")
