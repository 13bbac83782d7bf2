"""Chunks on other processes or machines: any `concurrent.futures.Executor`.

The plans of a measurement, one a bank, hold the network's weights, so they are not sent with every
chunk: a worker keeps the plans of the last measurement, all packed together, since they share most
weights, and says so when it has none yet (it is new, or others took their place).
"""

from __future__ import annotations

import itertools
import pickle
import threading
import uuid
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, wait
from typing import Any

import numpy as np
import torch

from carviz.ablation.cards import card_of_worker, put_on
from carviz.ablation.facts import Chunk, Facts
from carviz.ablation.run import Work
from carviz.banks import TRACING, patches_undone
from carviz.interrupts import uninterrupted

WAITING = 2
"""Chunks that wait at each worker, so that none is idle and few are in memory."""

Works = tuple[Work, ...]
"""What is done with a chunk for each of the banks that are measured together."""

_kept: dict[str, Works] = {}
"""In a worker: the plans that it was sent last."""
_on_cards: dict[tuple[str, torch.device], Works] = {}
"""The same on other cards than that which they came for."""
_moving = threading.Lock()


class Parcel:
    """The plans of a measurement on their way to a worker.

    They are opened there and nowhere else, Dask's scheduler for instance: to unpickle a graph is to
    trace it again, which other threads must be kept out of. They are packed once for all workers,
    when the first process asks for them; threads take them as they are.
    """

    def __init__(self, works: Works) -> None:
        self._works: Works | None = works
        self._packed: bytes | None = None
        self._lock = threading.Lock()

    def __getstate__(self) -> bytes:
        """Pack the plans; what a notebook defines travels too, where cloudpickle is installed."""
        with self._lock:
            if self._packed is None:
                try:
                    from cloudpickle import dumps
                except ImportError:
                    from pickle import dumps
                self._packed = bytes(dumps(self._works))
            return self._packed

    def __setstate__(self, packed: bytes) -> None:
        """Take the plans as they were packed."""
        self._works, self._packed, self._lock = None, packed, threading.Lock()

    def open(self) -> Works:
        """Return the plans; what they came packed in is let go."""
        with self._lock:
            if self._works is None:
                assert self._packed is not None
                with TRACING, uninterrupted(patches_undone):
                    works = pickle.loads(self._packed)
                assert isinstance(works, tuple)
                self._works, self._packed = works, None
            return self._works


def run_kept(name: str, parcel: Parcel | None, chunk: Chunk) -> Facts | None:
    """Run a chunk in a worker by a plan that it keeps; None when the plans must be sent first."""
    works = _kept.get(name) if parcel is None else parcel.open()
    if works is None:
        return None
    if name not in _kept:
        _kept.clear()
        _on_cards.clear()
        _kept[name] = works
    return _on_own_card(name, works)[chunk.bank].run(chunk)


def _on_own_card(name: str, works: Works) -> Works:
    """Return the plans where this worker runs them: where there are several GPUs, on its own."""
    if works[0].device.type != "cuda" or (card := card_of_worker()) is None:
        return works
    if card.index == (works[0].device.index or 0):
        return works
    with _moving:
        if (name, card) not in _on_cards:
            _on_cards[name, card] = put_on(works, card)
        return _on_cards[name, card]


def run_elsewhere(
    works: Sequence[Work], chunks: Iterator[Chunk], executor: Executor
) -> Iterator[tuple[Chunk, Facts]]:
    """Yield each chunk with its facts, as workers finish them; `works` has the work of each bank.

    Whatever comes of a chunk elsewhere but its facts (its worker was lost, the pool is broken or
    took nothing, the chunk was cancelled, an answer has another form than facts have), it is run in
    this process. What is wrong with the data or the network (a ValueError) is raised from there.
    """
    pool = _Pool(tuple(works), executor)
    try:
        for chunk in chunks:
            if not pool.take(chunk):
                yield chunk, works[chunk.bank].run(chunk)
            elif pool.full:
                yield from pool.finished()
        while pool.running:
            yield from pool.finished()
    finally:
        pool.close()


class _Pool:
    """Chunks that are with the workers."""

    def __init__(self, works: Works, executor: Executor) -> None:
        self.running: dict[Future[Facts | None], tuple[Chunk, bool]] = {}
        self._works, self._executor = works, executor
        self._parcel = Parcel(works)
        self._name = uuid.uuid4().hex
        self._workers = _workers(executor)
        self._sent = itertools.count()
        self._broken = False

    @property
    def full(self) -> bool:
        """Whether enough chunks wait at the workers."""
        return len(self.running) >= WAITING * self._workers

    def take(self, chunk: Chunk, *, with_plan: bool = False) -> bool:
        """Hand a chunk to the workers; False when they take nothing more."""
        with_plan = with_plan or next(self._sent) < self._workers
        if not self._broken:
            try:
                parcel = self._parcel if with_plan else None
                future = self._executor.submit(run_kept, self._name, parcel, chunk)
                if not isinstance(future, Future):
                    raise TypeError(f"submit gave a {type(future).__name__}, and no Future")
                self.running[future] = chunk, with_plan
            except Exception as error:  # a broken or closed pool, or no process more can be started
                self._broken = True
                _tell(error)
        return not self._broken

    def finished(self) -> Iterator[tuple[Chunk, Facts]]:
        """Wait until a chunk at least comes back; yield what is done."""
        for future in wait(self.running, return_when=FIRST_COMPLETED).done:
            chunk, with_plan = self.running.pop(future)
            error = _error(future)
            answer = future.result() if error is None else None
            work = self._works[chunk.bank]
            if error is None and answer is None and not with_plan:
                if self.take(chunk, with_plan=True):
                    continue
            elif error is None and (error := _nonsense(answer, chunk, work)) is None:
                assert answer is not None
                yield chunk, answer
                continue
            yield chunk, self._here(chunk, error)

    def _here(self, chunk: Chunk, error: BaseException | None) -> Facts:
        """Run a chunk in this process; tell of the worker that failed, and not of the data."""
        facts = self._works[chunk.bank].run(chunk)
        if error is not None:
            _tell(error)
        return facts

    def close(self) -> None:
        """Call off what still runs; in this process, forget the plans."""
        for future in self.running:
            future.cancel()
        _kept.pop(self._name, None)
        with _moving:
            for key in [key for key in _on_cards if key[0] == self._name]:
                del _on_cards[key]


def _error(future: Future[Facts | None]) -> BaseException | None:
    try:
        return future.exception()
    except CancelledError as error:  # somebody else called it off
        return error


def _nonsense(facts: Any, chunk: Chunk, work: Work) -> TypeError | None:
    """Return what is wrong with an answer that cannot be the chunk's facts; None if nothing is.

    Its form is looked at, and whether it is of these images. A wrong number of the right form is
    what the measurement's own check of a few facts is for (`carviz.ablation.auditing`).
    """
    if not isinstance(facts, work.kind):
        return TypeError(f"it gave a {type(facts).__name__}, and no facts")
    for name, shape in work.shapes(chunk).items():
        array = getattr(facts, name, None)
        kind = np.floating if name in work.reading.floats else np.integer
        if not isinstance(array, np.ndarray) or not np.issubdtype(array.dtype, kind):
            found = array.dtype if isinstance(array, np.ndarray) else type(array).__name__
            return TypeError(f"its {name} are {found}")
        if array.shape != shape:
            return TypeError(f"its {name} have shape {array.shape}, and not {shape}")
    if not np.array_equal(facts.targets, work.reading.kept(chunk.targets)):
        return TypeError("its targets are other images'")
    if words := work.reading.nonsense(facts, work.plan.classes):
        return TypeError(words)
    drop = getattr(facts, "drop", np.zeros(0))
    if np.isinf(drop).any() or (np.isnan(drop).any() and not work.leaves_out_log_p):
        return TypeError("its falls of log p are not finite")
    return None


def _workers(executor: Executor) -> int:
    count = getattr(executor, "_max_workers", None)
    return count if isinstance(count, int) and count > 0 else 4


def _tell(error: BaseException) -> None:
    warnings.warn(
        f"carviz: a worker failed ({type(error).__name__}: {error}); its images are measured in "
        "this process.",
        stacklevel=3,
    )
