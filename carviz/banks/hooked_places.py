"""Where a channel is last alone in a network without a graph: at the outputs of modules."""

from __future__ import annotations

import collections
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from torch import Tensor, nn

from carviz.banks.batch_norms import BatchNorm
from carviz.banks.hooked_ends import Call, HookedEnds, OutOfReachError, ReaderWatcher
from carviz.banks.places import ACTIVATION_NAMES, ACTIVATIONS
from carviz.interrupts import whole


def hooked_places(
    model: nn.Module, ends: HookedEnds, images: Tensor, norms: dict[str, BatchNorm]
) -> HookedEnds:
    """Return where a bank's channels are last alone, as forward hooks can reach it.

    That is behind the activation that alone reads the unit, else where the unit ends; see
    `carviz.banks.places`.

    Parameters
    ----------
    model
        A copy in evaluation mode that nobody else runs now.
    ends
        Where the bank's units end.
    images
        A few images ``(image, channel, height, width)``.
    norms
        The model's batch normalisations.

    Raises
    ------
    OutOfReachError
        If the activation is no module.
    """
    watcher = ReaderWatcher(ends.layer, ACTIVATION_NAMES)
    units: list[Call] = []

    def note(output: Tensor, call: Call) -> Tensor:
        watcher.called(output)
        units.append(call)
        return output

    with ExitStack() as hooks:
        for name, module in model.named_modules():
            if type(module) in ACTIVATIONS:
                for handle in (
                    module.register_forward_pre_hook(_entering(watcher, name), with_kwargs=True),
                    module.register_forward_hook(_leaving(watcher, name)),
                ):
                    hooks.callback(handle.remove)
        hooks.enter_context(ends.placing(model, note))
        with whole(lambda: watcher):
            model(images.clone())
    counts = collections.Counter(watcher.counts) | collections.Counter(ends.counts)
    found = dict(zip(units, watcher.readers, strict=True))
    places = tuple(_place(call, found.get(call, []), norms) for call in ends.ends)
    return HookedEnds(ends.layer, places, dict(counts))


def _entering(watcher: ReaderWatcher, name: str) -> Callable[[nn.Module, Any, Any], None]:
    def enter(_module: nn.Module, args: Any, kwargs: Any) -> None:
        watcher.enter(name, args or (kwargs.get("input"),))

    return enter


def _leaving(watcher: ReaderWatcher, name: str) -> Callable[[nn.Module, Any, Any], None]:
    def leave(_module: nn.Module, _args: Any, output: Any) -> None:
        watcher.leave(name)
        watcher.forget(output)

    return leave


def _place(end: Call, readers: list[Call | None], norms: dict[str, BatchNorm]) -> Call:
    norm = norms.get(end[0])
    if norm is not None and not norm.plain:
        return end  # the activation is inside
    if len(readers) != 1 or readers[0] is None:
        return end
    if not readers[0][0]:
        raise OutOfReachError(
            f"the activation that alone reads the unit that ends at {end[0]!r} is no module"
        )
    return readers[0]
