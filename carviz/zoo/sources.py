"""Where pictures come from, before any network has a say: numbered, each of a class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

WIDE = 65535
"""White, in 16 bits."""
DARK = 4096
"""Where no number of 16 bits reaches this, 12 or fewer were meant; 8 bits would keep 16 greys."""

PHOTOMETRIC, SAMPLE_FORMAT, SIGNED = 262, 339, 2
"""What TIFF calls its tags: whether 0 is white, and whether numbers may be below zero."""


class UnreadableError(ValueError):
    """A picture that cannot be decoded; the message says why."""


@dataclass(frozen=True)
class NamedClass:
    """A class, as the data names it.

    Parameters
    ----------
    name
        The folder's name, or what the data set calls the class.
    others
        Further names that it goes by: synonyms, its WordNet number.
    """

    name: str
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """Pictures, numbered, each of a class.

    Parameters
    ----------
    words
        What they are, for people: a folder's path, or a data set's name.
    classes
        The classes, in the data's own order.
    places
        Of each picture its file, or what else tells a person which it is.
    labels
        Of each picture its class, as a place in `classes`.
    dataset
        torchvision's data set, which gives picture and label by number; None where `places` are
        files.
    alike
        Whether all pictures have one size, a small one, in which they can be shown to a network.
    others
        Of a folder, how many files of each kind (".txt") lie in it that are no images by name.
    """

    words: str
    classes: tuple[NamedClass, ...]
    places: tuple[str, ...]
    labels: tuple[int, ...]
    dataset: Any = None
    alike: bool = False
    others: Mapping[str, int] = field(default_factory=dict)

    def picture(self, number: int) -> Any:
        """Return a picture, RGB, as a PIL image.

        Grey, CMYK and palette pictures become RGB; of several frames the first counts. An
        orientation noted in EXIF data is not followed, since torchvision's ImageFolder does not
        either. Grey pictures of 16 bits and of floating-point numbers (0 to 1) are brought to 8
        bits by their range; ImageFolder cuts their values off at 255, which makes the first white
        and the second black.

        Raises
        ------
        UnreadableError
            If it cannot be decoded: no image at all, cut short, or of numbers whose white nobody
            knows.
        """
        from PIL import Image

        try:
            if self.dataset is not None:
                return _as_rgb(self.dataset[number][0])
            with Image.open(self.places[number]) as file:
                return _as_rgb(file)
        except Exception as error:
            raise UnreadableError(f"{type(error).__name__}: {error}") from error


def _as_rgb(picture: Any) -> Any:
    tags = getattr(picture, "tag_v2", {})  # of a TIFF file
    if picture.mode == "P" and "transparency" in picture.info:
        picture = picture.convert("RGBA")  # the same colours, and Pillow does not warn
    if picture.mode.startswith("I") or picture.mode == "F":
        picture = _as_grey(picture, white_is_zero=tags.get(PHOTOMETRIC) == 0)
    elif SIGNED in np.atleast_1d(tags.get(SAMPLE_FORMAT, 1)):
        raise ValueError("of 8 bits, below zero as well, nobody knows the black. Save it unsigned")
    return picture.convert("RGB")


def _as_grey(picture: Any, *, white_is_zero: bool) -> Any:
    """Bring wide numbers to 8 bits by their range; Pillow would cut off what is above 255."""
    from PIL import Image

    values = np.asarray(picture)
    least, most = float(values.min()), float(values.max())
    top = 1 if picture.mode == "F" else WIDE
    fits = 0 <= least <= most <= top  # NaN fits nothing
    if not fits or (top == WIDE and 0 < most < DARK):
        kind = "whole numbers" if top == WIDE else "floating-point numbers"
        why = ": all but black, so that another number may be white" if fits else ""
        raise ValueError(
            f"{kind} of more than 8 bits are read as 0 to {top:,} (black to white); found "
            f"{least:.6g} to {most:.6g}{why}. Save it with 8 bits, or with 16 that it fills"
        )
    grey = np.rint(values * (255 / top)).astype(np.uint8)
    return Image.fromarray(255 - grey if white_is_zero else grey)
