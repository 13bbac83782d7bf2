"""Measure banks of one network on the same images, chunk by chunk."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence

import torch

from carviz.ablation import (
    AuditedChunk,
    AuditedFacts,
    AuditedWork,
    Chunk,
    Claim,
    Facts,
    SampleWork,
    Work,
    run_elsewhere,
    sample_a,
)
from carviz.car.constants import find_constants
from carviz.car.doubling import Doubling
from carviz.car.gathering_scores import gathering
from carviz.car.measurement import Measurement
from carviz.evaluate import check_kept_labels, check_labels
from carviz.results import CarTable


def measure_together(
    banks: Sequence[Measurement], progress: Callable[[float], None] | None = None
) -> Iterator[list[CarTable]]:
    """Yield ever fuller tables of several banks, one of each, all of the same images.

    Chunks of images are the outer loop and banks the inner one: an image is read and moved once for
    all banks, and every bank has an estimate after the first chunk. Of one bank at a time what its
    head gave is held. Whole runs of the network are not shared among banks: each plan's rounding is
    its own, so log p with all filters is the plan's own as well.

    Parameters
    ----------
    banks
        Of one network and the same images, prepared alike; see `prepare_banks`.
    progress
        Told the share done of all banks, after every batch.
    """
    together = _Together(banks, find_constants(banks, progress))
    together.check_kept()
    if together.shared:
        yield together.tables()
    together.verify_kept()
    for chunk, facts in together.measured():
        if together.take(chunk, facts):
            yield together.tables()


def iter_tables(
    bank: Measurement, progress: Callable[[float], None] | None = None
) -> Iterator[CarTable]:
    """Yield ever fuller tables of one bank; see `measure_together`."""
    for (table,) in measure_together([bank], progress):
        yield table


class _Together:
    """Several banks while they are measured: what is done of each, and what is missing."""

    def __init__(
        self, banks: Sequence[Measurement], progress: Callable[[float], None] | None
    ) -> None:
        self.banks, self.progress = banks, progress
        self.images, self.run = banks[0].images, banks[0].run
        self.chunks = banks[0].chunks()
        self.total = len(banks[0].order)
        self.done = [
            gathering(bank.reading)(
                bank.layer, bank.filters, bank.classes, len(self.images), bank.passport,
                bank.values,
            )
            for bank in banks
        ]  # fmt: skip
        self.checkpoints = [bank.checkpoint() for bank in banks]
        self.claims: list[list[Claim]] = [[] for _ in banks]
        coarse = self.run.precision != "float32"
        self.doubling = [Doubling(self.run.precision) if coarse else None for _ in banks]
        self.works: dict[int, Work] = {}
        self._sample: Chunk | None = None
        self.kept = [self._load(b) for b in range(len(banks))]
        every = range(len(self.chunks))
        self.missing = [[p for p in every if p not in done.places] for done in self.done]
        self.shared = [p for p in every if not any(p in missing for missing in self.missing)]
        """Chunks that are finished for every bank: what tables are of."""

    def _load(self, bank: int) -> dict[int, Facts]:
        """Take in what an earlier run has finished of a bank; return the parts to look at.

        Labels that are known by reading only do not enter the data's fingerprint: then all parts
        are looked at, else the first.
        """
        kept: dict[int, Facts] = {}
        checkpoint = self.checkpoints[bank]
        for place, numbers in enumerate(self.chunks):
            facts = None if checkpoint is None else checkpoint.load(place, numbers)
            if facts is not None:
                self._add(bank, place, facts)
                if not kept or self.images.hints is None:
                    kept[place] = facts
        return kept

    def _add(self, bank: int, place: int, facts: Facts) -> None:
        self.done[bank].add(place, self.chunks[place], facts)
        if (doubling := self.doubling[bank]) is not None:
            doubling.note(facts)

    def tables(self) -> list[CarTable]:
        """Return the table of each bank, all of the same images."""
        return [done.table(self.shared) for done in self.done]

    def check_kept(self) -> None:
        """Look at what earlier runs have finished, and claim a few facts of each bank.

        Raises
        ------
        ValueError
            If labels of a part are not those of the data.
        """
        for b, missing in enumerate(self.missing):
            if not missing:
                self._settle(b)
        places = sorted({place for kept in self.kept for place in kept})
        read = self.images.batches([self.chunks[place] for place in places])
        for place, (images, labels) in zip(places, read, strict=True):
            for b, kept in enumerate(self.kept):
                if (facts := kept.get(place)) is None:
                    continue
                own = torch.from_numpy(self.banks[b].reading.kept(labels))
                check_kept_labels(facts.targets, own, self.run.checkpoint)
                if not self.claims[b]:
                    numbers, objects = self.chunks[place], self.images.targets.objects(labels)
                    self.claims[b] = self.banks[b].claims(numbers, facts, images, objects)
        self.kept = []

    def verify_kept(self) -> None:
        """Verify the banks that earlier runs have completed."""
        for b, bank in enumerate(self.banks):
            if not self.missing[b]:
                bank.verify(self.claims[b], lambda: None, self._coarseness(b))

    def take(self, chunk: Chunk, facts: Facts) -> bool:
        """Take in a chunk that was finished for a bank, and keep it; verify a bank at its end.

        Return whether it was the last bank for which the chunk was missing.
        """
        b, progress = chunk.bank, self.progress
        bank, done, checkpoint = self.banks[b], self.done[b], self.checkpoints[b]
        if checkpoint is not None:
            bank.check_weights()
            checkpoint.save(chunk.place, facts, chunk.numbers)
        self._add(b, chunk.place, facts)
        if chunk.place in (self.missing[b][0], self.missing[b][-1]):
            self.claims[b] += bank.claims(chunk.numbers, facts, chunk.images, chunk.objects)
        if done.seen == self.total:
            self._settle(b)
            bank.check_weights()
            bank.verify(
                self.claims[b],
                lambda: progress(self._share()) if progress else None,
                self._coarseness(b),
            )
        if progress is not None:
            progress(self._share())
        last = all(chunk.place in done.places for done in self.done)
        self.shared += [chunk.place] if last else []
        return last

    def _coarseness(self, bank: int) -> float:
        doubling = self.doubling[bank]
        return 0.0 if doubling is None else doubling.margin

    def _settle(self, bank: int) -> None:
        """Run again what is a close call now that τ has doubled, in chunks finished before."""
        doubling, done = self.doubling[bank], self.done[bank]
        if doubling is None:
            return
        while places := [p for p in sorted(done.places) if doubling.behind(done.facts(p))]:
            read = self.images.batches([self.chunks[place] for place in places])
            for place, (images, targets) in zip(places, read, strict=True):
                numbers, checkpoint = self.chunks[place], self.checkpoints[bank]
                # What is kept has the falls of log p as well, which are kept again.
                kept = None if checkpoint is None else checkpoint.load(place, numbers)
                known = kept or done.facts(place)
                task = self._task(Chunk(place, numbers, images, targets), bank, known)
                facts = self._work(bank).run(task, self._tick())
                if checkpoint is not None and kept is not None:
                    checkpoint.save(place, facts, numbers)
                self._add(bank, place, facts)

    def _work(self, bank: int) -> Work:
        """Return what is done with the chunks of a bank."""
        if bank not in self.works:
            of, doubling = self.banks[bank], self.doubling[bank]
            if doubling is None:
                self.works[bank] = of.work()
                return self.works[bank]
            if doubling.threshold is None:
                sampling = of.work_of(SampleWork, precision=doubling.precision)
                doubling.threshold = sampling.threshold(self._sampled(), self._tick())
            auditing = doubling.auditing(self.total, len(of.filters))
            self.works[bank] = of.work_of(AuditedWork, auditing=auditing)
        return self.works[bank]

    def _sampled(self) -> Chunk:
        """Return the images of sample A, at random over all of them."""
        if self._sample is None:
            numbers = sample_a(self.total)
            images, targets = self.images.read(numbers)
            check_labels(targets, len(self.banks[0].classes), numbers)
            self._sample = Chunk(-1, numbers, images, targets)
        return self._sample

    def measured(self) -> Iterator[tuple[Chunk, Facts]]:
        """Yield each chunk that is missing with its facts, for one bank after the other."""
        if not any(self.missing):
            return
        works = [self._work(b) for b in range(len(self.banks))]
        self._sample = None
        if self.run.executor is not None:
            tasks = (task for chunk in self._read() for task in self._tasks(chunk))
            yield from run_elsewhere(works, tasks, self.run.executor)
            return
        for chunk in self._read():
            yield from self._run_here(works, chunk)

    def _run_here(self, works: list[Work], chunk: Chunk) -> Iterator[tuple[Chunk, Facts]]:
        """Run a chunk in this process, for all banks for which it is missing."""
        moved = works[0].moved(chunk) if len(works) > 1 else chunk
        for task in self._tasks(chunk):
            bank, work = self.banks[task.bank], works[task.bank]
            try:
                facts = work.run(self._task(moved, task.bank), self._tick())
            except ValueError as error:
                if len(works) == 1:
                    raise
                raise ValueError(f"Bank {bank.layer!r}: {error}") from error
            yield task, facts

    def _read(self) -> Iterator[Chunk]:
        """Read the chunks that are missing for any bank."""
        places = sorted(set().union(*self.missing))
        read = self.images.batches([self.chunks[place] for place in places])
        for place, (images, targets) in zip(places, read, strict=True):
            first, numbers = self.banks[0], self.chunks[place]
            first.reading.check(targets, len(first.classes), numbers)
            objects = self.images.targets.objects(targets)
            yield Chunk(place, numbers, images, targets, objects=objects)

    def _tasks(self, chunk: Chunk) -> Iterator[Chunk]:
        """Yield a chunk once for each bank for which it is missing."""
        for b, missing in enumerate(self.missing):
            if chunk.place in missing:
                yield self._task(chunk, b)

    def _task(self, chunk: Chunk, bank: int, known: Facts | None = None) -> Chunk:
        """Return a chunk for a bank, as its precision wants it."""
        own = {field.name: getattr(chunk, field.name) for field in dataclasses.fields(Chunk)}
        own["bank"] = bank
        if (doubling := self.doubling[bank]) is None:
            return Chunk(**own)
        assert known is None or isinstance(known, AuditedFacts)
        return AuditedChunk(**own, level=doubling.level, known=known)

    def _share(self, more: float = 0.0) -> float:
        """Return the share of all (filter, image) pairs that is done, with some more pairs."""
        sizes = [len(bank.filters) for bank in self.banks]
        pairs = sum(size * done.seen for size, done in zip(sizes, self.done, strict=True))
        return (pairs + more) / (sum(sizes) * self.total)

    def _tick(self) -> Callable[[int], None] | None:
        if (progress := self.progress) is None:
            return None
        pairs = 0

        def tick(count: int) -> None:
            nonlocal pairs
            pairs += count
            progress(self._share(pairs))

        return tick
