"""What stands in a removed channel's place: zero, or another value where the channel is last alone.

Zero is set where the unit ends (`carviz.banks.units`). Every other value is set behind the
activation that alone reads the unit, and where there is none at the unit's end
(`carviz.banks.places`): in front of a ReLU a negative number is zero again.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from numbers import Real
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, fx

from carviz.banks import CHANNEL
from carviz.evaluate import quiet_call

ValueName = Literal["zero", "mean", "resample", "optimal"]
NAMES = ("zero", "mean", "resample", "optimal")
QUANTILES = tuple(round(0.1 * n, 1) for n in range(1, 10))
"""Of a channel, which "optimal" chooses from."""
SEED = 0
"""Of the permutation of a chunk, of the halves of the images, and of the places of a quantile."""


@dataclasses.dataclass(frozen=True)
class Value:
    """What stands in a channel's place.

    Parameters
    ----------
    kind
        One of `NAMES`, or "number".
    number
        The number.
    """

    kind: str = "zero"
    number: float = 0.0

    @property
    def is_zero(self) -> bool:
        """Whether the channel is removed: zero where the unit ends."""
        return self.kind == "zero"

    @property
    def is_found(self) -> bool:
        """Whether it is a number a channel that the data tell."""
        return self.kind in ("mean", "optimal")

    @property
    def given(self) -> str | float:
        """The value as `measure_car` takes it."""
        return self.number if self.kind == "number" else self.kind

    @property
    def words(self) -> str:
        """What is set, in words."""
        return {
            "mean": "its mean",
            "resample": "the channel of another image",
            "optimal": "the constant of lowest mean -log p (chosen on the other half of the "
            "images)",
            "number": f"{self.number:g}",
        }.get(self.kind, "zero")


ZERO = Value()


def check_value(value: Any) -> Value:
    """Return what stands in a channel's place, as it was asked for.

    Raises
    ------
    TypeError, ValueError
        If it is neither one of the names nor a finite number.
    """
    rule = f"value is one of {', '.join(map(repr, NAMES))}, or a finite number"
    if isinstance(value, Value):
        return value
    if isinstance(value, str):
        if value not in NAMES:
            raise ValueError(f"{rule}; found {value!r}.")
        return Value(value)
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{rule}; found {type(value).__name__}.")
    if not math.isfinite(value) or abs(float(value)) > torch.finfo(torch.float32).max:
        raise ValueError(f"{rule}; found {float(value):g}.")
    return Value("number", float(value))


@dataclasses.dataclass(frozen=True, eq=False)
class Partners:
    """The images whose channels stand in those of other images.

    Parameters
    ----------
    images
        ``(image, channel, height, width)``: of each image that is measured, the other one.
    rows
        (image,) where each of them is among the images that are measured; None where not all are.
    """

    images: Tensor
    rows: Tensor | None = None


def partner_order(numbers: Sequence[int]) -> NDArray[np.int64]:
    """Return for each image of a chunk the place of its partner: another image, seeded.

    The chunk alone decides, whatever runs together: it is a circle through all of its images.

    Parameters
    ----------
    numbers
        The images' numbers in the data, two or more.
    """
    circle = np.random.default_rng([SEED, int(numbers[0])]).permutation(len(numbers))
    partner = np.empty(len(numbers), np.int64)
    partner[circle] = np.roll(circle, -1)
    return partner


@dataclasses.dataclass(eq=False)
class GraphFills:
    """What stands in the channels of a cut network's units.

    Parameters
    ----------
    places
        Maps images to the maps in which the values are set, one a unit.
    steps
        What follows in the head and works channel by channel; None for nothing. Where there are
        steps, there is one unit.
    constants
        (unit, filter), float64: what is set; one row is for all units. None for the channels of
        other images.
    """

    places: fx.GraphModule
    steps: fx.GraphModule | None
    constants: Tensor | None = None
    _sizes: dict[torch.Size, torch.Size] = dataclasses.field(default_factory=dict, repr=False)

    def of(
        self, banks: Sequence[Tensor], units: int, images: Tensor, partners: Partners | None
    ) -> tuple[Tensor, ...]:
        """Return what stands in the channels, behind the steps, one a unit.

        A channel that is constant goes through the same steps as one that is not, so that nothing
        need be known of what they do at a border. Constants are (filter, height, width), alike for
        all rows; the channels of other images are maps like the bank's.

        Parameters
        ----------
        banks
            What leaves the head.
        units
            How many units there are.
        images
            Those that `banks` is of.
        partners
            The other images.
        """
        if self.constants is None:
            assert partners is not None
            if partners.rows is not None and units == len(banks):
                return tuple(bank.index_select(0, partners.rows) for bank in banks)
            maps: Sequence[Tensor] = quiet_call(self.places, partners.images)
            return tuple(maps) if self.steps is None else (quiet_call(self.steps, maps[0]),)
        like = banks[0]
        # First the type, then the device: not every device knows float64.
        constants = self.constants.to(like.dtype).to(like.device)
        constants = constants.expand(units, -1)[:, :, None, None]
        if self.steps is None:
            return tuple(constants)
        if images.shape[1:] not in self._sizes:
            self._sizes[images.shape[1:]] = quiet_call(self.places, images[:1])[0].shape[CHANNEL:]
        size = self._sizes[images.shape[1:]]
        return (quiet_call(self.steps, constants.expand(1, *size).contiguous())[0],)
