"""Each piece of what is seen of a bank, made a step at a time and put where it is kept."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import AbstractContextManager
from typing import Any

from carviz.pictures import Exciting
from carviz.session.findings import Findings
from carviz.session.seeing.kept import SHEETS, Demand, Piece, Sight, nearest_first
from carviz.session.seeing.making import Maker

Steps = Generator[object, None, None]
"""Work that may be left, and gone on with, after every step."""
Came = Callable[[Sight, Iterable[int]], None]
"""Told of pictures that came, with the lock held: their sort, and the filters."""


class Pieces:
    """Makes pieces for one bank, and keeps them.

    Parameters
    ----------
    maker
        Makes them.
    demand
        What is looked at.
    findings
        Where they are kept; whoever reads or writes there holds `lock`, which none holds between
        two steps.
    came
        Told of pictures.
    """

    def __init__(
        self,
        maker: Maker,
        demand: Demand,
        findings: Findings,
        lock: AbstractContextManager[Any],
        came: Came,
    ) -> None:
        self._maker, self._demand, self._findings = maker, demand, findings
        self._lock, self._came = lock, came
        self._seen = findings.seen_of(demand.layer)

    def make(self, piece: Piece) -> Steps:
        """Make one piece: what `still_wanted` names."""
        name, number = piece
        match name:
            case "exciting":
                return self._make_exciting()
            case "weights":
                return self._make_weights([number])
            case "all weights":
                return self._make_weights(self._missing("weights"))
            case "sheet":
                return self._make_sheet(number)
            case "all patches":
                return self._make_patches(self._missing("patches"))
            case "synthesised":
                return self._make_synthesised([number])
            case "all synthesised":
                return self._make_synthesised(self._missing("synthesised"))
            case "siblings":
                return self._make_siblings()
            case "kinds":
                return self._make_kinds()
            case _:
                raise KeyError(name)

    def _missing(self, sort: Sight) -> list[int]:
        with self._lock:
            return self._seen.missing(sort, nearest_first(self._seen, self._demand))

    def _exciting(self) -> Exciting:
        with self._lock:
            assert self._seen.exciting is not None
            return self._seen.exciting

    def _make_exciting(self) -> Steps:
        found = yield from self._maker.exciting()
        with self._lock:
            self._seen.exciting = found

    def _make_weights(self, filters: list[int]) -> Steps:
        for number, picture, reading in self._maker.weights(filters, self._exciting()):
            with self._lock:
                self._seen.put("weights", number, picture)
                self._seen.readings[number] = reading
                self._came("weights", [number])
            yield None

    def _make_sheet(self, number: int) -> Steps:
        sheet = self._maker.sheet(number, self._exciting())
        with self._lock:
            while len(self._seen.sheets) >= SHEETS:
                del self._seen.sheets[next(iter(self._seen.sheets))]
            self._seen.sheets[number] = sheet
        yield None

    def _make_patches(self, filters: list[int]) -> Steps:
        for pictures in self._maker.best(filters, self._exciting()):
            with self._lock:
                for number, picture in pictures.items():
                    self._seen.put("patches", number, picture)
                self._came("patches", pictures)
            yield None

    def _make_synthesised(self, filters: list[int]) -> Steps:
        for pictures, finished in self._maker.synthesised(filters):
            with self._lock:
                # What is finished stays; a new climb for others starts from noise.
                new = {n: p for n, p in pictures.items() if n not in self._seen.finished}
                for number, picture in new.items():
                    self._seen.put("synthesised", number, picture)
                if finished:
                    self._seen.finished.update(new)
                self._came("synthesised", new)
            yield None

    def _make_siblings(self) -> Steps:
        found = yield from self._maker.siblings()
        with self._lock:
            self._seen.siblings = found

    def _make_kinds(self) -> Steps:
        with self._lock:
            readings = [self._seen.readings[number] for number in sorted(self._seen.readings)]
        found = yield from self._maker.kinds(readings, self._exciting())
        with self._lock:
            self._findings.kinds[self._demand.layer] = found
