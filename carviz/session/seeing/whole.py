"""All pictures of one bank, made one after the other: for a file that nobody looks at meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from carviz.evaluate import inference_mode
from carviz.session.bank_tables import car_of
from carviz.session.seeing.kept import SHEETS, Demand, Piece, Sight
from carviz.session.seeing.making import Maker
from carviz.session.seeing.pieces import Pieces, Steps
from carviz.session.state import State

Do = Callable[[Callable[[], bool]], bool]
"""Has a step done by the thread that reads the data."""


def make_whole(state: State, sights: Sequence[Sight], siblings: bool, do: Do) -> Iterator[float]:
    """Make all pictures of some sorts of the bank that is shown; yield the share that is done.

    What fails is noted down where the screen says why there is no picture. Of a bank of more than
    `SHEETS` filters those of the highest CAR get all their patches.
    """
    with state.lock:
        layer, seen = state.layer, state.seen
        deep = state.pictures is None and state.reads_rgb
        car = np.nan_to_num(car_of(state.tables(), state.bank.filters), nan=-np.inf)
        order = tuple(int(filter) for filter in np.argsort(-car, kind="stable"))
        told = layer in state.findings.kinds
        demand = Demand(layer, order[0], deep=deep, order=order)
        pieces = Pieces(
            Maker(state.subject, state.device, layer), demand, state.findings, state.lock,
            lambda _sight, _filters: None,
        )  # fmt: skip
    wanted: list[Piece] = []
    if "weights" in sights and deep:
        wanted += [("all weights", -1)] + ([] if told else [("kinds", -1)])
    if "patches" in sights:
        wanted += [("all patches", -1), *(("sheet", filter) for filter in order[:SHEETS])]
    if wanted and seen.exciting is None:
        wanted.insert(0, ("exciting", -1))
    if "synthesised" in sights:
        wanted.append(("all synthesised", -1))
    if siblings and seen.siblings is None:
        wanted.append(("siblings", -1))
    for place, piece in enumerate(wanted):
        yield place / len(wanted)
        if piece[0] == "sheet" and piece[1] in seen.sheets:
            continue
        try:
            steps = pieces.make(piece)
            while not do(lambda steps=steps: _step(steps)):  # type: ignore[misc]
                yield place / len(wanted)
        except Exception as error:
            with state.lock:
                seen.failed[piece] = f"{type(error).__name__}: {error}"
            if piece[0] == "exciting":
                return  # all others stand on it
    yield 1.0


def _step(steps: Steps) -> bool:
    """Do one step; return whether it was the last."""
    with inference_mode(False):
        return next(steps, steps) is steps
