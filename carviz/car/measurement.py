"""A measurement that is ready to run, chunk by chunk, here or elsewhere."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from carviz.ablation import (
    Audit,
    Checkpoint,
    Chunk,
    Claim,
    Facts,
    Needs,
    Plan,
    Run,
    Work,
    run_elsewhere,
    telling_pairs,
    verify,
)
from carviz.banks import Network
from carviz.car.gathering import Gathered
from carviz.evaluate import Images, check_kept_labels, check_labels, placement
from carviz.results import CarTable

FIRST_CHUNK = 32
"""Images of the first chunk: small, so that every filter has an estimate soon."""
LARGEST_CHUNK = 256
SEED = 0
"""Of the order in which images are visited."""
FEW_FILTERS, FEW_IMAGES = 8, 64
"""Below these a measurement is so short that its audit must be short as well."""
CLAIMED_FILTERS = 2
"""Filters of the first and of the last part that the reference looks at, on two images each."""
PASSING = ("versions", "remark", "audit")
"""What of a passport does not decide the numbers."""


@dataclasses.dataclass(eq=False)
class Measurement:
    """A measurement that is ready to run, in any thread."""

    network: Network
    plan: Plan
    layer: str
    filters: list[int]
    images: Images
    order: NDArray[np.int64]
    classes: tuple[str, ...]
    run: Run
    needs: Needs
    passport: dict[str, Any]
    audit: Audit

    def tables(self, progress: Callable[[float], None] | None = None) -> Iterator[CarTable]:
        """Yield ever fuller tables; see `iter_car`."""
        chunks, total = self._chunks(), len(self.images)
        done = Gathered(self.layer, self.filters, self.classes, total, self.passport)
        checkpoint = self._checkpoint()
        kept = [] if checkpoint is None else [checkpoint.load(*p) for p in enumerate(chunks)]
        for place, facts in enumerate(kept):
            if facts is not None:
                done.add(place, chunks[place], facts)
        claims = self._claims_of_kept(chunks, kept)
        if done.seen:
            yield done.table()
        missing = [p for p in range(len(chunks)) if not kept or kept[p] is None]
        for chunk, facts in self._measured(chunks, missing, done, progress):
            if checkpoint is not None:
                self._check_weights()
                checkpoint.save(chunk.place, facts, chunk.numbers)
            done.add(chunk.place, chunk.numbers, facts)
            if chunk.place in (missing[0], missing[-1]):
                claims += self._claims(chunk.numbers, facts, chunk.images)
            if done.seen == total:
                self._check_weights()
                self._verify(claims, lambda: progress(1.0) if progress is not None else None)
            if progress is not None:
                progress(done.seen / total)
            yield done.table()
        if not missing:
            self._verify(claims, lambda: None)

    def _claims(self, numbers: list[int], facts: Facts, images: Tensor) -> list[Claim]:
        """Return a few of the facts of a chunk, for the reference to look at."""
        device, dtype = placement(self.network.model)
        few = len(self.filters) < FEW_FILTERS or len(self.images) < FEW_IMAGES
        pairs = telling_pairs(facts.baseline, facts.predictions, 1 if few else CLAIMED_FILTERS)
        return [
            Claim(
                numbers[m],
                images[m : m + 1].to(device, dtype).clone(),
                {self.layer: [self.filters[f]]},
                int(facts.targets[m]),
                int(facts.predictions[f, m]),
                float(facts.drop[f, m]),
            )
            for f, m in (pairs[:1] if few else pairs)
        ]

    def _claims_of_kept(self, chunks: list[list[int]], kept: list[Facts | None]) -> list[Claim]:
        """Return a few facts of the first part that was kept by an earlier run.

        Labels that are known by reading only do not enter the data's fingerprint: then all images
        of kept parts are read.

        Raises
        ------
        ValueError
            If labels of a part are not those of the data.
        """
        places = [place for place, facts in enumerate(kept) if facts is not None]
        if self.images.hints is not None:
            places = places[:1]
        claims: list[Claim] = []
        read = self.images.batches([chunks[place] for place in places])
        for place, (images, labels) in zip(places, read, strict=True):
            facts = kept[place]
            assert facts is not None
            check_kept_labels(facts.targets, labels, self.run.checkpoint)
            claims = claims or self._claims(chunks[place], facts, images)
        return claims

    def _check_weights(self) -> None:
        """Refuse numbers of a network that was trained while it was measured."""
        if self.network.watch is not None:
            self.network.watch.check()

    def _verify(self, claims: list[Claim], tick: Callable[[], None]) -> None:
        reference, begun = self.audit.reference, time.perf_counter()
        verify(
            reference, claims, rounding=self.audit.rounding, precision=self.run.precision, tick=tick
        )  # fmt: skip
        audit = self.passport["audit"]
        self.passport["audit"] = {
            **audit,
            "pairs": len(claims),
            "passes": reference.passes,
            "seconds": round(audit["seconds"] + time.perf_counter() - begun, 3),
        }

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
        decides = {k: v for k, v in self.passport.items() if k not in PASSING}
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
        if not self.plan.rows_independent:
            block = min(block, rows)  # a batch of the tail is then a whole block
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
