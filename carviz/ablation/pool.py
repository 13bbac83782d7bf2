"""Chunks on other processes or machines: any `concurrent.futures.Executor`.

The plan holds the network's weights, so it is not sent with every chunk: a worker keeps the last
plan that it was sent, and says so when it has none yet (it is new, or another took its place).
"""

from __future__ import annotations

import itertools
import pickle
import threading
import uuid
import warnings
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, wait
from typing import Any

import numpy as np

from carviz.ablation.run import Chunk, Facts, Work
from carviz.banks import TRACING, patches_undone
from carviz.interrupts import uninterrupted

WAITING = 2
"""Chunks that wait at each worker, so that none is idle and few are in memory."""

_kept: dict[str, Work] = {}
"""In a worker: the plan that it was sent last."""


class Parcel:
    """A plan on its way to a worker.

    It is opened there and nowhere else, Dask's scheduler for instance: to unpickle a graph is to
    trace it again, which other threads must be kept out of. It is packed once for all workers,
    when the first process asks for it; threads take it as it is.
    """

    def __init__(self, work: Work) -> None:
        self._work: Work | None = work
        self._packed: bytes | None = None
        self._lock = threading.Lock()

    def __getstate__(self) -> bytes:
        """Pack the plan; what a notebook defines travels too, where cloudpickle is installed."""
        with self._lock:
            if self._packed is None:
                try:
                    from cloudpickle import dumps
                except ImportError:
                    from pickle import dumps
                self._packed = bytes(dumps(self._work))
            return self._packed

    def __setstate__(self, packed: bytes) -> None:
        """Take the plan as it was packed."""
        self._work, self._packed, self._lock = None, packed, threading.Lock()

    def open(self) -> Work:
        """Return the plan; what it came packed in is let go."""
        with self._lock:
            if self._work is None:
                assert self._packed is not None
                with TRACING, uninterrupted(patches_undone):
                    work = pickle.loads(self._packed)
                assert isinstance(work, Work)
                self._work, self._packed = work, None
            return self._work


def run_kept(name: str, parcel: Parcel | None, chunk: Chunk) -> Facts | None:
    """Run a chunk in a worker by the plan that it keeps; None when the plan must be sent first."""
    work = _kept.get(name) if parcel is None else parcel.open()
    if work is None:
        return None
    if name not in _kept:
        _kept.clear()
        _kept[name] = work
    return work.run(chunk)


def run_elsewhere(
    work: Work, chunks: Iterator[Chunk], executor: Executor
) -> Iterator[tuple[Chunk, Facts]]:
    """Yield each chunk with its facts, as workers finish them.

    Whatever comes of a chunk elsewhere but its facts (its worker was lost, the pool is broken or
    took nothing, the chunk was cancelled, an answer has another form than facts have), it is run in
    this process. What is wrong with the data or the network (a ValueError) is raised from there.
    """
    pool = _Pool(work, executor)
    try:
        for chunk in chunks:
            if not pool.take(chunk):
                yield chunk, work.run(chunk)
            elif pool.full:
                yield from pool.finished()
        while pool.running:
            yield from pool.finished()
    finally:
        pool.close()


class _Pool:
    """Chunks that are with the workers."""

    def __init__(self, work: Work, executor: Executor) -> None:
        self.running: dict[Future[Facts | None], tuple[Chunk, bool]] = {}
        self._work, self._executor = work, executor
        self._parcel = Parcel(work)
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
            if error is None and answer is None and not with_plan:
                if self.take(chunk, with_plan=True):
                    continue
            elif error is None and (error := _nonsense(answer, chunk, self._work)) is None:
                assert answer is not None
                yield chunk, answer
                continue
            yield chunk, self._here(chunk, error)

    def _here(self, chunk: Chunk, error: BaseException | None) -> Facts:
        """Run a chunk in this process; tell of the worker that failed, and not of the data."""
        facts = self._work.run(chunk)
        if error is not None:
            _tell(error)
        return facts

    def close(self) -> None:
        """Call off what still runs; in this process, forget the plan."""
        for future in self.running:
            future.cancel()
        _kept.pop(self._name, None)


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
    if not isinstance(facts, Facts):
        return TypeError(f"it gave a {type(facts).__name__}, and no facts")
    m, filters = len(chunk.numbers), len(work.filters)
    shapes = {
        "targets": (m,), "baseline": (m,), "predictions": (filters, m), "drop": (filters, m),
    }  # fmt: skip
    for name, shape in shapes.items():
        array = getattr(facts, name, None)
        kind = np.floating if name == "drop" else np.integer
        if not isinstance(array, np.ndarray) or not np.issubdtype(array.dtype, kind):
            found = array.dtype if isinstance(array, np.ndarray) else type(array).__name__
            return TypeError(f"its {name} are {found}")
        if array.shape != shape:
            return TypeError(f"its {name} have shape {array.shape}, and not {shape}")
    if not np.array_equal(facts.targets, chunk.targets.numpy()):
        return TypeError("its targets are other images'")
    for name in ("baseline", "predictions"):
        classes = getattr(facts, name)
        if classes.min(initial=0) < 0 or classes.max(initial=0) >= work.plan.classes:
            return TypeError(f"its {name} are no classes of the network")
    if not np.isfinite(facts.drop).all():
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
