"""Where pictures come from, before any network has a say: numbered, each of a class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


class UnreadableError(ValueError):
    """A picture that cannot be decoded; the message says why."""


@dataclass(frozen=True)
class Found:
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
    """

    words: str
    classes: tuple[Found, ...]
    places: tuple[str, ...]
    labels: tuple[int, ...]
    dataset: Any = None
    alike: bool = False

    def picture(self, number: int) -> Any:
        """Return a picture, RGB, as a PIL image.

        Grey, CMYK and palette pictures become RGB. An orientation noted in EXIF data is not
        followed, since torchvision's ImageFolder does not either.

        Raises
        ------
        UnreadableError
            If it cannot be decoded: no image at all, or cut short.
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
    if picture.mode == "P" and "transparency" in picture.info:
        picture = picture.convert("RGBA")  # the same colours, and Pillow does not warn
    return picture.convert("RGB")
