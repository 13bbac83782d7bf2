"""The lines of a figure of paths: which paths each shows, and how it looks."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from carviz.plots.accuracy import held_out_look
from carviz.plots.pruned import check_path
from carviz.plots.style import EDGE, PAPER
from carviz.results import CumulativeTable, PruningPath, RandomBand
from carviz.wording import (
    CRITERIA,
    NONE,
    banks_words,
    criterion_words,
    other_classes_words,
    percent,
)

Floats = NDArray[np.float64]

PROMINENT = "car"
Dashes = tuple[int, tuple[float, ...]]
LOOKS: dict[str, tuple[str, str, Dashes]] = {
    "car": (EDGE, "o", (0, ())),
    "car-once": ("#00795A", "D", (0, (7, 2))),
    "log-prob": ("#8E2F5C", "p", (0, (5, 1.5))),
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
    """One line: the path of a criterion, the mean of several that it gave, or of random orders.

    Parameters
    ----------
    paths
        The paths; none where it is of a band.
    band
        Random orders.
    held
        Whether it is of held-out images.
    """

    paths: list[PruningPath]
    band: RandomBand | None = None
    held: bool = False

    @property
    def criterion(self) -> str:
        """What ordered the filters."""
        return self.paths[0].criterion if self.paths else "random"

    @property
    def name(self) -> str:
        """What stands at the end of the line."""
        words = criterion_words(self.paths[0]) if self.paths else CRITERIA["random"]
        more = f" (mean of {self.members})" if self.members > 1 else ""
        return words + (", held out" if self.held else "") + more

    @property
    def members(self) -> int:
        """How many curves it is the mean of."""
        return len(self.paths) if self.band is None else len(self.band)

    @property
    def prominent(self) -> bool:
        """Whether it is the line that the others are held against."""
        return self.criterion == PROMINENT and not self.held

    @property
    def steps(self) -> int:
        """How many filters all its paths prune."""
        return min(map(len, self.paths)) if self.band is None else self.band.steps

    @property
    def all(self) -> Floats:
        """(path, steps+1) in percent."""
        if self.band is not None:
            return 100 * self.band.accuracy
        return np.asarray([100 * path.accuracy[: self.steps + 1] for path in self.paths])

    @property
    def mean(self) -> Floats:
        """(steps+1,) in percent."""
        return np.asarray(self.all.mean(axis=0))

    @property
    def look(self) -> dict[str, Any]:
        """How matplotlib draws the line."""
        color, marker, dashes = LOOKS.get(self.criterion, OTHERS)
        look = {
            "color": color,
            "marker": marker,
            "linestyle": dashes,
            "linewidth": 3.6 if self.criterion == PROMINENT else 1.7,
            "markersize": 9 if self.criterion == PROMINENT else 7,
            "markeredgecolor": PAPER,
            "markeredgewidth": 0.8,
        }
        return held_out_look(look) if self.held else look

    def at(self, count: int) -> str:
        """Write the accuracy after `count` filters."""
        return percent(self.mean[count] / 100) if count <= self.steps else NONE

    def filters_at_or_above(self, floor: float) -> str:
        """Write how many filters go before the accuracy falls below the floor."""
        if self.band is None and not self.held:
            kept = [len(path.at_or_above(floor)) for path in self.paths]
        else:
            # Held-out images may be below it with all filters.
            below = np.pad(self.all < 100 * floor - 1e-9, ((0, 0), (0, 1)), constant_values=True)
            kept = [max(0, int(first) - 1) for first in below.argmax(axis=1)]
        few, many = min(kept), max(kept)
        return f"{few if few == many else f'{few} to {many}'} filter{'s' if many != 1 else ''}"


def check_paths(paths: Any) -> list[PruningPath]:
    """Return one or several paths as a list, if one figure can show them."""
    single = isinstance(paths, PruningPath) or not isinstance(paths, Iterable)
    shown = [check_path(path) for path in ([paths] if single else paths)]
    if not shown:
        raise ValueError("A figure of paths shows one or several; found none.")
    first = shown[0]
    for place, path in enumerate(shown[1:], 1):
        if any(path is other or path == other for other in shown[:place]):
            raise ValueError(
                f"Paths in one figure are named once each; found one by {criterion_words(path)} "
                "twice. Leave one of them out."
            )
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


def curves_of(paths: list[PruningPath], *, held: bool = False) -> list[Curve]:
    """Return one curve a criterion, in the order of the table of criteria."""
    groups: dict[str, list[PruningPath]] = {}
    for path in paths:
        groups.setdefault(path.criterion, []).append(path)
    known = list(LOOKS)
    names = sorted(groups, key=lambda name: known.index(name) if name in known else len(known))
    return [Curve(groups[name], held=held) for name in names]


def check_band(band: Any, first: PruningPath) -> RandomBand | None:
    """Return the random orders of a figure, if they are of its banks, images and network."""
    if band is None or isinstance(band, RandomBand):
        drawn = band
    elif isinstance(band, CumulativeTable):
        if band.banks != first.banks or not np.array_equal(band.bank_sizes, first.bank_sizes):
            raise ValueError(
                "The band is of the banks that the paths prune; found "
                f"{' and '.join(band.banks)!r} beside {banks_words(first)!r}."
            )
        if not np.array_equal(band.targets, first.targets):
            raise ValueError(
                "The band is measured on the same images as the paths; found "
                f"{len(band.targets):,} images, and {len(first.targets):,} others."
            )
        drawn = band.curves.band
    else:
        raise TypeError(
            "band is a CumulativeTable, which carviz.measure_cumulative returns, or None; found "
            f"{type(band).__name__}."
        )
    if drawn is None:
        return None
    whole = drawn.accuracy[0, 0]
    if drawn.images != len(first.targets) or abs(whole - first.accuracy[0]) > 1 - AGREE:
        raise ValueError(
            "The band is of the same network and images as the paths; found a whole network that "
            f"is right on {percent(whole)} of {drawn.images:,} images, and "
            f"{percent(first.accuracy[0])} of {len(first.targets):,}."
        )
    return drawn


def check_held_out(held_out: Any, shown: list[PruningPath]) -> list[PruningPath]:
    """Return the paths on held-out images, if they follow the orders that are shown."""
    if held_out is None:
        return []
    found = check_paths(held_out)
    for path in found:
        own = [other for other in shown if other.criterion == path.criterion]
        if not any(_same_order(path, other) for other in own):
            raise ValueError(
                "held_out follows the orders that are shown, on other images; found another order "
                f"by {criterion_words(path)}. carviz.prune_filters(model, held_out, layer, "
                "order=path) follows one."
            )
        if path.classes != shown[0].classes:
            raise ValueError(
                "held_out has the classes of the paths, so that labels mean the same; "
                f"{other_classes_words(path.classes, shown[0].classes)}."
            )
        data = path.passport.get("data")
        if data is not None and data == shown[0].passport.get("data"):
            raise ValueError(
                "held_out is measured on other images than the paths; found the same ones."
            )
    return found


def _same_order(path: PruningPath, other: PruningPath) -> bool:
    """Whether two paths go the same way, as far as both go."""
    steps = min(len(path), len(other))
    return path.banks == other.banks and path.steps[:steps] == other.steps[:steps]
