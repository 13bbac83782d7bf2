"""The floor of a bank: what its multiply-adds and its maps alone take at the machine's full rate.

It is carviz's own count of multiply-adds over the rate of a large matrix product in the same
threads, plus one read of each map that the head or the tail makes, at the rate at which memory is
read. Nothing that runs these multiply-adds is faster; only fewer of them are.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from inside import bytes_made
from peers import Case, computing, timed

import carviz


@dataclasses.dataclass(frozen=True)
class Rates:
    """What a device reaches: GFLOP/s, multiply and add counted as two, and GB/s that are read."""

    matrix: float
    memory: float


def measure_rates(device: str, size: int | None = None) -> Rates:
    """Return the rates of a device, in the threads that torch has now."""
    return Rates(matrix_rate(device, size=size), memory_rate(device, size))


def matrix_rate(device: str, precision: str = "float32", size: int | None = None) -> float:
    """Return the GFLOP/s of a large matrix product in "float32", "tf32" or "bf16"."""
    size = size or (2048 if device == "cpu" else 8192)
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    a = torch.randn(size, size, device=device).to(dtype)
    with computing(precision):
        timed(lambda: a @ a, device)
        seconds = min(timed(lambda: a @ a, device)[0] for _ in range(10))
    return 2 * size**3 / seconds / 1e9


def memory_rate(device: str, size: int | None = None) -> float:
    """Return the GB/s at which a large tensor is read: by a sum, or by a copy, which writes too."""
    numbers = (size or (2**13 if device == "cpu" else 2**14)) ** 2
    a = torch.randn(numbers, device=device)
    b = torch.empty_like(a)
    rates = []
    for run, moved in ((lambda: a.sum(), 1), (lambda: b.copy_(a), 2)):
        timed(run, device)
        rates.append(moved * a.nbytes / min(timed(run, device)[0] for _ in range(5)) / 1e9)
    return max(rates)


def floor_of(case: Case, layer: str, rates: Rates) -> dict[str, Any]:
    """Return the floor of a bank, and of what it is made."""
    labels = torch.zeros(len(case.images), dtype=torch.int64)
    numbers = case.numbers(layer)
    plan = carviz.plan_car(case.model, (case.images, labels), layer, filters=numbers)
    head, tail = bytes_made(case.model, case.images, layer, numbers, case.device)
    images = len(case.images)
    products = plan.plan_cost * images
    read = (head + tail * (1 + plan.active * len(numbers))) * images
    seconds = 2 * products / rates.matrix / 1e9 + read / rates.memory / 1e9
    return {
        "network": case.name, "bank": layer, "filters": len(numbers), "images": images,
        "multiply-adds, G": products / 1e9, "of the loop's": plan.loop_cost * images / products,
        "maps read, GB": read / 1e9, "floor, s": seconds,
    }  # fmt: skip
