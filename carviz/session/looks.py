"""What is looked at in a session, so that its pictures are made first."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal, get_args

from carviz.checks import check_whole, did_you_mean
from carviz.session.seeing.kept import Sight

View = Literal["filter", "bank", "pruning"]
Order = Literal["number", "car", "color"]
WORDS = {"view": View, "order": Order, "gallery": Sight, "large": Sight}


@dataclasses.dataclass(frozen=True)
class Looks:
    """See `carviz.Session.look`.

    Parameters
    ----------
    view
        "filter", "bank" or "pruning".
    order
        How the filters are sorted: by "number", "car" or "color".
    gallery, large
        Which pictures stand in the gallery, and which is large beside it. Until somebody says it,
        the gallery has "weights" of a bank that reads RGB, and "patches" of a deeper one.
    siblings
        Whether the chosen filter's nearest siblings are looked at.
    opened
        The number of the class whose changed images are looked at; -1 for none.
    """

    view: View = "filter"
    order: Order = "number"
    gallery: Sight = "weights"
    large: Sight = "weights"
    siblings: bool = False
    opened: int = -1

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
        opened, siblings = looks.get("opened"), looks.get("siblings")
        if opened is not None:
            looks["opened"] = check_whole(
                opened, "opened", -1, what="a class's number, -1 for none"
            )
        if not isinstance(siblings, (bool, type(None))):
            raise TypeError(f"siblings is True or False; found {siblings!r}.")
        return dataclasses.replace(self, **{n: v for n, v in looks.items() if v is not None})
