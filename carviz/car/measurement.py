"""A measurement that is ready to run, chunk by chunk, here or elsewhere."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from carviz.ablation import (
    Checkpoint,
    Chunk,
    Facts,
    GraphPlan,
    HookPlan,
    Needs,
    Run,
    Work,
    run_elsewhere,
)
from carviz.banks import Network
from carviz.car.gathering import Gathered
from carviz.evaluate import Images, check_labels, placement
from carviz.results import CarTable

FIRST_CHUNK = 32
"""Images of the first chunk: small, so that every filter has an estimate soon."""
LARGEST_CHUNK = 256
SEED = 0
"""Of the order in which images are visited."""


@dataclasses.dataclass(eq=False)
class Measurement:
    """A measurement that is ready to run, in any thread."""

    network: Network
    plan: GraphPlan | HookPlan
    layer: str
    filters: list[int]
    images: Images
    order: NDArray[np.int64]
    classes: tuple[str, ...]
    run: Run
    needs: Needs
    passport: dict[str, Any]

    def tables(self, progress: Callable[[float], None] | None = None) -> Iterator[CarTable]:
        """Yield ever fuller tables; see `iter_car`."""
        chunks, total = self._chunks(), len(self.images)
        done = Gathered(self.layer, self.filters, self.classes, total, self.passport)
        checkpoint = self._checkpoint()
        kept = [] if checkpoint is None else [checkpoint.load(p) for p in range(len(chunks))]
        for place, facts in enumerate(kept):
            if facts is not None:
                done.add(place, chunks[place], facts)
        if done.seen:
            yield done.table()
        missing = [p for p in range(len(chunks)) if not kept or kept[p] is None]
        for chunk, facts in self._measured(chunks, missing, done, progress):
            if checkpoint is not None:
                checkpoint.save(chunk.place, facts)
            done.add(chunk.place, chunk.numbers, facts)
            if progress is not None:
                progress(done.seen / total)
            yield done.table()

    def _chunks(self) -> list[list[int]]:
        """Cut the order into chunks that double until they are large; settings alone decide."""
        numbers, chunks, size = self.order.tolist(), [], FIRST_CHUNK
        while numbers:
            chunks.append(numbers[:size])
            numbers, size = numbers[size:], min(2 * size, LARGEST_CHUNK)
        return chunks

    def _checkpoint(self) -> Checkpoint[Facts] | None:
        if self.run.checkpoint is None:
            return None
        decides = {k: v for k, v in self.passport.items() if k not in ("versions", "remark")}
        chunks = [FIRST_CHUNK, LARGEST_CHUNK]
        identity = {"filters": self.filters, "classes": self.classes, "chunks": chunks, **decides}
        return Checkpoint(Path(self.run.checkpoint), self.layer, identity, Facts)

    def _read(self, chunks: list[list[int]], places: list[int]) -> Iterator[Chunk]:
        read = self.images.batches([chunks[place] for place in places])
        for place, (images, targets) in zip(places, read, strict=True):
            check_labels(targets, len(self.classes), chunks[place])
            yield Chunk(place, chunks[place], images, targets)

    def _measured(
        self, chunks: list[list[int]], places: list[int], done: Gathered,
        progress: Callable[[float], None] | None,
    ) -> Iterator[tuple[Chunk, Facts]]:  # fmt: skip
        work = self._work()
        reading = self._read(chunks, places)
        if self.run.executor is not None:
            yield from run_elsewhere(work, reading, self.run.executor)
            return
        for chunk in reading:
            facts = work.run(chunk, self._tick(done, chunk, progress))
            if self.run.precision != "float32" and "changed_by_precision" not in self.passport:
                exact = dataclasses.replace(work, precision="float32").run(chunk)
                changed = np.mean(exact.predictions != facts.predictions)
                self.passport["changed_by_precision"] = float(changed)
            yield chunk, facts

    def _work(self) -> Work:
        device, dtype = placement(self.network.model)
        block, rows = self.needs.sizes(self.run.budget())
        return Work(
            self.plan,
            self.filters,
            batch_size=self.run.batch_size or rows,
            block=block,
            precision=self.run.precision,
            device=device,
            dtype=dtype,
        )

    def _tick(
        self, done: Gathered, chunk: Chunk, progress: Callable[[float], None] | None
    ) -> Callable[[int], None] | None:
        if progress is None:
            return None
        pairs, seen, images = 0, done.seen, len(chunk.numbers)

        def tick(count: int) -> None:
            nonlocal pairs
            pairs += count
            share = pairs / (len(self.filters) * images)
            progress((seen + images * share) / len(self.images))

        return tick
