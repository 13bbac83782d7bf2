"""Run a chunk in low precision and give float32's facts: close calls, and samples, run again.

The baseline and the tail run in the same low precision, and the difference of their logits is added
to the baseline's logits in float32: what rounding does to the weights and to the image is common to
both. The head runs once, in float32, and so does what a channel's share takes off. What runs again
is for `carviz.ablation.precision_audit` to say.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from carviz.ablation.batches import NOTHING
from carviz.ablation.facts import Chunk, Facts, Tick
from carviz.ablation.plan import Plan
from carviz.ablation.precision_audit import (
    SAMPLE_FILTERS,
    SEED_A,
    TIE,
    Auditing,
    Octaves,
    threshold_of,
)
from carviz.ablation.run import Work
from carviz.ablation.tails import Read, Tail, check_finite, pairs_that_run, read_logits
from carviz.ablation.values import Partners
from carviz.evaluate import arithmetic, inference_mode

Numbers = NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class AuditedFacts(Facts):
    """Facts that low precision found, and what their audit must know.

    `drop` is of the corrected logits in TF32, and NaN in bfloat16, which is too coarse for it.

    Parameters
    ----------
    octaves, level, worst, ties
        See `carviz.ablation.precision_audit.Checked`.
    threshold
        (m,) τ as sample A set it.
    """

    octaves: Octaves
    level: NDArray[np.uint8]
    worst: NDArray[np.uint8]
    ties: NDArray[np.int32]
    threshold: NDArray[np.float64]

    def of(self, part: slice) -> AuditedFacts:
        """Return the facts of some of the images."""
        names = [field.name for field in dataclasses.fields(self)]
        return AuditedFacts(*(getattr(self, name)[..., part] for name in names))


@dataclasses.dataclass(frozen=True, eq=False)
class AuditedChunk(Chunk):
    """Images that are measured in low precision.

    Parameters
    ----------
    level
        How often τ has doubled.
    known
        What was found before, at a lower level: only what is close now runs. None for nothing.
    """

    level: int = 0
    known: AuditedFacts | None = None


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class AuditedWork(Work):
    """What is done with every chunk in low precision.

    Parameters
    ----------
    auditing
        How it is audited.
    """

    auditing: Auditing

    @property
    def kind(self) -> type[Facts]:
        """What comes of a chunk."""
        return AuditedFacts

    @property
    def leaves_out_log_p(self) -> bool:
        """Whether the falls of log p are NaN."""
        return self.auditing.precision == "bf16"

    def shapes(self, chunk: Chunk) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the arrays that come of a chunk."""
        m = len(chunk.numbers)
        more = dict.fromkeys(("level", "worst", "ties", "threshold"), (m,))
        return {**super().shapes(chunk), "octaves": (len(self.filters), m), **more}

    def _block(
        self, chunk: Chunk, part: slice, images: Tensor, targets: Tensor, batch_size: int,
        tick: Tick,
    ) -> AuditedFacts:  # fmt: skip
        assert isinstance(chunk, AuditedChunk)
        numbers = chunk.numbers[part]
        block = _Block(
            self.plan, images, targets, self.filters, numbers, batch_size, tick,
            self._partners(chunk, part),
        )  # fmt: skip
        with inference_mode():
            if chunk.known is not None:
                return block.raised(self.auditing, chunk.level, chunk.known.of(part))
            return block.audited(self.auditing, chunk.level)


@dataclasses.dataclass(frozen=True)
class Noise:
    """By how much low precision moves margins: (pair,) each; see `threshold_of`."""

    noise: NDArray[np.float64]
    margins: NDArray[np.float64]
    logits: NDArray[np.float64]

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Return the noise of several blocks of images as one."""
        return cls(
            *(
                np.concatenate([getattr(part, field.name) for part in parts])
                for field in dataclasses.fields(cls)
            )
        )


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class SampleWork(Work):
    """What is done with sample A: a few filters of each image, in low precision and in float32."""

    precision: str

    def threshold(self, chunk: Chunk, tick: Tick | None = None) -> float:
        """Return τ by some images; progress is told of them as of nothing done."""
        noise = self.run(chunk, None if tick is None else lambda _pairs: tick(0))
        assert isinstance(noise, Noise)
        return threshold_of(noise.noise, noise.margins, noise.logits)

    def _block(  # type: ignore[override]
        self, chunk: Chunk, part: slice, images: Tensor, targets: Tensor, batch_size: int,
        tick: Tick,
    ) -> Noise:  # fmt: skip
        numbers = chunk.numbers[part]
        block = _Block(
            self.plan, images, targets, self.filters, numbers, batch_size, tick,
            self._partners(chunk, part),
        )  # fmt: skip
        with inference_mode():
            return block.noise(self.precision)


class _Block:
    """Images that are held together, with what the head gave.

    Parameters
    ----------
    plan, images, targets, filters, numbers, batch_size, tick, partners
        As in `carviz.ablation.run_chunk`.
    """

    def __init__(
        self, plan: Plan, images: Tensor, targets: Tensor, filters: Sequence[int],
        numbers: Sequence[int], batch_size: int, tick: Tick | None,
        partners: Partners | None = None,
    ) -> None:  # fmt: skip
        self.plan, self.targets, self.tick = plan, targets, tick
        self.numbers, self.count, self.device = list(numbers), len(images), images.device
        self.sets = np.asarray(filters, np.int64).reshape(-1, 1)
        with inference_mode(), arithmetic("float32", self.device.type):
            values = plan.filled(plan.head(images), images, partners)
            self.places, self.rows = pairs_that_run(plan, values, self.sets, self.count)
        self.tail = Tail(plan, values, targets, batch_size)
        self.whole = self._whole("float32")

    # -- what runs

    def _ask(self, precision: str, rows: Numbers, sets: Numbers, read: Read, tick: bool) -> None:
        """Run pairs, and hand on what comes of them; nothing is read from the device."""

        def widened(part: slice, images: Tensor | slice, logits: Tensor) -> None:
            read(part, images, logits if logits.dtype == torch.float64 else logits.float())

        def told(pairs: int) -> None:
            if self.tick is not None:
                self.tick(pairs if tick else 0)

        self.tail.run(rows, sets, widened, told, precision)

    def _whole(self, precision: str) -> Tensor:
        """Return the logits with all filters."""
        parts: dict[int, Tensor] = {}

        def read(part: slice, _images: Tensor | slice, logits: Tensor) -> None:
            parts[part.start] = logits

        own, nothing = np.arange(self.count), np.full((self.count, 1), NOTHING)
        self._ask(precision, own, nothing, read, tick=False)
        return torch.cat([parts[start] for start in sorted(parts)])

    def _corrected(self, precision: str, places: Numbers, rows: Numbers, read: Read) -> None:
        """Run pairs in low precision; the logits that are handed on are corrected."""
        low = self._whole(precision)

        def correct(part: slice, images: Tensor | slice, logits: Tensor) -> None:
            read(part, images, self.whole[images] + (logits - low[images]))

        self._ask(precision, rows, self.sets[places], correct, tick=True)

    def _exactly(self, places: Numbers, rows: Numbers, read: Read) -> NDArray[np.intp] | None:
        """Run pairs in float32. Return which of those that ran they are; None where only they ran.

        Where a row is no image, all images of a filter run together.
        """
        if self.plan.rows_independent:
            self._ask("float32", rows, self.sets[places], read, tick=False)
            return None
        filters, place = np.unique(places, return_inverse=True)
        every = np.repeat(filters, self.count), np.tile(np.arange(self.count), len(filters))
        self._ask("float32", every[1], self.sets[every[0]], read, tick=False)
        return np.asarray(place * self.count + rows)

    # -- what comes of it

    def audited(self, auditing: Auditing, level: int) -> AuditedFacts:
        """Return the facts, with τ doubled `level` times."""
        predicted, log_p, finite = read_logits(self.whole, self.targets)
        check_finite(finite.cpu().numpy(), np.asarray(self.numbers))
        baseline = predicted.int().cpu().numpy()
        found = _Close(len(self.rows), self.whole)

        def read(part: slice, images: Tensor | slice, logits: Tensor) -> None:
            _, now, _ = read_logits(logits, self.targets[images])
            found.take(part, logits, log_p[images] - now)

        self._corrected(auditing.precision, self.places, self.rows, read)
        filters, m = len(self.sets), self.count
        predictions = np.repeat(baseline[None], filters, axis=0)
        predictions[self.places, self.rows] = found.best.cpu().numpy()
        octaves = np.zeros((filters, m), np.uint8)
        octaves[self.places, self.rows] = auditing.octaves(found.margins.cpu().numpy())
        drop = np.zeros((filters, m))
        drop[self.places, self.rows] = found.drop.double().cpu().numpy()
        if auditing.precision == "bf16":
            drop[:] = np.nan  # too coarse for small changes, which are what it averages
        known = AuditedFacts(
            self.targets.cpu().numpy(), baseline, predictions, drop, octaves,
            level=np.full(m, level, np.uint8), worst=np.zeros(m, np.uint8),
            ties=np.zeros(m, np.int32), threshold=np.full(m, auditing.threshold),
        )  # fmt: skip
        again = auditing.exact(octaves, self.numbers, level) & (octaves > 0)
        return self._again(known, again, level)

    def raised(self, auditing: Auditing, level: int, known: AuditedFacts) -> AuditedFacts:
        """Return facts that were found at a lower level with τ doubled `level` times."""
        before = auditing.exact(known.octaves, self.numbers, int(known.level.max(initial=0)))
        again = auditing.exact(known.octaves, self.numbers, level) & ~before
        return self._again(known, again, level)

    def _again(self, known: AuditedFacts, again: NDArray[np.bool_], level: int) -> AuditedFacts:
        """Run some pairs in float32, and note where sample B finds an error."""
        places, rows = np.nonzero(again)
        claimed = known.predictions[places, rows]
        predicted, tied = self._compare(places, rows, claimed)
        predictions = known.predictions.copy()
        predictions[places, rows] = predicted
        octaves = known.octaves[places, rows]
        sampled = (octaves > level + 1) & (predicted != claimed)
        worst, ties = known.worst.copy(), known.ties.copy()
        wrong = sampled & ~tied
        np.maximum.at(worst, rows[wrong], octaves[wrong])
        np.add.at(ties, rows[sampled & tied], 1)
        return dataclasses.replace(
            known, predictions=predictions, worst=worst, ties=ties,
            level=np.full(len(worst), level, np.uint8),
        )  # fmt: skip

    def _compare(
        self, places: Numbers, rows: Numbers, claimed: NDArray[np.int32]
    ) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
        """Return what float32 predicts for pairs, and whether a claim is tied with it there."""
        whole = len(rows)
        if not self.plan.rows_independent:
            table = np.zeros((len(self.sets), self.count), np.int32)
            table[places, rows] = claimed
            claimed = table[np.unique(places)].ravel()
            whole = len(claimed)
        claims = torch.as_tensor(claimed, dtype=torch.int64, device=self.device)
        best = torch.empty(whole, dtype=torch.int32, device=self.device)
        tied = torch.empty(whole, dtype=torch.bool, device=self.device)
        finite = torch.empty(whole, dtype=torch.bool, device=self.device)

        def read(part: slice, images: Tensor | slice, logits: Tensor) -> None:
            own, _, finite[part] = read_logits(logits, self.targets[images])
            pair = torch.stack([own, claims[part]], 1)
            there = logits.gather(1, pair)
            best[part] = own
            tied[part] = there[:, 0] - there[:, 1] <= TIE * logits.abs().amax(1)

        which = self._exactly(places, rows, read)
        of = slice(None) if which is None else which
        found = [each.cpu().numpy()[of] for each in (best, tied, finite)]
        check_finite(
            found[2], np.asarray(self.numbers)[rows], self.sets[places, 0], self.plan.value
        )
        return found[0], found[1]

    def noise(self, precision: str) -> Noise:
        """Return by how much low precision moves the margins of a few filters of each image."""
        random = np.random.default_rng([SEED_A, self.numbers[0]])
        places, rows = self.places, self.rows
        if self.plan.rows_independent:
            order = random.permutation(len(rows))
            order = order[np.argsort(rows[order], kind="stable")]
            counts = np.bincount(rows, minlength=self.count)
            nth = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
            chosen = np.sort(order[nth < SAMPLE_FILTERS])
        else:
            some = random.permutation(len(self.sets))[:SAMPLE_FILTERS]
            chosen = np.flatnonzero(np.isin(places, some))
        places, rows = places[chosen], rows[chosen]
        low, exact = _Close(len(rows), self.whole), _Close(len(rows), self.whole)

        def coarsely(part: slice, _images: Tensor | slice, logits: Tensor) -> None:
            low.take(part, logits)

        def exactly(part: slice, _images: Tensor | slice, logits: Tensor) -> None:
            exact.take(part, logits, of=low.pair[part])

        self._corrected(precision, places, rows, coarsely)
        self._ask("float32", rows, self.sets[places], exactly, tick=False)
        found = low.margins.double().cpu().numpy(), exact.margins.double().cpu().numpy()
        return Noise(np.abs(found[1] - found[0]), found[0], exact.largest.double().cpu().numpy())


class _Close:
    """How close the best two classes of pairs are, where the network is.

    Attributes
    ----------
    pair, best
        (pair, 2) the best class and the second best; (pair,) the best.
    margins
        (pair,) by how much the best logit is ahead; NaN where a logit is no number.
    drop, largest
        (pair,) the fall of log p, and the largest absolute logit.
    """

    def __init__(self, count: int, like: Tensor) -> None:
        self.pair = torch.empty(count, min(2, like.shape[1]), dtype=torch.int64, device=like.device)
        self.margins, self.drop, self.largest = (like.new_empty(count) for _ in range(3))

    @property
    def best(self) -> Tensor:
        return self.pair[:, 0].int()

    def take(
        self, part: slice, logits: Tensor, drop: Tensor | None = None, of: Tensor | None = None
    ) -> None:
        """Take in the logits of some pairs; of two given classes, or of the best two."""
        pair = logits.topk(self.pair.shape[1], 1).indices if of is None else of
        self.pair[part] = pair
        best = logits.gather(1, pair)
        margins = best[:, 0] - best[:, -1] if pair.shape[1] > 1 else torch.full_like(
            best[:, 0], torch.inf
        )  # fmt: skip
        self.margins[part] = torch.where(logits.isfinite().all(1), margins, torch.nan)
        self.largest[part] = logits.abs().amax(1)
        if drop is not None:
            self.drop[part] = drop
