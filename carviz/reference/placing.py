"""Set other values than zero where a channel is last alone.

That is behind the activation that alone reads the unit, else where the unit ends.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor
from torch.utils._pytree import tree_leaves

from carviz.reference.functions import ASKS, CHANNEL, activates, hands_on, name_of
from carviz.reference.removing import Remover, Replace
from carviz.reference.watching import Call


class PlaceWatcher(Remover):
    """Watch who reads what the units give, and change nothing.

    Attributes
    ----------
    units
        By the number of the call, what the unit gives, and for each reader whether it is an
        activation.
    """

    def __init__(self) -> None:
        super().__init__()
        self.units: dict[int, tuple[Call, list[bool]]] = {}

    def at_end(self, maps: Tensor, filters: Sequence[int], call: int) -> Tensor:
        """Take in what a unit gives."""
        self.units[call] = Call([maps]), []
        return maps

    def behind(self) -> list[bool]:
        """Return for each call whether its place is behind an activation, or the unit's end."""
        return [readers == [True] for _, (_, readers) in sorted(self.units.items())]

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        # Before the step runs: what works in place gives the very tensor that it was given.
        given = [v for v in tree_leaves((args, kwargs or {})) if isinstance(v, Tensor)]
        read = [unit for unit in self.units.values() if any(unit[0].has(v) for v in given)]
        output = super().__torch_function__(func, types, args, kwargs)
        name = name_of(func)
        first: Any = args[0] if args else (kwargs or {}).get("input")
        if name in ASKS or name.startswith("is_"):
            return output
        for unit, readers in read:
            if not unit.has(first):
                readers.append(False)
            elif activates(name):
                readers.append(True)
                if output is first:
                    unit.aliases.clear()  # from here on it is what the activation made of it
            elif isinstance(output, Tensor) and hands_on(name, first, output):
                unit.aliases.append(output)
            else:
                readers.append(False)
        return output


class Placer(Remover):
    """Change the maps where the channels of a bank are last alone; these places are known.

    Parameters
    ----------
    behind
        For each call of the bank whether that is behind an activation.
    put
        What is made of the maps.
    """

    def __init__(self, behind: Sequence[bool], put: Replace) -> None:
        super().__init__()
        self._behind, self._put = behind, put
        self._following: list[tuple[Call, list[int], int]] = []

    def at_end(self, maps: Tensor, filters: Sequence[int], call: int) -> Tensor:
        """Change what a unit gives, or wait for its activation."""
        if not self._behind[min(call, len(self._behind) - 1)]:
            return self._put(maps, filters, call)
        self._following.append((Call([maps]), list(filters), call))
        return maps

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        waiting = list(self._following)
        output = super().__torch_function__(func, types, args, kwargs)
        name = name_of(func)
        first: Any = args[0] if args else (kwargs or {}).get("input")
        for followed in waiting:
            unit, filters, call = followed
            if not unit.has(first):
                continue
            if activates(name):
                self._following = [f for f in self._following if f is not followed]
                changed = self._put(output, filters, call)
                # Who works in place may have no use for what the function returns.
                return first.copy_(changed) if output is first else changed
            if isinstance(output, Tensor) and hands_on(name, first, output):
                unit.aliases.append(output)
        return output


def constants_put(constants: Tensor) -> Replace:
    """Return what sets channels to constants (call, filter); one row of them is for all calls."""

    def put(maps: Tensor, filters: Sequence[int], call: int) -> Tensor:
        maps = maps.clone()
        for filter in filters:
            value = constants[call if len(constants) > 1 else 0, filter]
            maps.select(CHANNEL, filter).fill_(float(value))
        return maps

    return put


def noted(maps_of: dict[int, Tensor]) -> Replace:
    """Return what changes nothing, and notes the maps of each call."""

    def put(maps: Tensor, filters: Sequence[int], call: int) -> Tensor:
        maps_of[call] = maps.clone()
        return maps

    return put


def others_put(maps_of: dict[int, Tensor]) -> Replace:
    """Return what sets channels to what they are in other maps, call by call."""

    def put(maps: Tensor, filters: Sequence[int], call: int) -> Tensor:
        maps = maps.clone()
        for filter in filters:
            maps.select(CHANNEL, filter).copy_(maps_of[call].select(CHANNEL, filter))
        return maps

    return put
