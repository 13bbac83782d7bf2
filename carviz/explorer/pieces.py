"""Each piece of what is seen of a bank is put where it is kept, and told of, as it comes."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import TypeVar

from carviz.explorer.findings import Findings
from carviz.explorer.making import Maker
from carviz.explorer.seen import SHEETS, Demand, Piece, Sight, nearest_first
from carviz.pictures import Exciting

One = TypeVar("One")


@dataclasses.dataclass(frozen=True)
class News:
    """Who is told while a piece is made.

    Parameters
    ----------
    step
        That a step is done; it may end the work by an exception. Called without the lock.
    pictures
        Of pictures that came: their sort, the filters, and whether one more look at the large
        picture is due. Called with the lock held, as is `kinds`.
    kinds
        That the filters are told apart.
    """

    step: Callable[[float], None]
    pictures: Callable[[Sight, Iterable[int], bool], None]
    kinds: Callable[[], None]


class Pieces:
    """Has pieces made for one bank, and keeps them.

    Parameters
    ----------
    maker
        Makes them.
    demand
        What is looked at.
    findings
        Where they are kept; whoever reads or writes there holds `lock`.
    news
        Who is told.
    """

    def __init__(
        self, maker: Maker, demand: Demand, findings: Findings, lock: threading.RLock, news: News
    ) -> None:
        self._maker, self._demand, self._findings = maker, demand, findings
        self._lock, self._news = lock, news
        self._seen = findings.seen_of(demand.layer)

    def make(self, piece: Piece) -> None:
        """Make one piece: what `still_wanted` names."""
        name, number = piece
        match name:
            case "exciting":
                self._make_exciting()
            case "weights":
                self._make_weights([number])
            case "all weights":
                self._make_weights(self._missing("weights"))
            case "sheet":
                self._make_sheet(number)
            case "all patches":
                self._make_patches(self._missing("patches"))
            case "synthesised":
                self._make_synthesised([number])
            case "all synthesised":
                self._make_synthesised(self._missing("synthesised"))
            case "siblings":
                self._make_siblings()
            case "kinds":
                self._make_kinds()
            case _:
                raise KeyError(name)

    def _missing(self, sort: Sight) -> list[int]:
        with self._lock:
            return self._seen.missing(sort, nearest_first(self._seen, self._demand))

    def _exciting(self) -> Exciting:
        with self._lock:
            assert self._seen.exciting is not None
            return self._seen.exciting

    def _steps(self, found: Generator[One, None, None]) -> Iterator[One]:
        """Yield what comes, with a step after each; what makes it is closed when this ends."""
        with contextlib.closing(found):
            for one in found:
                yield one
                self._news.step(0.0)

    def _make_exciting(self) -> None:
        found = self._maker.exciting(self._news.step)
        with self._lock:
            self._seen.exciting = found

    def _make_weights(self, filters: list[int]) -> None:
        for number, picture, reading in self._steps(self._maker.weights(filters, self._exciting())):
            with self._lock:
                self._seen.weights[number], self._seen.readings[number] = picture, reading
                self._news.pictures("weights", [number], False)

    def _make_sheet(self, number: int) -> None:
        sheet = self._maker.sheet(number, self._exciting())
        with self._lock:
            while len(self._seen.sheets) >= SHEETS:
                del self._seen.sheets[next(iter(self._seen.sheets))]
            self._seen.sheets[number] = sheet

    def _make_patches(self, filters: list[int]) -> None:
        for pictures in self._steps(self._maker.best(filters, self._exciting())):
            with self._lock:
                self._seen.best.update(pictures)
                self._news.pictures("patches", pictures, False)

    def _make_synthesised(self, filters: list[int]) -> None:
        for pictures, finished in self._steps(self._maker.synthesised(filters)):
            with self._lock:
                # What is finished stays; a new climb for others starts from noise.
                new = {n: p for n, p in pictures.items() if n not in self._seen.finished}
                self._seen.synthesised.update(new)
                if finished:
                    self._seen.finished.update(new)
                self._news.pictures("synthesised", new, True)

    def _make_siblings(self) -> None:
        found = self._maker.siblings(self._news.step)
        with self._lock:
            self._seen.siblings = found

    def _make_kinds(self) -> None:
        with self._lock:
            readings = [self._seen.readings[number] for number in sorted(self._seen.readings)]
        found = self._maker.kinds(readings, self._exciting(), self._news.step)
        with self._lock:
            self._findings.kinds[self._demand.layer] = found
            self._news.kinds()
