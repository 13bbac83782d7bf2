"""Where on some images a filter answers: each image, and its map over it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from carviz.plots.bank import draw_thumbnail
from carviz.plots.classes import MARGIN
from carviz.plots.style import BOLD, SMALL, SOFT, TITLE, CarvizFigure, bare, box, fit, write_at
from carviz.wording import answer_words, counted

if TYPE_CHECKING:
    from carviz.pictures import ActivationMaps

WIDTH = 13.2
TOP, SIDE, GAP, CAPTION = 1.1, 2.0, 0.12, 0.34
MOST = 12
"""Images that a page shows."""
BAR = 2.6
"""Inches that the scale of colours is wide."""
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
    on_images = maps.on_images(above_zero=True)
    highest = float(maps.highest.max())
    rows = math.ceil(shown / COLUMNS)
    figure = CarvizFigure(WIDTH, TOP + rows * (SIDE + CAPTION) + 0.2)
    heading = f"Where filter {maps.filter} of {maps.layer} answers on {counted(len(maps), 'image')}"
    written = fit(figure, heading, BOLD * (WIDTH - 2 * MARGIN - BAR - 0.4), TITLE)
    write_at(figure, MARGIN, 0.42, written, fontsize=TITLE, weight="bold")
    line = _line(len(maps) - shown, highest)
    write_at(figure, MARGIN, 0.8, line, color=SOFT)
    if highest > 0:
        _draw_scale(figure, highest)
    for place in range(shown):
        row, column = divmod(place, COLUMNS)
        left = MARGIN + column * (2 * SIDE + GAP + 0.2)
        top = TOP + row * (SIDE + CAPTION)
        picture = maps.pictures[place]
        over = overlay(picture, on_images[place], highest)
        draw_thumbnail(figure, picture, left, top, SIDE)
        draw_thumbnail(figure, over, left + SIDE + GAP, top, SIDE)
        words = f"image {maps.images[place]}: up to {answer_words(maps.highest[place])}"
        write_at(figure, left, top + SIDE + 0.14, words, fontsize=SMALL, color=SOFT)
    each = ", ".join(
        f"image {number} up to {answer_words(top)}"
        for number, top in zip(maps.images, maps.highest, strict=True)
    )
    figure.description = f"{heading}. {line} {each}."
    return figure


def _draw_scale(figure: CarvizFigure, highest: float) -> None:
    """Draw at the right what the brightness of the maps means, over a white image."""
    from carviz.pictures import overlay

    steps = np.linspace(0, highest, 255)[None]
    axes = bare(box(figure, WIDTH - MARGIN - BAR, 0.3, BAR, 0.2), keep="left right top bottom")
    scale = overlay(np.ones((1, 255, 3)), steps, highest)
    axes.imshow(scale, extent=(0, highest, 0, 1), aspect="auto", interpolation="nearest")
    axes.set_yticks([])
    axes.set_xticks([0, highest], ["none", answer_words(highest)], fontsize=SMALL)
    first, last = axes.get_xticklabels()
    first.set_horizontalalignment("left")
    last.set_horizontalalignment("right")


def _line(more: int, highest: float) -> str:
    line = f"Brightest: {answer_words(highest)}, the highest answer of all. Dark: none."
    if highest <= 0:
        line = "It answers nowhere: no answer is above zero."
    return line + (f" {counted(more, 'more image')} not shown." if more else "")
