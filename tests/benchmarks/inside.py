"""What benchmarks need from inside carviz: the only file of them that knows what a plan is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from carviz.ablation import Run, layout_of
from carviz.ablation.batches import Batch
from carviz.car import iter_tables, prepare_car


class Made(TorchDispatchMode):
    """Note the bytes of all tensors that operations make; views and writes in place make none."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[int, Tensor] = {}  # kept, so that no place is used twice
        self.bytes = 0

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        for leaf in tree_leaves((args, kwargs or {})):
            if isinstance(leaf, Tensor):
                self.seen.setdefault(leaf.untyped_storage().data_ptr(), leaf)
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                place = leaf.untyped_storage().data_ptr()
                if place not in self.seen:
                    self.seen[place] = leaf
                    self.bytes += leaf.nbytes
        return result


def bytes_made(
    model: nn.Module, images: Tensor, layer: str, filters: list[int], device: str
) -> tuple[int, int]:
    """Return the bytes of maps that the head makes of an image, and the tail of a row."""
    plan = prepare_car(model, (images, _labels(images)), layer, filters=filters).plan
    with torch.no_grad():
        with Made() as head:
            values = plan.head(_moved(plan, images[:1], device))
        with Made() as tail:
            plan.tail(values, Batch.together(filters[:1], device))
    return head.bytes, tail.bytes


def tail_of(
    model: nn.Module, images: Tensor, layer: str, rows: int, device: str
) -> Callable[[], Tensor]:
    """Return what runs a bank's tail on a fixed batch of rows, a few filters on each image."""
    plan = prepare_car(model, (images, _labels(images)), layer).plan
    with torch.no_grad():
        values = plan.head(_moved(plan, images, device))
    places = np.arange(rows)
    batch = Batch.of(places % len(images), (places // len(images))[:, None], device)
    return lambda: plan.tail(values, batch)


def measuring(
    model: nn.Module, images: Tensor, layer: str, precision: str, tell: Callable[[float], None]
) -> Callable[[], Any]:
    """Return what measures a bank that is prepared; `tell` is called after every batch."""
    run = Run(precision=precision)
    measurement = prepare_car(model, (images, _labels(images)), layer, run=run)
    return lambda: list(iter_tables(measurement, tell))


def preparing(
    model: nn.Module, data: tuple[Tensor, Tensor], layer: str, precision: str
) -> Callable[[], Any]:
    """Return what prepares a bank, and gives its passport."""
    run = Run(precision=precision)
    # A passport may be finished beside what is measured; reading it waits for that.
    return lambda: dict(prepare_car(model, data, layer, run=run).passport)


def _labels(images: Tensor) -> Tensor:
    return torch.zeros(len(images), dtype=torch.int64)


def _moved(plan: Any, images: Tensor, device: str) -> Tensor:
    return images.to(device, memory_format=layout_of(plan))
