"""How much memory feature maps take, found by watching one image go through."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from carviz.ablation.batches import Batch
from carviz.ablation.plan import GraphPlan, HookPlan, Plan
from carviz.ablation.values import Partners
from carviz.evaluate import arithmetic, no_grad
from carviz.interrupts import whole

ALIVE = 3
"""A step's input, its output and its workspace are alive at once, each as large as the largest."""

LEAST_ROWS, ROWS, MOST_ROWS = 8, 128, 1024
"""Rows of the tail that run together: fewest, where weights are large, and most."""
MOST_ROWS_ON_GPU = 2048
CACHE = 24 * 2**20
"""Bytes that rows which run together may take on a CPU: more of them only push one another out."""
CORES = 8 * 2**30
"""The same on a GPU, which wants many rows to be busy; free memory bounds them before."""


class _Largest(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Note the largest tensor that any operation makes; a view, of a weight say, is none."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.bytes = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # torch would import its compiler to keep it out of here, which takes 45 MiB and a while.
        return False

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        given = {_place(x) for x in tree_leaves((args, kwargs or {})) if isinstance(x, Tensor)}
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor) and _place(leaf) not in given:
                self.bytes = max(self.bytes, leaf.nbytes)
        return result


def _place(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


@dataclasses.dataclass(frozen=True)
class Needs:
    """Bytes that one image takes.

    Parameters
    ----------
    head
        While the head runs, what it keeps included.
    tail
        While the tail runs, a row.
    weights
        The tail's weights, all of them together.
    batch
        What the rows that run together should take: `CACHE` or `CORES`.
    most
        How many rows run together at most.
    """

    head: int
    tail: int
    weights: int = 0
    batch: int = CACHE
    most: int = MOST_ROWS

    def sizes(self, budget: int) -> tuple[int, int]:
        """Return how many images the head, and how many rows the tail may take at once."""
        images = budget // 2 // max(1, self.head)
        rows = budget // 2 // max(1, self.tail)
        return max(1, images), max(1, min(rows, self.best_rows))

    @property
    def best_rows(self) -> int:
        """How many rows run together, as long as memory holds them.

        As many as a cache holds, and more where weights are large beside the maps: each batch
        reads all of them once.
        """
        row = max(1, self.tail)
        share = min(ROWS, ALIVE * self.weights // row)
        return max(LEAST_ROWS, min(self.batch // row, self.most), share)


@no_grad()
def find_needs(plan: Plan, image: Tensor, filter: int) -> Needs:
    """Return what a plan takes for one image ``(1, channel, height, width)``."""
    with arithmetic("float32", image.device.type):
        with whole(_Largest) as head:
            values = plan.filled(plan.head(image), image, _partners(plan, image))
        # What a graph's row loses is counted apart: of a single row it would be too much, as rows
        # that lose the same share the weights that are fetched.
        by_graph = isinstance(plan, GraphPlan) and plan.shares
        lost = [] if by_graph else [filter]
        with whole(_Largest) as tail:
            plan.tail(values, Batch.together(lost, image.device))
    largest = max(tail.bytes, plan.row_bytes(values) if isinstance(plan, GraphPlan) else 0)
    kept = sum(v.nbytes for v in values if isinstance(v, Tensor))
    weights = sum(p.nbytes for p in _part(plan).parameters())
    on_gpu = image.device.type == "cuda"
    batch, most = (CORES, MOST_ROWS_ON_GPU) if on_gpu else (CACHE, MOST_ROWS)
    return Needs(kept + ALIVE * head.bytes, ALIVE * largest, weights, batch, most)


def _partners(plan: Plan, images: Tensor) -> Partners | None:
    """Return images whose channels stand in those of others: here in their own."""
    return Partners(images) if plan.value.kind == "resample" else None


def _part(plan: Plan) -> nn.Module:
    """Return the part of the network that runs for every filter."""
    if isinstance(plan, GraphPlan):
        return plan.cut_tail
    return plan.model if isinstance(plan, HookPlan) else plan.reference.model
