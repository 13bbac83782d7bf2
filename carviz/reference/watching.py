"""Watch one pass of a network: who reads what a convolution gives, call by call."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from carviz.reference.functions import ASKS, hands_on, name_of, normalises


@dataclasses.dataclass(frozen=True)
class End:
    """Where the unit of one call ends.

    Parameters
    ----------
    kind
        "convolution", "function" (the call of `batch_norm` that alone reads it), or "module".
    module
        The name of the module whose output it is, for "module".
    """

    kind: str
    module: str = ""


@dataclasses.dataclass(eq=False)
class Call:
    """One call of a convolution in the pass that is watched, and who reads what it gives."""

    aliases: list[Tensor]
    readers: list[End | None] = dataclasses.field(default_factory=list)
    maps: Tensor | None = None

    def has(self, value: Any) -> bool:
        """Whether a value is the convolution's output, under any of its names."""
        return any(value is alias for alias in self.aliases)


def end_of(call: Call) -> End:
    """Return the end of a call's unit: behind its one reader, if that is a normalisation."""
    if len(call.readers) == 1 and call.readers[0] is not None:
        return call.readers[0]
    return End("convolution")


class Watcher(TorchFunctionMode):
    """Note who reads what a convolution gives, call by call."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []
        self._inside: list[tuple[Call | None, int]] = []

    def after_convolution(self, _module: nn.Module, _args: Any, output: Tensor) -> None:
        """Take in what a call of the convolution gives."""
        self.calls.append(Call([output], maps=output.clone()))

    def enter(self, args: Any) -> None:
        """Note that a module which may be a normalisation begins."""
        call = self._call(args[0]) if args else None
        self._inside.append((call, 0 if call is None else len(call.readers)))

    def leave(self, name: str, output: Any) -> None:
        """Note that it ends: what it did to its input is one reading."""
        call, before = self._inside.pop()
        if call is None or not isinstance(output, Tensor):
            return
        # What the module did with the tensor counts as one reading; if that was a call of
        # batch_norm it has been noted.
        if End("function") in call.readers[before:]:
            return
        call.readers.append(End("module", name))
        call.maps = output.clone()

    def _call(self, value: Any) -> Call | None:
        return next((call for call in self.calls if call.has(value)), None)

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        name = name_of(func)
        read = [c for v in tree_leaves((args, kwargs)) if (c := self._call(v)) is not None]
        output = func(*args, **kwargs)
        for call in {id(c): c for c in read}.values():
            self._note(call, name, args, kwargs, output)
        return output

    def _note(self, call: Call, name: str, args: Any, kwargs: Any, output: Any) -> None:
        if name in ASKS or name.startswith("is_"):
            return
        inside = any(c is call for c, _ in self._inside)
        first = args[0] if args else kwargs.get("input")
        if normalises(name, args, kwargs) and call.has(first):
            call.readers.append(End("function"))
            call.maps = output.clone()
        elif inside:
            return
        elif call.has(first) and isinstance(output, Tensor) and hands_on(name, first, output):
            call.aliases.append(output)
        else:
            call.readers.append(None)
