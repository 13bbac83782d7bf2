"""Pictures of what a bank's filters see, made in a thread of their own and kept.

A job goes before them: they end within a step when one starts, and go on when it is over. What is
looked at goes before what is not, also in the midst of a long piece of work.
"""

from __future__ import annotations

import atexit
import dataclasses
import threading
import time
import traceback
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch

from carviz.explorer.cells import PATIENCE
from carviz.explorer.findings import Findings
from carviz.explorer.job import Cancelled, Throttle
from carviz.explorer.making import Maker
from carviz.explorer.seen import SHEETS, Demand, Piece, Seen, Sight, still_wanted
from carviz.explorer.subject import Subject

PAUSE = 0.3
"""Seconds between two messages to the browser."""
BREATH = 0.002
"""Seconds in which another thread can take its turn at reading the data."""


_ALL: weakref.WeakSet[Sights] = weakref.WeakSet()


@atexit.register
def _end_all() -> None:
    """End before the interpreter does: it would cut threads off in the midst of a computation."""
    for sights in list(_ALL):
        sights.retire()
        sights.rest(PATIENCE)


@dataclasses.dataclass(frozen=True)
class Told:
    """Who is told of news; each is called with the explorer's lock held.

    Parameters
    ----------
    pictures
        Of pictures in the gallery that came: their sort, and the filters.
    large
        That the large picture, or the siblings, came or became better.
    kinds
        That the bank's filters are told apart.
    failed
        What failed, in words, and the traceback.
    """

    pictures: Callable[[Sight, list[int]], None]
    large: Callable[[], None]
    kinds: Callable[[], None]
    failed: Callable[[str, str], None]


class Sights:
    """Makes what is wanted, piece by piece. Whoever calls holds the lock, but for `rest`.

    Parameters
    ----------
    lock
        The explorer's.
    busy
        Tells whether a job runs.
    turn
        Held by whoever reads data that one thread at a time may read.
    told
        Who is told of news.
    """

    def __init__(
        self, lock: threading.RLock, busy: Callable[[], bool], turn: threading.Lock, told: Told
    ) -> None:
        self._lock, self._busy, self._turn, self._told = lock, busy, turn, told
        self._thread: threading.Thread | None = None
        self._demand: Demand | None = None
        self._retired = False
        self._fresh: dict[Sight, list[int]] = {}
        self._due = Throttle(PAUSE)
        _ALL.add(self)

    def begin(self, subject: Subject, findings: Findings, together: bool) -> None:
        """Go over to another subject; `together` if several threads may read its data."""
        self._subject, self._findings, self._together = subject, findings, together
        self._demand, self._layer = None, ""

    def want(self, demand: Demand, device: str) -> None:
        """Make what is missing of this, unless a job runs."""
        self._demand, self._device = demand, device
        self.go_on()

    def look(self, layer: str) -> None:
        """Turn to a bank; coming anew, try again what failed there."""
        if layer == self._layer:
            return
        self._layer, self._demand, self._fresh = layer, None, {}
        self.seen.failed.clear()
        self.seen.kinds = self._findings.kinds.get(layer)

    @property
    def seen(self) -> Seen:
        """What is kept of the bank that is looked at."""
        return self._findings.seen_of(self._layer)

    def wanted(self) -> list[Piece]:
        """Return what is to be made now."""
        if self._demand is None or self._retired or self._busy():
            return []
        return still_wanted(self.seen, self._demand)

    def go_on(self) -> None:
        """Make what is missing, unless a job runs."""
        if self._thread is None and self.wanted():
            self._thread = threading.Thread(target=self._run, name="carviz-sights", daemon=True)
            self._thread.start()

    def rest(self, timeout: float | None = None) -> None:
        """Wait until nothing is made any more, for a job begins or the explorer ended."""
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)

    def retire(self) -> None:
        """End for good."""
        self._retired = True

    # -- in the thread

    def _run(self) -> None:
        while True:
            with self._lock:
                wanted = self.wanted()
                if not wanted:
                    self._thread = None
                    return
                work = self._work(wanted[0])
            work.run()

    def _work(self, piece: Piece) -> _Work:
        assert self._demand is not None
        maker = Maker(self._subject, self._device, self._demand.layer)
        return _Work(self, piece, self._demand.layer, self.seen, maker)

    def note(self, sort: Sight, numbers: Iterable[int], large: bool) -> None:
        """Take note of pictures that came, and tell of all new ones once in a while."""
        self._fresh.setdefault(sort, []).extend(numbers)
        if self._due.due():
            self.tell()
        elif large:
            self._told.large()

    def tell(self) -> None:
        """Tell of all pictures that came since the last time."""
        fresh, self._fresh = self._fresh, {}
        for sort, numbers in fresh.items():
            self._told.pictures(sort, list(dict.fromkeys(numbers)))
        self._told.large()


class _Work:
    """One piece that is being made; of the lock and the rest of `Sights` it knows."""

    def __init__(self, sights: Sights, piece: Piece, layer: str, seen: Seen, maker: Maker) -> None:
        self._sights, self._piece, self._layer = sights, piece, layer
        self._seen, self._maker = seen, maker

    def run(self) -> None:
        """Make it; what fails is told, and not tried again before the bank is chosen anew."""
        name, number = self._piece
        sights = self._sights
        reads = not sights._together
        if reads:
            sights._turn.acquire()
        try:
            with torch.inference_mode(False):
                getattr(self, "_make_" + name.replace("all ", "all_"))(number)
        except Cancelled:
            pass
        except Exception as error:
            self._fail(error)
        finally:
            if reads:
                sights._turn.release()
        with sights._lock:
            if self._here():
                sights.tell()

    def _fail(self, error: Exception) -> None:
        sights = self._sights
        story = "".join(traceback.format_exception(error))
        # The frames hold feature maps; the words alone are kept.
        traceback.clear_frames(error.__traceback__)
        words = f"{type(error).__name__}: {error}"
        with sights._lock:
            self._seen.failed[self._piece] = words
            if self._here():
                sights._told.failed(words, story)

    def _here(self) -> bool:
        """Whether the bank is still looked at."""
        sights = self._sights
        here = sights._demand is not None and sights._demand.layer == self._layer
        return here and not sights._retired and sights.seen is self._seen

    def _step(self, _share: float = 0.0) -> None:
        """Give way: to a job, to other readers, and to what is more urgent."""
        sights = self._sights
        if not sights._together:
            sights._turn.release()
            time.sleep(BREATH)
            sights._turn.acquire()
        while True:
            with sights._lock:
                wanted = sights.wanted() if self._here() else []
                if self._piece not in wanted:
                    raise Cancelled
                if wanted[0] == self._piece:
                    return
                urgent = sights._work(wanted[0])
            if not sights._together:
                sights._turn.release()
            try:
                urgent.run()
            finally:
                if not sights._together:
                    sights._turn.acquire()

    def _steps(self, found: Iterator[Any]) -> Iterator[Any]:
        """Yield what an iterator gives, with a step after each; it is closed when this ends."""
        try:
            for one in found:
                yield one
                self._step()
        finally:
            close = getattr(found, "close", None)
            if close is not None:
                close()

    def _exciting(self) -> Any:
        with self._sights._lock:
            assert self._seen.exciting is not None
            return self._seen.exciting

    def _missing(self, sort: Sight) -> list[int]:
        """Return the filters whose picture is missing, those first that are looked at."""
        with self._sights._lock:
            demand = self._sights._demand
            assert demand is not None
            near = [n for n, _ in self._seen.nearest(demand.filter)] if demand.siblings else []
            first = dict.fromkeys([demand.filter, *near, *demand.order])
            return self._seen.missing(sort, tuple(first))

    def _make_exciting(self, _number: int) -> None:
        found = self._maker.exciting(self._step)
        with self._sights._lock:
            self._seen.exciting = found

    def _make_weights(self, number: int) -> None:
        self._take_weights(self._maker.weights([number], self._exciting()))

    def _make_all_weights(self, _number: int) -> None:
        filters = self._missing("weights")
        self._take_weights(self._steps(self._maker.weights(filters, self._exciting())))

    def _take_weights(self, found: Iterator[Any]) -> None:
        for number, picture in found:
            with self._sights._lock:
                self._seen.weights[number] = picture
                if self._here():
                    self._sights.note("weights", [number], False)

    def _make_sheet(self, number: int) -> None:
        sheet = self._maker.sheet(number, self._exciting())
        with self._sights._lock:
            while len(self._seen.sheets) >= SHEETS:
                del self._seen.sheets[next(iter(self._seen.sheets))]
            self._seen.sheets[number] = sheet

    def _make_all_patches(self, _number: int) -> None:
        found = self._maker.best(self._missing("patches"), self._exciting())
        for pictures in self._steps(found):
            with self._sights._lock:
                self._seen.best.update(pictures)
                if self._here():
                    self._sights.note("patches", pictures, False)

    def _make_synthesised(self, number: int) -> None:
        self._take_synthesised([number])

    def _make_all_synthesised(self, _number: int) -> None:
        self._take_synthesised(self._missing("synthesised"))

    def _take_synthesised(self, filters: list[int]) -> None:
        def looks() -> Iterator[Any]:
            for pictures, finished in self._maker.synthesised(filters):
                with self._sights._lock:
                    # What is finished stays; a new climb for others starts from noise.
                    new = {n: p for n, p in pictures.items() if n not in self._seen.finished}
                    self._seen.synthesised.update(new)
                    if finished:
                        self._seen.finished.update(new)
                    if self._here():
                        self._sights.note("synthesised", new, True)
                yield pictures

        for _ in self._steps(looks()):
            pass

    def _make_siblings(self, _number: int) -> None:
        found = self._maker.siblings(self._step)
        with self._sights._lock:
            self._seen.siblings = found

    def _make_kinds(self, _number: int) -> None:
        found = self._maker.kinds(self._exciting(), self._step)
        with self._sights._lock:
            self._seen.kinds = found
            if self._here():
                self._sights._told.kinds()
