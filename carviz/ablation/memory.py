"""How much memory feature maps take, found by watching one image go through."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from carviz.ablation.plan import GraphPlan, HookPlan

ALIVE = 3
"""A step's input, its output and its workspace are alive at once, each as large as the largest."""

ROWS, MOST_ROWS = 128, 1024
"""Rows of the tail that run together: the first, or more of them up to the second while they ..."""
BATCH = 24 * 2**20
"""… take no more bytes than this."""


class _Largest(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Note the largest tensor that any operation makes; a view, of a weight say, is none."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.bytes = 0

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
    """

    head: int
    tail: int

    def sizes(self, budget: int) -> tuple[int, int]:
        """Return how many images the head, and how many rows the tail may take at once.

        Small rows go in larger batches: what a batch costs beside its arithmetic (a call of each
        layer, a linear layer's weights read once) is then shared by more of them.
        """
        images = budget // 2 // max(1, self.head)
        rows = budget // 2 // max(1, self.tail)
        most = min(max(ROWS, BATCH // max(1, self.tail)), MOST_ROWS)
        return max(1, images), max(1, min(rows, most))


@torch.no_grad()
def find_needs(plan: GraphPlan | HookPlan, image: Tensor, filter: int) -> Needs:
    """Return what a plan takes for one image ``(1, channel, height, width)``."""
    with _Largest() as head:
        values = plan.head(image)
    kept = sum(v.nbytes for v in values if isinstance(v, Tensor))
    with _Largest() as tail:
        plan.tail(values, None, torch.tensor([filter], device=image.device))
    return Needs(kept + ALIVE * head.bytes, ALIVE * tail.bytes)
