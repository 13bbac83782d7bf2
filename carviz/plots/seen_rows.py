"""A row of what filters see: readings of colour, classes that are hurt, pictures, patches."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from carviz.plots.bank import draw_letter, draw_thumbnail
from carviz.plots.classes import MARGIN
from carviz.plots.letters import told_apart
from carviz.plots.style import (
    BODY,
    BOLD,
    HEAD,
    INK,
    SMALL,
    SOFT,
    CarvizFigure,
    fit,
    fit_names,
    width_of,
    write_at,
)
from carviz.results import CarTable, SelectivityTable
from carviz.wording import index_words, points

if TYPE_CHECKING:
    from carviz.pictures import TopPatches

WIDTH = 13.2
SHOWN = 9
"""Patches of a filter."""
LARGEST = 1.6
"""Inches from one patch to the next, at most."""
CLASSES = 3
"""Classes that a filter's line of CAR names."""
GAP, CAPTION, BETWEEN = 0.32, 0.3, 0.3
LINE = 0.29


@dataclasses.dataclass(frozen=True, eq=False)
class FilterViews:
    """What is shown of which filters; pictures by the filters' places on the page."""

    patches: TopPatches
    filters: list[int]
    weights: NDArray[np.float64] | None
    excited: NDArray[np.float64] | None
    selectivity: SelectivityTable | None
    table: CarTable | None

    def ranks(self, filter: int) -> list[tuple[Any, str, int]]:
        """Return the filter's patches, each with the name of its class, and its number."""
        found = self.patches.pictures, self.patches.names, self.patches.labels
        pictures, names, labels = (
            of if self.patches.filter is not None else of[filter] for of in found
        )
        there = np.flatnonzero(labels >= 0)[:SHOWN].tolist()
        return [(pictures[rank], str(names[rank]), int(labels[rank])) for rank in there]

    def hurt_most(self, filter: int) -> dict[str, str]:
        """Return the classes that a filter's removal hurts most, each with its CAR in points."""
        if self.table is None:
            return {}
        frame = self.table.top_classes(filter, CLASSES)
        frame = frame[frame["car"] > 0]
        each = zip(frame["class"].tolist(), frame["car"].tolist(), strict=True)
        return {name: points(car, unit=False) for name, car in each}

    def called(self, name: str, label: int) -> str:
        """Return what the table calls a patch's class: by number, where both number alike."""
        classes = self.patches.classes
        if self.table is None or (classes is not None and classes != self.table.classes):
            return name
        shown = self.table.shown_classes
        return shown[label] if label < len(shown) else name

    def sides(self, place: int) -> list[tuple[str, Any]]:
        """Return the large pictures of a filter, each with what it is."""
        own = self.selectivity is None or self.selectivity.reading == "weights"
        named = {
            "its weights" if own else "its effective RGB weights": self.weights,
            "synthesised to excite it": self.excited,
        }
        return [(name, found[place]) for name, found in named.items() if found is not None]


class Place:
    """How large the parts of a row are; inches."""

    def __init__(self, seen: FilterViews) -> None:
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


def draw_row(figure: CarvizFigure, seen: FilterViews, place: Place, i: int, top: float) -> str:
    """Draw one filter, and return in words what is drawn."""
    filter = seen.filters[i]
    reading = _draw_reading(figure, seen, filter, top + 0.1)
    shown = seen.ranks(filter)
    hurt, words = seen.hurt_most(filter), ""
    bold = [seen.called(name, label) in hurt for _, name, label in shown]
    if seen.table is not None:
        drawn = [told_apart(name, seen.table.class_number(name)) for name in hurt]
        line, words = _hurt_words(figure, hurt, drawn, any(bold))
        write_at(figure, MARGIN, top + 0.1 + LINE, line, color=SOFT)
    left, under = MARGIN, top + place.head
    for name, picture in seen.sides(i):
        draw_thumbnail(figure, picture, left, under, place.side)
        line = fit(figure, name, place.side, SMALL)
        write_at(figure, left, under + place.side + 0.15, line, fontsize=SMALL, color=SOFT)
        left += place.side + GAP
    patches = [(picture, told_apart(name, label)) for picture, name, label in shown]
    _draw_patches(figure, patches, bold if hurt else None, place, left, under)
    classes = ", ".join(name for _, name, _ in shown) or "none, nothing excites it"
    return " ".join(w for w in (f"{reading}.", words, f"Patches: {classes}.") if w)


def _draw_reading(figure: CarvizFigure, seen: FilterViews, filter: int, middle: float) -> str:
    """Write the filter's number and what both readings say of it."""
    look: dict[str, Any] = {"fontsize": HEAD, "weight": "bold"}
    text = write_at(figure, MARGIN, middle, f"Filter {filter}", **look)
    if seen.selectivity is None:
        return f"Filter {filter}"
    edge = text.get_window_extent().x1 / figure.dpi
    draw_letter(figure, str(seen.selectivity.kind[filter]), edge + 0.22, middle)
    words = _reading_words(seen.selectivity, filter)
    write_at(figure, edge + 0.48, middle, fit(figure, words, WIDTH - MARGIN - edge - 0.5, BODY))
    return f"Filter {filter}: {words}"


def _reading_words(selectivity: SelectivityTable, filter: int) -> str:
    """Write both readings of a filter's colour, and what it means where they disagree."""
    by_weights = float(selectivity.color_index[filter])
    by_answers = float(selectivity.activation_index[filter])
    if math.isnan(by_weights):
        return "dead, no reading of colour"
    words = index_words(by_weights)
    if math.isnan(by_answers):
        return words
    words += f", activation index {by_answers:.2f}"
    if not selectivity.disagrees[filter]:
        return f"{words}: both say {'colour' if by_weights > selectivity.threshold else 'shape'}"
    if by_weights > selectivity.threshold:
        return f"{words}. They disagree: its weights compare colours, its answers need few"
    return f"{words}. They disagree: its weights compare few colours, its answers need them"


def _hurt_words(
    figure: CarvizFigure, hurt: dict[str, str], drawn: list[str], bold: bool
) -> tuple[str, str]:
    """Write which classes are hurt most: in one line, names shortened to fit, and in full."""
    if not hurt:
        none = "No class loses images without it."
        return none, none

    def line(names: Iterable[str]) -> str:
        each = ", ".join(f"{name} {car}" for name, car in zip(names, hurt.values(), strict=True))
        note = " Patches of these classes are in bold." if bold else ""
        return f"Hurt most without it (CAR in points): {each}.{note}"

    room, names = WIDTH - 2 * MARGIN, drawn
    if width_of(figure, line(names), BODY) > room:
        room -= width_of(figure, line([""] * len(names)), BODY)
        names = fit_names(figure, names, room / len(names), BODY)
    return line(names), line(hurt)


def _draw_patches(
    figure: CarvizFigure,
    shown: list[tuple[Any, str]],
    bold: list[bool] | None,
    place: Place,
    left: float,
    top: float,
) -> None:
    """Draw the patches; `bold` says whose names are set off from the others, None for nobody's."""
    if not shown:
        write_at(figure, left, top + 0.2, "none: no image excites it")
        return
    names = fit_names(figure, [name for _, name in shown], BOLD * place.pitch, SMALL)
    for rank, ((picture, _), words) in enumerate(zip(shown, names, strict=True)):
        down, across = divmod(rank, place.columns)
        x, y = left + across * place.pitch, top + down * (place.patch + CAPTION)
        draw_thumbnail(figure, picture, x, y, place.patch)
        look: dict[str, Any] = {"color": INK if bold is None else SOFT}
        if bold is not None and bold[rank]:
            look = {"weight": "bold", "color": INK}
        write_at(figure, x, y + place.patch + 0.14, words, fontsize=SMALL, **look)
