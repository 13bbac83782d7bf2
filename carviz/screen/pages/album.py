"""The pictures of a page: named by numbers, made once each, as many as there is room for."""

from __future__ import annotations

import enum
import io
import json
from collections.abc import Callable, Iterable
from typing import Any

from carviz.screen.pictures import Made
from carviz.screen.sight import COARSE

QUALITY = 80
"""Of a picture with many pixels, of 100; one of few is kept as it is."""
IMAGES_SHARE = 0.6
"""Of the room, what images of the data take before all other pictures have theirs."""

Make = Callable[[list[str]], list[Made | str]]
"""Returns the pictures of some names, or why there is none."""
AROUND = 40
"""Bytes that a picture takes in the page beside its own."""
AT_A_TIME = 32
"""Pictures that are made before it is seen whether there is room for them."""


class Group(enum.IntEnum):
    """What is made first."""

    SHEETS = 0
    FIRST_IMAGES = 1
    OF_FILTERS = 2
    MORE_IMAGES = 3


class Album:
    """Pictures that a page asks for, by the names that `carviz.screen.keys` gives.

    Parameters
    ----------
    subject
        What all names begin with.

    Attributes
    ----------
    numbers
        Name → its short one in the page.
    problems
        Short name → why there is no such picture, in words.
    """

    def __init__(self, subject: str) -> None:
        self._begin = json.dumps([subject], separators=(",", ":"))[:-1] + ","
        self.numbers: dict[str, str] = {}
        self.problems: dict[str, str] = {}
        self._groups: dict[str, Group] = {}
        self._taken: set[bytes] = set()

    def named(self, value: Any, group: Group | None = None) -> Any:
        """Return JSON with short names in the place of long ones, which it takes note of."""
        if isinstance(value, dict):
            return {name: self.named(part, group) for name, part in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.named(part, group) for part in value]
        if isinstance(value, str) and value.startswith(self._begin):
            return self._number(value, group)
        return value

    def _number(self, name: str, group: Group | None) -> str:
        subject, kind, *rest = json.loads(name)
        if kind == "small":  # the large one shows as well, small
            kind = "large"
            name = json.dumps([subject, kind, *rest], separators=(",", ":"))
        if group is None:
            group = {"sheet": Group.SHEETS, "image": Group.FIRST_IMAGES}.get(kind, Group.OF_FILTERS)
        self._groups[name] = min(group, self._groups.get(name, group))
        return self.numbers.setdefault(name, str(len(self.numbers) + 1))

    def make(self, make: Make, room: int) -> tuple[dict[str, Made], int]:
        """Return the pictures by their short names, and how many had no room.

        Parameters
        ----------
        make
            Makes them.
        room
            Bytes for all, as base64.
        """
        made: dict[str, Made] = {}
        size, late = 0, []
        for group in Group:
            names = [name for name in self.numbers if self._groups[name] == group]
            share = IMAGES_SHARE if group == Group.FIRST_IMAGES else 1.0
            size, rest = self._take(names, make, size, int(share * room), made)
            late += rest
        size, left = self._take(late, make, size, room, made)
        return made, len(left)

    def _take(
        self, names: list[str], make: Make, size: int, room: int, made: dict[str, Made]
    ) -> tuple[int, list[str]]:
        """Make pictures while there is room; return the bytes taken now, and the names left."""
        for start in range(0, len(names), AT_A_TIME):
            some = names[start : start + AT_A_TIME]
            for place, found in enumerate(make(some)):
                if isinstance(found, str):
                    self.problems[self.numbers[some[place]]] = found
                    continue
                small = compact(found)
                known = small.data in self._taken  # a patch that excites several filters
                taken = AROUND + len(json.dumps(small.about))
                taken += 0 if known else 4 * -(-len(small.data) // 3)
                if size + taken > room:
                    return size, names[start + place :]
                size += taken
                self._taken.add(small.data)
                made[self.numbers[some[place]]] = small
        return size, []


def compact(made: Made) -> Made:
    """Return a picture as a page has it: as WebP, without loss where its pixels can be counted."""
    from PIL import Image

    if made.mime == "image/webp":
        return made
    image = Image.open(io.BytesIO(made.data)).convert("RGB")
    sides: Iterable[int] = image.size
    if made.about:
        sides = made.about["width"], made.about["height"]
    buffer = io.BytesIO()
    if max(sides) <= COARSE:
        image.save(buffer, format="WEBP", lossless=True)
        if buffer.tell() >= len(made.data):
            return made
    else:
        image.save(buffer, format="WEBP", quality=QUALITY)
    return Made("image/webp", buffer.getvalue(), made.about)
