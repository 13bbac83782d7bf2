"""What is known of one image: where a filter answers on it, and which filters it needs."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from carviz.pictures import ActivationMaps
from carviz.results import CarTable
from carviz.session.own_image import OwnImage

Floats = NDArray[np.float64]
Key = tuple[int, int]
"""An image's number in the data and 0, or `carviz.session.looks.OWN` and a version."""


@dataclasses.dataclass(frozen=True, eq=False)
class OneImage:
    """What is known of one image and one filter.

    Parameters
    ----------
    key
        The image.
    layer, filter
        The filter.
    picture
        (height, width, 3) uint8, what the network reads.
    label
        The true class; -1 where nobody knows it.
    maps
        Where on it the filter answers; None where the bank reads crops or frames.
    strongest
        The highest of the filter's answers that is known, on any image; 0 without maps.
    before, after
        (K,) probabilities of the classes, with all filters and without this one.
    """

    key: Key
    layer: str
    filter: int
    picture: NDArray[np.uint8]
    label: int
    maps: ActivationMaps | None
    strongest: float
    before: Floats
    after: Floats


@dataclasses.dataclass(frozen=True, eq=False)
class Needed:
    """What one image loses without each filter of a bank.

    Parameters
    ----------
    key, layer
        The image, and the bank.
    target
        The class whose log p is told: the true one, else the network's first answer.
    drop
        (F,) fall of its log p without each filter, in nats.
    answers
        (F,) the network's first answer without each.
    """

    key: Key
    layer: str
    target: int
    drop: Floats
    answers: NDArray[np.int64]


@dataclasses.dataclass(eq=False)
class ImageState:
    """What is kept of one image at a time; whoever reads or writes it holds the session's lock.

    Attributes
    ----------
    own
        The reader's own picture.
    one, needed
        What was found of an image and a filter, and of an image and a bank.
    problem
        What could not be found, of which image, bank and filter, and why.
    refused
        Why the last picture that was given was not taken; "" where it was.
    """

    own: OwnImage | None = None
    one: OneImage | None = None
    needed: Needed | None = None
    problem: tuple[tuple[Key, str, int], str] | None = None
    refused: str = ""

    def forget(self) -> None:
        """Let go of what was found of another model or other data; the own picture stays."""
        self.one, self.needed, self.problem = None, None, None

    def one_of(self, key: Key, layer: str, filter: int) -> OneImage | None:
        """Return what was found of an image and a filter; None if nothing is."""
        found = self.one
        same = found is not None and (found.key, found.layer, found.filter) == (key, layer, filter)
        return found if same else None

    def needed_of(self, key: Key, layer: str) -> Needed | None:
        """Return what an image loses without each filter of a bank; None if that is not known."""
        found = self.needed
        return found if found is not None and (found.key, found.layer) == (key, layer) else None

    def problem_of(self, key: Key, layer: str, filter: int) -> str:
        """Return why nothing could be found of an image and a filter; "" where nothing failed."""
        problem = self.problem
        return problem[1] if problem is not None and problem[0] == (key, layer, filter) else ""


def changed_images(table: CarTable | None, filter: int) -> list[int]:
    """Return the numbers of the images whose answer a filter's removal changes, the lost first."""
    if table is None or filter not in table.filters:
        return []
    after = table.predictions[table.row(filter)]
    places = np.flatnonzero(after != table.baseline)
    lost = table.baseline[places] == table.targets[places]
    return [int(n) for n in table.images[places[np.argsort(~lost, kind="stable")]]]
