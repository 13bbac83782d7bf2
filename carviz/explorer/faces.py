"""One small picture of each class that is shown: an image that the filter's removal changed."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from carviz.evaluate import Images, Normalization
from carviz.explorer.job import Throttle
from carviz.explorer.thumbnails import png_uri, raw_pictures
from carviz.explorer.turn import Turn
from carviz.results import CarTable

SIDE = 56
"""Pixels of the longer side: twice what is shown, for sharp screens."""
KEPT = 4000
"""Pictures that are kept, of some kilobytes each."""
PAUSE = 2.0
"""Seconds at least between two readings while a job runs: it goes before pictures."""


@dataclasses.dataclass(frozen=True)
class Face:
    """The image that stands for a class beside one filter's bars.

    Parameters
    ----------
    image
        Its number in the data.
    words
        What it is with and without the filter.
    """

    image: int
    words: str


def choose_faces(table: CarTable, filter: int, classes: Iterable[int]) -> dict[int, Face]:
    """Return an image of each class by its number, for a filter that the table holds.

    The first one that is lost without the filter, else that changes otherwise, else that is right,
    else of all; none for a class without images.
    """
    before, after = table.baseline, table.predictions[table.row(filter)]
    right = before == table.targets
    # The lowest rank wins, and of one rank the image that comes first.
    rank = np.select([right & (after != before), after != before, right], [0, 1, 2], 3)
    faces = {}
    for number in classes:
        own = np.flatnonzero(table.targets == number)
        if len(own):
            place = int(own[np.argmin(rank[own])])
            faces[number] = Face(int(table.images[place]), _words(table, filter, place, after))
    return faces


def _words(table: CarTable, filter: int, place: int, after: Any) -> str:
    def answer(number: int) -> str:
        right = number == table.targets[place]
        return "right" if right else f"taken for {table.shown_classes[number]}"

    image, now = f"Image {int(table.images[place])}", answer(int(after[place]))
    if after[place] == table.baseline[place]:
        return f"{image}: {now} with and without filter {filter}"
    return f"{image}: {answer(int(table.baseline[place]))}; without filter {filter} {now}"


class Faces:
    """Reads the pictures in a thread of its own, one after another, and keeps them.

    Whoever calls holds the explorer's lock, but for `rest` and `end`.

    Parameters
    ----------
    lock
        The explorer's.
    busy
        Tells whether a job runs.
    show
        Told the filter and what the browser draws: by class, the picture and its words.
    """

    def __init__(
        self,
        lock: threading.RLock,
        busy: Callable[[], bool],
        show: Callable[[int, dict[str, Any]], None],
    ) -> None:
        self._lock = lock
        self._busy = busy
        self._show = show
        self._thread: threading.Thread | None = None
        self._filter = -1
        self._wanted: dict[int, Face] = {}
        self._pictures: dict[int, str] = {}
        self._due = Throttle(PAUSE)
        self._retired = False

    def begin(self, images: Images, normalization: Normalization | None, turn: Turn) -> None:
        """Go over to other data, which is read in turn."""
        self._images, self._normalization, self._turn = images, normalization, turn
        self._wanted, self._pictures = {}, {}

    def want(self, filter: int, faces: dict[int, Face]) -> None:
        """Show these faces as soon as they are there."""
        self._filter, self._wanted = filter, faces
        self._show_found()
        if not self._busy() or self._due.due():
            self.go_on()

    def go_on(self) -> None:
        """Read what is missing, unless a job reads the same data."""
        if self._thread is None and self._missing() and self._may_read():
            self._thread = threading.Thread(target=self._run, name="carviz-faces", daemon=True)
            self._thread.start()

    def rest(self) -> None:
        """Wait until nothing is read any more, where only one thread at a time may."""
        thread = self._thread
        if thread is not None and not self._turn.shared:
            thread.join()

    def retire(self) -> None:
        """Read nothing more."""
        self._retired = True

    def end(self, timeout: float) -> None:
        """Wait until nothing is read any more, for the explorer ended."""
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)

    def _may_read(self) -> bool:
        return not self._retired and (self._turn.shared or not self._busy())

    def _missing(self) -> list[int]:
        return [f.image for f in self._wanted.values() if f.image not in self._pictures]

    def _run(self) -> None:
        while True:
            with self._lock:
                missing = self._missing()
                if not missing or not self._may_read():
                    self._thread = None
                    return
                images, normalization, turn = self._images, self._normalization, self._turn
            with turn:
                picture = _picture(missing[0], images, normalization)
            with self._lock:
                if images is not self._images:
                    continue
                while len(self._pictures) >= KEPT:
                    del self._pictures[next(iter(self._pictures))]
                self._pictures[missing[0]] = picture
                if not self._missing():
                    self._show_found()

    def _show_found(self) -> None:
        found = {
            str(number): {"src": self._pictures[face.image], "words": face.words}
            for number, face in self._wanted.items()
            if self._pictures.get(face.image)
        }
        self._show(self._filter, found)


def _picture(number: int, images: Images, normalization: Normalization | None) -> str:
    """Return an image for an ``<img>``; "" where it cannot be read, for the bars go without."""
    try:
        return png_uri(raw_pictures([number], images, normalization)[number], SIDE)
    except Exception:
        return ""
