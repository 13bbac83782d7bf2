"""What is looked at in a session, so that its pictures are made first."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal, get_args

from carviz.checks import check_whole, did_you_mean
from carviz.session.seeing.kept import Sight

View = Literal["filter", "several", "image", "bank", "pruning"]
Order = Literal["number", "car", "color"]
OWN = -2
"""Stands for the number of the image that the reader has given."""
WORDS = {"view": View, "order": Order, "gallery": Sight, "large": Sight}


@dataclasses.dataclass(frozen=True)
class Looks:
    """See `carviz.Session.look`.

    Parameters
    ----------
    view
        "filter", "several" (filters removed together), "image", "bank" or "pruning".
    order
        How the filters are sorted: by "number", "car" or "color".
    gallery, large
        Which pictures stand in the gallery, and which is large beside it. Until somebody says it,
        the gallery has "weights" of a bank that reads RGB, and "patches" of a deeper one.
    siblings
        Whether the chosen filter's nearest siblings are looked at.
    opened
        The number of the class whose changed images are looked at; -1 for none.
    image
        The number of the image that is looked at; -1 for none, `OWN` for the reader's own.
    """

    view: View = "filter"
    order: Order = "number"
    gallery: Sight = "weights"
    large: Sight = "weights"
    siblings: bool = False
    opened: int = -1
    image: int = -1

    def changed(self, **looks: Any) -> Looks:
        """Return the same with some other looks; what is None stays.

        Raises
        ------
        TypeError, ValueError
            If there is no such look.
        """
        for name, words in WORDS.items():
            word, known = looks.get(name), list(get_args(words))
            if word is not None and word not in known:
                raise ValueError(
                    f"{name} is one of {known}; found {word!r}.{did_you_mean(word, known)}"
                )
        opened, siblings, image = (looks.get(name) for name in ("opened", "siblings", "image"))
        if opened is not None:
            looks["opened"] = check_whole(
                opened, "opened", -1, what="a class's number, -1 for none"
            )
        if image is not None:
            looks["image"] = check_whole(
                image, "image", OWN, what="an image's number, -1 for none, -2 for one's own"
            )
        if not isinstance(siblings, (bool, type(None))):
            raise TypeError(f"siblings is True or False; found {siblings!r}.")
        return dataclasses.replace(self, **{n: v for n, v in looks.items() if v is not None})
