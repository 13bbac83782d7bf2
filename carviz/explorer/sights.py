"""Pictures of what a bank's filters see, made in a thread of their own and kept.

A job goes before them: they end within a step when one starts, and go on when it is over. What is
looked at goes before what is not, also in the midst of a long piece of work.
"""

from __future__ import annotations

import atexit
import dataclasses
import threading
import traceback
import weakref
from collections.abc import Callable, Iterable

from carviz.evaluate import inference_mode
from carviz.explorer.cells import PATIENCE
from carviz.explorer.findings import Findings
from carviz.explorer.job import Cancelled, Throttle
from carviz.explorer.making import Maker
from carviz.explorer.pieces import News, Pieces
from carviz.explorer.seen import Demand, Piece, Seen, Sight, is_looked_at, still_wanted
from carviz.explorer.subject import Subject
from carviz.explorer.turn import Turn

PAUSE = 0.3
"""Seconds between two messages to the browser."""

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
    told
        Who is told of news.
    """

    def __init__(self, lock: threading.RLock, busy: Callable[[], bool], told: Told) -> None:
        self._lock, self._busy, self._told = lock, busy, told
        self._thread: threading.Thread | None = None
        self._demand: Demand | None = None
        self._retired = False
        self._fresh: dict[Sight, list[int]] = {}
        self._due = Throttle(PAUSE)
        _ALL.add(self)

    def begin(self, subject: Subject, findings: Findings, turn: Turn) -> None:
        """Go over to another subject, whose data is read in turn."""
        self._subject, self._findings, self._turn = subject, findings, turn
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

    @property
    def seen(self) -> Seen:
        """What is kept of the bank that is looked at."""
        return self._findings.seen_of(self._layer)

    def wanted(self) -> list[Piece]:
        """Return what is to be made now."""
        if self._demand is None or self._retired or self._busy():
            return []
        return still_wanted(self.seen, self._demand, self._layer in self._findings.kinds)

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
        return _Work(self, piece, maker, self._demand, self._findings)

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

    def __init__(
        self, sights: Sights, piece: Piece, maker: Maker, demand: Demand, findings: Findings
    ) -> None:
        self._sights, self._piece, self._turn = sights, piece, sights._turn
        self._seen = findings.seen_of(demand.layer)
        news = News(self._step, self._pictures, self._kinds)
        self._pieces = Pieces(maker, demand, findings, sights._lock, news)

    def run(self) -> None:
        """Make it; what fails is told, and not tried again before the bank is chosen anew."""
        sights = self._sights
        try:
            with self._turn, inference_mode(False):
                self._pieces.make(self._piece)
        except Cancelled:
            pass
        except Exception as error:
            self._fail(error)
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
            # What nobody looks at fails silently, until somebody does.
            demand = sights._demand
            asked = demand is not None and is_looked_at(self._piece, self._seen, demand)
            self._seen.failed[self._piece] = words
            if asked and self._here():
                sights._told.failed(words, story)

    def _here(self) -> bool:
        """Whether the bank is still looked at."""
        sights = self._sights
        return sights._demand is not None and not sights._retired and sights.seen is self._seen

    def _step(self, _share: float) -> None:
        """Give way: to a job, to other readers, and to what is more urgent."""
        self._turn.pass_on()
        while (urgent := self._more_urgent()) is not None:
            with self._turn.aside():
                urgent.run()

    def _more_urgent(self) -> _Work | None:
        """Return what goes before this; `Cancelled` if this is not wanted any more."""
        sights = self._sights
        with sights._lock:
            wanted = sights.wanted() if self._here() else []
            if self._piece not in wanted:
                raise Cancelled
            return None if wanted[0] == self._piece else sights._work(wanted[0])

    def _pictures(self, sort: Sight, numbers: Iterable[int], large: bool) -> None:
        if self._here():
            self._sights.note(sort, numbers, large)

    def _kinds(self) -> None:
        if self._here():
            self._sights._told.kinds()
