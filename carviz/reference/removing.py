"""Run a network once without some filters: channels become zero where the units end."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from carviz.reference.functions import (
    ADDS,
    CHANNEL,
    DROPS,
    HANDS_ON,
    SCALES,
    hands_on,
    name_of,
    normalises,
)
from carviz.reference.watching import Call, End

Replace = Callable[[Tensor, Sequence[int], int], Tensor]
"""What is made of the maps at the end of a unit that loses some filters; which call it is of."""


class Remover(TorchFunctionMode):
    """Make channels zero where the units end; the ends are known."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting: list[tuple[Call, End, Callable[[Tensor], Tensor]]] = []
        self.sums: list[PartOfSum] = []
        self._complete = itertools.count()

    def at_end(self, maps: Tensor, filters: Sequence[int], call: int) -> Tensor:
        """Return what is made of the maps where a unit ends, or where a sum is complete."""
        return zeroed(maps, filters)

    def hook(self, ends: list[End], filters: list[int], replace: Replace) -> Any:
        """Return the hook that a convolution gets, for its calls in order."""
        count = 0

        def after(_module: nn.Module, _args: Any, output: Tensor) -> Tensor | None:
            nonlocal count
            if count >= len(ends) and len(set(ends)) > 1:
                raise RuntimeError(
                    "The network called its convolution more often without a filter than with it."
                )
            end = ends[min(count, len(ends) - 1)]
            change = functools.partial(_changed, replace, filters, count)
            count += 1
            if end.kind == "convolution":
                return change(output)
            self._waiting.append((Call([output]), end, change))
            return None

        return after

    def after_norm(self, name: str, args: Any, output: Any) -> Tensor | None:
        """Take the channels off what a normalisation gives, where a unit ends with it."""
        for call, end, change in self._waiting:
            if args and call.has(args[0]) and end == End("module", name):
                return change(output)
        return None

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        output = func(*args, **kwargs)
        first = args[0] if args else kwargs.get("input")
        name = name_of(func)
        if self.sums and isinstance(output, Tensor):
            output = self._sum(name, args, output)
        for call, end, change in self._waiting:
            if not call.has(first):
                continue
            if end.kind == "function" and normalises(name, args, kwargs):
                return change(output)
            if isinstance(output, Tensor) and hands_on(name, first, output):
                call.aliases.append(output)
        return output

    def _sum(self, name: str, args: Any, output: Tensor) -> Tensor:
        """Follow summands until their sum is complete; then take the channels off it."""
        given = [a for a in args[:2] if isinstance(a, Tensor)]
        parts = [p for a in given for p in self.sums if p.tensor is a]
        if not parts:
            return output
        if name in ADDS:  # a summand that is no convolution's is one that was not seen coming
            count = sum(p.count for p in parts) + len(given) - len(parts)
        elif name in SCALES or (given[0] is parts[0].tensor and name in HANDS_ON | DROPS):
            count = parts[0].count
        else:
            return output
        if count == parts[0].of:
            return self.at_end(output, parts[0].filters, next(self._complete))
        # What was added to in place is no longer the part that it was.
        self.sums = [p for p in self.sums if p.tensor is not output]
        self.sums.append(PartOfSum(output, count, parts[0].of, parts[0].filters))
        return output


@dataclasses.dataclass(frozen=True, eq=False)
class PartOfSum:
    """A tensor that is the sum of `count` summands of `of`."""

    tensor: Tensor
    count: int
    of: int
    filters: list[int]


def whole_sum(remover: Remover, of: int) -> Replace:
    """Return what notes a branch as a summand, where a branch alone would lose the channel."""

    def note(branch: Tensor, filters: Sequence[int], call: int) -> Tensor:
        remover.sums.append(PartOfSum(branch, 1, of, list(filters)))
        return branch

    return note


def _changed(replace: Replace, filters: Sequence[int], call: int, maps: Tensor) -> Tensor:
    return replace(maps, filters, call)


def zeroed(maps: Tensor, filters: Sequence[int]) -> Tensor:
    """Return a copy of maps in which some channels are zero, in every row."""
    where = torch.as_tensor(list(filters), device=maps.device)
    return maps.clone().index_fill_(CHANNEL, where, 0)
