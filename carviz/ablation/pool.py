"""Chunks on other processes or machines: any `concurrent.futures.Executor`."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait

from carviz.ablation.run import Chunk, Facts, Work

WAITING = 2
"""Chunks that wait at each worker, so that none is idle and few are in memory."""


def run_elsewhere(
    work: Work, chunks: Iterator[Chunk], executor: Executor
) -> Iterator[tuple[Chunk, Facts]]:
    """Yield each chunk with its facts, as workers finish them.

    A chunk that fails elsewhere, because its worker was lost or the pool is broken, is run in
    this process. What is wrong with the data or the network (a ValueError) is raised.
    """
    running: dict[Future[Facts], Chunk] = {}
    most = WAITING * _workers(executor)
    broken = False
    try:
        for chunk in chunks:
            if not broken:
                try:
                    running[executor.submit(work.run, chunk)] = chunk
                except RuntimeError as error:  # a broken or closed pool takes nothing more
                    broken = True
                    _tell(error)
            if broken:
                yield chunk, work.run(chunk)
            elif len(running) >= most:
                yield from _finished(work, running)
        while running:
            yield from _finished(work, running)
    finally:
        for future in running:
            future.cancel()


def _finished(work: Work, running: dict[Future[Facts], Chunk]) -> Iterator[tuple[Chunk, Facts]]:
    """Wait until a chunk at least is finished; take the finished ones out of `running`."""
    for future in wait(running, return_when=FIRST_COMPLETED).done:
        chunk = running.pop(future)
        error = future.exception()
        if isinstance(error, ValueError):
            raise error
        if error is not None:
            _tell(error)
        yield chunk, future.result() if error is None else work.run(chunk)


def _workers(executor: Executor) -> int:
    count = getattr(executor, "_max_workers", None)
    return count if isinstance(count, int) and count > 0 else 4


def _tell(error: BaseException) -> None:
    warnings.warn(
        f"carviz: a worker failed ({type(error).__name__}: {error}); its images are measured in "
        "this process.",
        stacklevel=3,
    )
