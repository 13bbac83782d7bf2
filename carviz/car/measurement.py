"""A measurement that is ready to run, chunk by chunk, here or elsewhere."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from carviz.ablation import (
    CLASSES,
    AnswerReading,
    Audit,
    AuditedFacts,
    Checkpoint,
    Claim,
    Facts,
    Needs,
    Plan,
    Run,
    ScoreReading,
    Work,
    partner_order,
    telling_pairs,
    verify,
)
from carviz.banks import Network
from carviz.evaluate import Images, placement

FIRST_CHUNK = 32
"""Images of the first chunk: small, so that every filter has an estimate soon."""
LARGEST_CHUNK = 256
SEED = 0
"""Of the order in which images are visited."""
FEW_FILTERS, FEW_IMAGES = 8, 64
"""Below these a measurement is so short that its audit must be short as well."""
CLAIMED_FILTERS = 2
"""Filters of the first and of the last part that the reference looks at, on two images each."""
PASSING = ("versions", "remark", "audit", "opened")
"""What of a passport does not decide the numbers."""

AnyWork = TypeVar("AnyWork", bound=Work)
Part = TypeVar("Part")


def chunked(numbers: list[int]) -> list[list[int]]:
    """Cut images into chunks that double until they are large."""
    chunks, size = [], FIRST_CHUNK
    while numbers:
        chunks.append(numbers[:size])
        numbers, size = numbers[size:], min(2 * size, LARGEST_CHUNK)
    return chunks


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
    reading: AnswerReading = CLASSES
    choosing: NDArray[np.int64] = dataclasses.field(
        default_factory=lambda: np.zeros(0, np.int64), repr=False
    )
    """Images by which an optimal value is chosen; they are not among `order`."""
    constants: Tensor | None = None
    """(call, filter) what channels are set to, where it is a number and known; see `valuing`."""

    def set_constants(self, constants: Tensor | None) -> None:
        """Say what the channels are set to."""
        self.constants = constants
        self.plan.set_constants(constants)

    @property
    def values(self) -> NDArray[np.float64]:
        """(filter, call) numbers that stand in the channels' places; (0, 0) for none."""
        if self.constants is None:
            return np.zeros((0, 0))
        return np.asarray(self.constants[:, self.filters].T)

    def claims(
        self, numbers: list[int], facts: Facts, images: Tensor, objects: list[Any] | None = None
    ) -> list[Claim]:
        """Return a few of the facts of a chunk, for the reference to look at."""
        device, dtype = placement(self.network.model)
        exact = self.run.precision == "float32"
        known = (
            facts if exact else dataclasses.replace(facts, drop=np.full_like(facts.drop, np.nan))
        )
        partners = None
        if self.plan.value.kind == "resample":
            partners = images[torch.from_numpy(partner_order(numbers))]
        return [
            self.reading.claim(
                known, f, m,
                number=numbers[m],
                image=images[m : m + 1].to(device, dtype).clone(),
                removals=self.removals(f),
                object=None if objects is None else objects[m],
                constants=self.constants,
                partner=None if partners is None else partners[m : m + 1].to(device, dtype).clone(),
            )
            for f, m in self.telling(facts)
        ]  # fmt: skip

    def removals(self, row: int) -> dict[str, list[int]]:
        """Return what a row of the facts is without: numbers of filters, by bank."""
        return {self.layer: [self.filters[row]]}

    def telling(self, facts: Facts) -> list[tuple[int, int]]:
        """Return which (row, image) pairs of the facts are claimed."""
        few = len(self.filters) < FEW_FILTERS or len(self.images) < FEW_IMAGES
        before, after = self.reading.flips(facts)
        pairs = telling_pairs(before, after, 1 if few else CLAIMED_FILTERS)
        return pairs[:1] if few else pairs

    def check_weights(self) -> None:
        """Refuse numbers of a network that was trained while it was measured."""
        if self.network.watch is not None:
            self.network.watch.check()

    def verify(
        self, claims: list[Claim], tick: Callable[[], None], coarseness: float = 0.0
    ) -> None:
        """Have the reference look at claims; the passport tells what it took."""
        reference, begun = self.audit.reference, time.perf_counter()
        if isinstance(self.reading, ScoreReading):
            self.reading.verify(reference, claims, self.audit.rounding, tick)
        else:
            rounding = self.audit.rounding
            verify(reference, claims, rounding=rounding, coarseness=coarseness, tick=tick)
        audit = self.passport["audit"]
        self.passport["audit"] = {
            **audit,
            "pairs": len(claims),
            "passes": reference.passes,
            "seconds": round(audit["seconds"] + time.perf_counter() - begun, 3),
        }

    def chunks(self) -> list[list[int]]:
        """Cut the order into chunks that double until they are large; settings alone decide."""
        chunks = chunked(self.order.tolist())
        if self.plan.value.kind == "resample" and len(chunks) > 1 and len(chunks[-1]) == 1:
            last = chunks.pop()  # an image alone has no partner
            chunks[-1] += last
        return chunks

    @property
    def kind(self) -> type[Facts]:
        """What comes of a chunk."""
        return self.reading.kind if self.run.precision == "float32" else AuditedFacts

    def checkpoint(self) -> Checkpoint[Facts] | None:
        """Open the bank's folder of finished chunks, where the run has one."""
        return self.checkpoint_of(self.kind)

    def checkpoint_of(self, kind: type[Part], part: str = "chunk") -> Checkpoint[Part] | None:
        """Open the bank's folder of finished parts of a kind, where the run has one."""
        if self.run.checkpoint is None:
            return None
        name, of = self.kept_as()
        decides = {k: v for k, v in self.passport.items() if k not in PASSING}
        chunks = [FIRST_CHUNK, LARGEST_CHUNK]
        identity = {**of, "classes": self.classes, "chunks": chunks, **decides}
        return Checkpoint(Path(self.run.checkpoint), name, identity, kind, part)

    def kept_as(self) -> tuple[str, dict[str, Any]]:
        """Return the name of the folder of finished chunks, and what they are of."""
        return self.layer, {"filters": self.filters}

    def work(self) -> Work:
        """Return what is done with every chunk in float32."""
        return self.work_of(Work)

    def work_of(self, kind: type[AnyWork], **more: Any) -> AnyWork:
        """Return what is done with every chunk, in batches for the memory that there is now."""
        device, dtype = placement(self.network.model)
        block, rows = self.needs.sizes(self.run.budget(device))
        if not self.plan.rows_independent:
            block = min(block, rows)  # a batch of the tail is then a whole block
        block = 1 if self.reading.alone else block
        return kind(
            self.plan,
            self.filters,
            batch_size=self.run.batch_size or rows,
            block=block,
            device=device,
            dtype=dtype,
            reading=self.reading,
            **more,
        )
