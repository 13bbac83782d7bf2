"""The lines of a figure of paths: which paths each shows, and how it looks."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from carviz.plots.pruned import check_path
from carviz.plots.style import EDGE, PAPER
from carviz.results import PruningPath
from carviz.wording import NONE, banks_words, criterion_words, percent

Floats = NDArray[np.float64]

PROMINENT = "car"
Dashes = tuple[int, tuple[float, ...]]
LOOKS: dict[str, tuple[str, str, Dashes]] = {
    "car": (EDGE, "o", (0, ())),
    "car-once": ("#00795A", "D", (0, (7, 2))),
    "l1": ("#8A5A00", "^", (0, (4, 2))),
    "l2": ("#A24C79", "v", (0, (6, 2, 1, 2))),
    "taylor": ("#404040", "s", (0, (2, 1.4))),
    "apoz": ("#7A6A00", "P", (0, (9, 2, 2, 2))),
    "random": ("#6B6B6B", "X", (0, (1, 1.2))),
}
"""Colour, mark and dashes of a criterion's line; any of the three tells it from the others."""
OTHERS = ("#5B4B8A", "h", (0, (3, 3)))
AGREE = 0.99
"""Share of images on which two runs of one network agree at least."""


@dataclasses.dataclass(frozen=True)
class Curve:
    """One line: the path of a criterion, or the mean of several that it gave."""

    paths: list[PruningPath]

    @property
    def name(self) -> str:
        """What stands at the end of the line."""
        more = f" (mean of {len(self.paths)})" if len(self.paths) > 1 else ""
        return criterion_words(self.paths[0]) + more

    @property
    def prominent(self) -> bool:
        """Whether it is the line that the others are held against."""
        return self.paths[0].criterion == PROMINENT

    @property
    def steps(self) -> int:
        """How many filters all its paths prune."""
        return min(len(path) for path in self.paths)

    @property
    def all(self) -> Floats:
        """(path, steps+1) in percent."""
        return np.asarray([100 * path.accuracy[: self.steps + 1] for path in self.paths])

    @property
    def mean(self) -> Floats:
        """(steps+1,) in percent."""
        return np.asarray(self.all.mean(axis=0))

    @property
    def look(self) -> dict[str, Any]:
        """How matplotlib draws the line."""
        color, marker, dashes = LOOKS.get(self.paths[0].criterion, OTHERS)
        return {
            "color": color,
            "marker": marker,
            "linestyle": dashes,
            "linewidth": 3.6 if self.prominent else 1.7,
            "markersize": 9 if self.prominent else 7,
            "markeredgecolor": PAPER,
            "markeredgewidth": 0.8,
        }

    def at(self, count: int) -> str:
        """Write the accuracy after `count` filters."""
        return percent(self.mean[count] / 100) if count <= self.steps else NONE

    def filters_at_or_above(self, floor: float) -> str:
        """Write how many filters go before the accuracy falls below the floor."""
        kept = [len(path.at_or_above(floor)) for path in self.paths]
        few, many = min(kept), max(kept)
        return f"{few if few == many else f'{few} to {many}'} filter{'s' if many != 1 else ''}"


def check_paths(paths: Any) -> list[PruningPath]:
    """Return one or several paths as a list, if one figure can show them."""
    single = isinstance(paths, PruningPath) or not isinstance(paths, Iterable)
    shown = [check_path(path) for path in ([paths] if single else paths)]
    if not shown:
        raise ValueError("A figure of paths shows one or several; found none.")
    first = shown[0]
    for path in shown[1:]:
        same = path.banks == first.banks and np.array_equal(path.bank_sizes, first.bank_sizes)
        if not same:
            raise ValueError(
                "Paths in one figure prune the same banks; found "
                f"{banks_words(first)!r} and {banks_words(path)!r}. Draw a figure each."
            )
        if not np.array_equal(path.targets, first.targets):
            raise ValueError(
                "Paths in one figure are measured on the same images; found "
                f"{len(first.targets):,} images, and {len(path.targets):,} others. Prune with the "
                "same data."
            )
        other = int((path.baseline != first.baseline).sum())
        if other > (1 - AGREE) * len(first.targets):
            raise ValueError(
                "Paths in one figure are of one network; found whole networks that differ on "
                f"{other:,} of {len(first.targets):,} images. Draw a figure each."
            )
    return shown


def curves_of(paths: list[PruningPath]) -> list[Curve]:
    """Return one curve a criterion, in the order of the table of criteria."""
    groups: dict[str, list[PruningPath]] = {}
    for path in paths:
        groups.setdefault(path.criterion, []).append(path)
    known = list(LOOKS)
    names = sorted(groups, key=lambda name: known.index(name) if name in known else len(known))
    return [Curve(groups[name]) for name in names]
