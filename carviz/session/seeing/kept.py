"""What has been seen of one bank's filters: pictures, made once and kept, and siblings."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from carviz.pictures import Exciting
from carviz.results import SiblingTable
from carviz.selectivity import Reading

Sight = Literal["weights", "patches", "synthesised"]
SIGHTS: tuple[Sight, ...] = ("weights", "patches", "synthesised")
LARGE = 224
"""Pixels of the longer side of a picture that is kept."""
TILE = 64
"""Pixels of the longer side of a picture in the gallery."""
SHEETS = 200
"""Sheets of patches that are kept, of some hundred kilobytes each."""
NEAREST = 3
"""Siblings that are shown."""
PUT = itertools.count(1)
"""Numbers for pictures. None comes twice: a bank whose pictures are let go is seen anew by other
numbers, since a browser keeps pictures by them."""

Picture = NDArray[np.uint8]
"""(height, width, 3)."""


@dataclasses.dataclass(frozen=True)
class Patch:
    """A patch of an image that excites a filter.

    Parameters
    ----------
    png
        It, encoded.
    words
        Its class, the response, and the image's number.
    padded
        Whether part of it lies outside of the image.
    """

    png: bytes
    words: str
    padded: bool = False


Piece = tuple[str, int]
"""What can be made in one go: its name, and the filter; -1 for the whole bank."""


@dataclasses.dataclass(frozen=True)
class Demand:
    """What is looked at, and so is wanted first.

    Parameters
    ----------
    layer, filter
        What is chosen.
    deep
        Whether the bank reads something else than the image's RGB.
    order
        All filters, as they stand in the gallery.
    large
        The picture of the chosen filter that is looked at.
    gallery
        The pictures in the gallery.
    siblings
        Whether its siblings are looked at.
    beside
        Whether its other pictures stand small beside the large one.
    pinned
        The filter that stands beside it, whose picture is looked at as well; -1 for none.
    """

    layer: str
    filter: int
    deep: bool
    order: tuple[int, ...]
    large: Sight = "weights"
    gallery: Sight = "weights"
    siblings: bool = False
    beside: bool = True
    pinned: int = -1


@dataclasses.dataclass(eq=False)
class Seen:
    """What is kept of one bank; whoever reads or writes it holds the session's lock.

    Attributes
    ----------
    exciting
        Which images excite the filters most.
    weights
        Effective RGB weights, filter by filter.
    readings
        What those weights say of colour.
    best
        The patch that excites each filter most, small.
    sheets
        The patches of one filter.
    synthesised
        Synthesised pictures, on their way or finished.
    finished
        The filters whose synthesised picture is.
    siblings
        How alike the filters are.
    failed
        What could not be made, and why.
    versions
        A number for each picture, by its sort and filter; the next one that is put in its place, as
        a synthesised one that has grown better, has a higher one.
    """

    exciting: Exciting | None = None
    weights: dict[int, Picture] = dataclasses.field(default_factory=dict)
    readings: dict[int, Reading] = dataclasses.field(default_factory=dict)
    best: dict[int, Picture] = dataclasses.field(default_factory=dict)
    sheets: dict[int, list[Patch]] = dataclasses.field(default_factory=dict)
    synthesised: dict[int, Picture] = dataclasses.field(default_factory=dict)
    finished: set[int] = dataclasses.field(default_factory=set)
    siblings: SiblingTable | None = None
    failed: dict[Piece, str] = dataclasses.field(default_factory=dict)
    versions: dict[tuple[Sight, int], int] = dataclasses.field(default_factory=dict)

    def copy(self) -> Seen:
        """Return what is there now; what comes later is not in it."""
        found = dataclasses.replace(self)
        for name, value in vars(found).items():
            if isinstance(value, (dict, set)):
                setattr(found, name, value.copy())
        return found

    def pictures(self, sight: Sight) -> dict[int, Picture]:
        """Return the pictures of one sort that are there, by filter."""
        return {"weights": self.weights, "patches": self.best, "synthesised": self.synthesised}[
            sight
        ]

    def put(self, sight: Sight, filter: int, picture: Picture) -> None:
        """Keep a filter's picture of one sort, in the place of the former one."""
        self.pictures(sight)[filter] = picture
        self.versions[sight, filter] = next(PUT)

    def version(self, sight: Sight, filter: int) -> int:
        """Return the number of the filter's picture of one sort; 0 where there is none."""
        return self.versions.get((sight, filter), 0)

    def missing(self, sight: Sight, filters: tuple[int, ...]) -> list[int]:
        """Return the filters whose picture is not made yet, in the order given."""
        made: Any = self.finished if sight == "synthesised" else self.pictures(sight)
        return [number for number in filters if number not in made]

    def nearest(self, filter: int) -> list[tuple[int, float]]:
        """Return the nearest siblings by activation, and how alike; none before they are known."""
        if self.siblings is None:
            return []
        found = self.siblings.nearest(filter, NEAREST, by="activation")
        return [
            (int(n), float(s)) for n, s in zip(found["filter"], found["similarity"], strict=True)
        ]


def nearest_first(seen: Seen, demand: Demand) -> tuple[int, ...]:
    """Return all filters, the chosen one and the siblings that are looked at before the rest."""
    return tuple(dict.fromkeys([demand.filter, *_siblings(seen, demand), *demand.order]))


def still_wanted(seen: Seen, demand: Demand, told_apart: bool = False) -> list[Piece]:
    """Return what is to be made, the most urgent first; what failed is left.

    That is what is looked at, and after it the other pictures of the chosen filter, which stand
    small beside the large one. `told_apart` says whether it is known already which filters select
    colour.
    """
    sights = SIGHTS if demand.beside else ()
    beside = [piece for sight in sights for piece in _picture(seen, demand, sight)]
    wanted = [*_looked_at(seen, demand, told_apart), *beside]
    return _possible(list(dict.fromkeys(wanted)), seen)


def is_looked_at(piece: Piece, seen: Seen, demand: Demand) -> bool:
    """Whether a piece is wanted for more than to stand small beside the large picture."""
    wanted = _looked_at(seen, demand, told_apart=False)
    return piece in _possible(list(dict.fromkeys(wanted)), seen)


def _picture(seen: Seen, demand: Demand, sight: Sight) -> list[Piece]:
    """Return the piece that gives the chosen filter's picture of one sort, if it is missing."""
    number = demand.filter
    if sight == "patches":
        return [] if number in seen.sheets else [("sheet", number)]
    if sight == "synthesised":
        return [] if number in seen.finished else [("synthesised", number)]
    return [] if number in seen.weights or not demand.deep else [("weights", number)]


def _looked_at(seen: Seen, demand: Demand, told_apart: bool) -> list[Piece]:
    wanted = _picture(seen, demand, demand.large)
    if demand.pinned >= 0:
        other = dataclasses.replace(demand, filter=demand.pinned)
        wanted += _picture(seen, other, demand.large)
    if demand.siblings and seen.siblings is None:
        wanted.append(("siblings", -1))
    if (demand.gallery != "weights" or demand.deep) and seen.missing(demand.gallery, demand.order):
        wanted.append((f"all {demand.gallery}", -1))
    if demand.deep:
        # The filters are told apart by the weights of all of them.
        needed = _siblings(seen, demand) if told_apart else demand.order
        if seen.missing("weights", needed):
            wanted.append(("all weights", -1))
        if not told_apart:
            wanted.append(("kinds", -1))
    return wanted


def _siblings(seen: Seen, demand: Demand) -> tuple[int, ...]:
    """Return the nearest siblings where they are looked at."""
    return tuple(n for n, _ in seen.nearest(demand.filter)) if demand.siblings else ()


def _possible(wanted: list[Piece], seen: Seen) -> list[Piece]:
    """Leave out what failed, and what needs that; the exciting images come before what does."""
    on_images = {"sheet", "weights", "all weights", "all patches", "kinds"}
    first = next((i for i, (name, _) in enumerate(wanted) if name in on_images), None)
    if seen.exciting is None and first is not None:
        wanted.insert(first, ("exciting", -1))
    lost = on_images if ("exciting", -1) in seen.failed else set()
    if ("all weights", -1) in seen.failed:
        lost = lost | {"kinds"}
    return [piece for piece in wanted if piece not in seen.failed and piece[0] not in lost]
