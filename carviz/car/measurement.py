"""A measurement that is ready to run, chunk by chunk, here or elsewhere."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from carviz.ablation import (
    Audit,
    AuditedFacts,
    Checkpoint,
    Claim,
    Facts,
    Needs,
    Plan,
    Run,
    Work,
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
PASSING = ("versions", "remark", "audit")
"""What of a passport does not decide the numbers."""

AnyWork = TypeVar("AnyWork", bound=Work)


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

    def claims(self, numbers: list[int], facts: Facts, images: Tensor) -> list[Claim]:
        """Return a few of the facts of a chunk, for the reference to look at."""
        device, dtype = placement(self.network.model)
        return [
            Claim(
                numbers[m],
                images[m : m + 1].to(device, dtype).clone(),
                self.removals(f),
                int(facts.targets[m]),
                int(facts.predictions[f, m]),
                float(facts.drop[f, m]) if self.run.precision == "float32" else np.nan,
            )
            for f, m in self.telling(facts)
        ]

    def removals(self, row: int) -> dict[str, list[int]]:
        """Return what a row of the facts is without: numbers of filters, by bank."""
        return {self.layer: [self.filters[row]]}

    def telling(self, facts: Facts) -> list[tuple[int, int]]:
        """Return which (row, image) pairs of the facts are claimed."""
        few = len(self.filters) < FEW_FILTERS or len(self.images) < FEW_IMAGES
        pairs = telling_pairs(facts.baseline, facts.predictions, 1 if few else CLAIMED_FILTERS)
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
        verify(reference, claims, rounding=self.audit.rounding, coarseness=coarseness, tick=tick)
        audit = self.passport["audit"]
        self.passport["audit"] = {
            **audit,
            "pairs": len(claims),
            "passes": reference.passes,
            "seconds": round(audit["seconds"] + time.perf_counter() - begun, 3),
        }

    def chunks(self) -> list[list[int]]:
        """Cut the order into chunks that double until they are large; settings alone decide."""
        numbers, chunks, size = self.order.tolist(), [], FIRST_CHUNK
        while numbers:
            chunks.append(numbers[:size])
            numbers, size = numbers[size:], min(2 * size, LARGEST_CHUNK)
        return chunks

    @property
    def kind(self) -> type[Facts]:
        """What comes of a chunk."""
        return Facts if self.run.precision == "float32" else AuditedFacts

    def checkpoint(self) -> Checkpoint[Facts] | None:
        """Open the bank's folder of finished chunks, where the run has one."""
        if self.run.checkpoint is None:
            return None
        name, of = self.kept_as()
        decides = {k: v for k, v in self.passport.items() if k not in PASSING}
        chunks = [FIRST_CHUNK, LARGEST_CHUNK]
        identity = {**of, "classes": self.classes, "chunks": chunks, **decides}
        return Checkpoint(Path(self.run.checkpoint), name, identity, self.kind)

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
        return kind(
            self.plan,
            self.filters,
            batch_size=self.run.batch_size or rows,
            block=block,
            device=device,
            dtype=dtype,
            **more,
        )
