"""Plans that run the whole network for every filter: under forward hooks, or by the reference."""

from __future__ import annotations

import dataclasses
import functools
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from carviz.ablation.batches import Batch, take
from carviz.ablation.values import ZERO, Partners, Value
from carviz.banks import Call, HookedEnds, OutOfReachError, zero_channels
from carviz.evaluate import AS_IS, Pick
from carviz.reference import Reference

Values = tuple[Any, ...]
"""What a head gives: first the bank's maps, one a unit (or the images, where there is no head)."""

Constants = Tensor | None
"""(unit, filter), float64: what channels are set to; one row is for all units."""


class RowsError(ValueError):
    """A bank's maps have other rows than the batch has images: a batch loses one filter only."""


@dataclasses.dataclass(eq=False)
class HookPlan:
    """The whole network for every filter, with the channel zeroed by forward hooks.

    Parameters
    ----------
    model
        A copy that nobody else runs.
    ends
        Where the units of the bank end.
    gone
        Ends and filters of banks that have lost some for good.
    value
        What stands in a channel's place; then `ends` are where that is set.
    constants
        The numbers, where it is a number a channel.
    """

    model: nn.Module
    ends: HookedEnds
    pick: Pick = AS_IS
    rows_independent: bool = True
    classes: int = 0
    how: str = "hooks"
    gone: dict[str, tuple[HookedEnds, list[int]]] = dataclasses.field(default_factory=dict)
    value: Value = ZERO
    constants: Constants = None

    @property
    def where(self) -> str:
        """The ablation in words."""
        if self.value.is_zero:
            return describe_modules(self.ends)
        return f"{self.value.words} at {describe_places(self.ends, self.model)}"

    def head(self, images: Tensor) -> Values:
        """Nothing can be shared without a graph."""
        return (images,)

    def filled(self, values: Values, _of: Tensor, partners: Partners | None) -> Values:
        """Return the images, and beside them those whose channels stand in theirs."""
        return values if partners is None else (*values, partners.images)

    def place_maps(self, images: Tensor) -> list[Tensor]:
        """Return the maps in which values are set, one a unit."""
        maps = self._maps(images)
        # A loop over images makes as many calls as there are, and not as when it was watched.
        watched = [call for call in self.ends.ends if call in maps]
        return [maps[call] for call in dict.fromkeys([*watched, *maps])]

    def set_constants(self, constants: Constants) -> None:
        """Say what channels are set to."""
        self.constants = constants

    def _maps(self, images: Tensor) -> dict[Call, Tensor]:
        """Return what leaves the ends, by the modules and their calls."""
        maps: dict[Call, Tensor] = {}

        def note(output: Tensor, call: Call) -> Tensor:
            maps[call] = output.clone()  # for what works in place behind it
            return output

        with self.ends.placing(self.model, note):
            self.model(images.clone())
        return maps

    def _fill(self, maps: dict[Call, Tensor], call: Call, like: Tensor) -> Tensor:
        """Return what stands in the channels of a call."""
        if self.constants is None:
            return maps[call]
        unit = 0
        if len(self.constants) > 1:
            if call not in self.ends.ends:
                raise OutOfReachError(f"{call[0]!r} is called more often than when it was watched")
            unit = self.ends.ends.index(call)
        return self.constants[unit].to(like.dtype).to(like.device)[:, None, None]

    def tail(self, values: Values, batch: Batch, value: Any = 0) -> Tensor:
        """Run the whole network under the hooks."""
        images, channels = _images(values, batch), batch.channels
        # Once for the partners, as many as these images, so that calls and rows are alike.
        maps = self._maps(_images(values, batch, 1)) if len(values) > 1 else {}

        def without(given: Tensor, call: Call) -> Tensor:
            if len(channels) > 1 and (given.ndim != 4 or len(given) != len(images)):
                raise RowsError(
                    f"maps of shape {tuple(given.shape)} have other rows than {len(images)} images"
                )
            fill = value if self.value.is_zero else self._fill(maps, call, given)
            return zero_channels(given, channels, fill)

        with ExitStack() as hooks:
            for ends, filters in self.gone.values():
                lost = functools.partial(
                    zero_channels, channels=torch.tensor([filters], device=images.device)
                )
                hooks.enter_context(ends.replacing(self.model, lost))
            hooks.enter_context(self.ends.placing(self.model, without))
            # A clone, for networks that normalise their input in place.
            with self.pick.reading() as read:
                return read(self.model(images.clone()))

    def active(self, values: Values) -> Tensor | None:
        """Not known without a graph: who reads the channel cannot be seen."""
        return None

    def modules(self) -> tuple[nn.Module, ...]:
        """Return what holds its weights."""
        return (self.model,)


@dataclasses.dataclass(eq=False)
class ReferencePlan:
    """The reference of the audit measures by itself, one filter a pass: slow, and right.

    Parameters
    ----------
    reference
        A reference of its own.
    layer
        The bank.
    gone
        Filters of any banks that are gone for good.
    value
        What stands in a channel's place.
    constants
        The numbers, where it is a number a channel.
    """

    reference: Reference
    layer: str
    where: str
    classes: int = 0
    rows_independent: bool = False
    how: str = "reference"
    gone: dict[str, list[int]] = dataclasses.field(default_factory=dict)
    value: Value = ZERO
    constants: Constants = None

    @property
    def pick(self) -> Pick:
        """Finds the logits."""
        return self.reference.pick

    def head(self, images: Tensor) -> Values:
        """Nothing is shared."""
        return (images,)

    def tail(self, values: Values, batch: Batch, value: Any = 0) -> Tensor:
        """Run the whole network without one set of channels."""
        images = _images(values, batch)
        filters = [int(c) for c in batch.sets[0] if c >= 0]
        gone = {**self.gone, self.layer: [*self.gone.get(self.layer, []), *filters]}
        partners = _images(values, batch, 1) if len(values) > 1 else None
        return self.reference.without(images, gone, constants=self.constants, partners=partners)

    def filled(self, values: Values, _of: Tensor, partners: Partners | None) -> Values:
        """Return the images, and beside them those whose channels stand in theirs."""
        return values if partners is None else (*values, partners.images)

    def place_maps(self, images: Tensor) -> list[Tensor]:
        """Return the maps in which values are set, one a unit."""
        return self.reference.maps(images, self.layer)

    def set_constants(self, constants: Constants) -> None:
        """Say what channels are set to."""
        self.constants = constants

    def active(self, values: Values) -> Tensor | None:
        """Not known."""
        return None

    def modules(self) -> tuple[nn.Module, ...]:
        """Return what holds its weights."""
        return (self.reference.model,)


def describe_modules(ends: HookedEnds) -> str:
    """Return in words where a bank's channels become zero."""
    own = ", the convolution's own BatchNorm" if set(ends.modules) - {ends.layer} else ""
    return f"zero at the output of {' and '.join(map(repr, ends.modules))}{own}"


def describe_places(places: HookedEnds, model: nn.Module) -> str:
    """Return in words where the values of a bank are set."""
    names = (f"{name!r} ({type(model.get_submodule(name)).__name__})" for name in places.modules)
    return f"the output of {' and '.join(names)}"


def _images(values: Values, batch: Batch, of: int = 0) -> Tensor:
    """Return a batch's images where the head is nothing."""
    images: Tensor = values[of]
    return images if batch.rows is None else take(images, batch.rows)
