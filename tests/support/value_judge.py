"""The slow judge of other values than zero: a loop of forward hooks where a value is set by hand.

Nothing here imports carviz. Where a value is set is written down with each network: a module, and
which of its calls; behind the activation that alone reads the unit, else where the unit ends.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Put = Callable[[Tensor, int], None]
"""Changes a copy of the maps, told which call it is."""
SIZE, CLASSES = 8, 6


@contextmanager
def _at(model: nn.Module, place: str, calls: Sequence[int] | None, put: Put) -> Any:
    count = 0

    def hook(_module: nn.Module, _inputs: Any, output: Tensor) -> Tensor | None:
        nonlocal count
        number, count = count, count + 1
        if calls is not None and number not in calls:
            return None
        changed = output.clone()
        put(changed, number if calls is None else list(calls).index(number))
        return changed

    handle = model.get_submodule(place).register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


@torch.no_grad()
def maps_at(
    model: nn.Module, images: Tensor, place: str, calls: Sequence[int] | None = None
) -> list[Tensor]:
    """Return what leaves a place, one tensor a call."""
    maps: list[Tensor] = []
    network = copy.deepcopy(model).eval()
    with _at(network, place, calls, lambda m, _c: maps.append(m.clone())):
        network(images.clone())
    return maps


def means_at(
    model: nn.Module, images: Tensor, place: str, calls: Sequence[int] | None = None
) -> Tensor:
    """Return the mean of each channel, (call, filter), in float64."""
    maps = maps_at(model, images, place, calls)
    return torch.stack([m.double().movedim(-3, 0).flatten(1).mean(1) for m in maps])


@torch.no_grad()
def valued_logits(
    model: nn.Module, images: Tensor, place: str, filters: Sequence[int], *,
    constants: Tensor | None = None, partners: Tensor | None = None,
    calls: Sequence[int] | None = None,
) -> Tensor:  # fmt: skip
    """Return logits (filter, image, class) with one channel set, one filter after another.

    Parameters
    ----------
    constants
        (call, filter) what it is set to; one row for all calls.
    partners
        The images, as many, whose channel it becomes.
    """
    network = copy.deepcopy(model).eval()
    others = [] if partners is None else maps_at(model, partners, place, calls)
    found = []
    for number in filters:

        def put(maps: Tensor, call: int, number: int = number) -> None:
            if constants is None:
                maps.select(-3, number).copy_(others[call].select(-3, number))
            else:
                maps.select(-3, number).fill_(constants[min(call, len(constants) - 1), number])

        with _at(network, place, calls, put):
            found.append(network(images.clone()))
    return torch.stack(found)


def chain(*layers: nn.Module) -> nn.Sequential:
    """Return layers behind a convolution of six filters and its activation, and a classifier."""
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.LazyLinear(CLASSES))


class Skip(nn.Module):
    """A branch that ends with a BatchNorm and is added: there is no activation of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.conv, self.norm = nn.Conv2d(6, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.relu, self.last = nn.ReLU(inplace=True), chain(nn.Conv2d(6, 5, 3))

    def forward(self, images: Tensor) -> Tensor:
        maps = self.relu(self.stem(images))
        return self.last(self.relu(maps + self.norm(self.conv(maps))))


class SharedActivation(nn.Module):
    """One ReLU module serves two convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.other = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 6, 3, padding=1)
        self.relu, self.last = nn.ReLU(inplace=True), chain(nn.Conv2d(6, 5, 3))

    def forward(self, images: Tensor) -> Tensor:
        return self.last(self.relu(self.other(self.relu(self.conv(images)))))


class TwoReaders(nn.Module):
    """The convolution is read by its ReLU and by a skip: no activation alone reads it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.next = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 6, 3, padding=1)
        self.relu, self.last = nn.ReLU(), chain(nn.Conv2d(6, 5, 3))

    def forward(self, images: Tensor) -> Tensor:
        maps = self.conv(images)
        return self.last(self.relu(self.next(self.relu(maps)) - maps))


class TwoNexts(nn.Module):
    """Two convolutions and a skip read what leaves the activation."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.relu = nn.ReLU()
        self.left, self.right = nn.Conv2d(6, 6, 3, padding=1), nn.Conv2d(6, 6, 1, groups=3)
        self.last = chain(nn.Conv2d(6, 5, 3))

    def forward(self, images: Tensor) -> Tensor:
        maps = self.relu(self.norm(self.conv(images)))
        return self.last(F.gelu(self.left(maps) + self.right(maps)) + maps)


class Dilated(nn.Module):
    """One convolution called twice, with two normalisations and one activation."""

    def __init__(self, *, one_behind_another: bool = False) -> None:
        super().__init__()
        self.behind = one_behind_another
        self.stem = nn.Conv2d(3, 6, 1)
        self.conv = nn.Conv2d(6, 6, 3, padding=1)
        self.one, self.two = nn.BatchNorm2d(6), nn.BatchNorm2d(6)
        self.relu, self.last = nn.ReLU(), chain(nn.Conv2d(6, 5, 3))

    def forward(self, images: Tensor) -> Tensor:
        maps = self.stem(images)
        one = self.relu(self.one(self.conv(maps)))
        two = self.relu(self.two(self.conv(one if self.behind else maps.flip(3))))
        return self.last(one + two * 0.5)


class Crops(nn.Module):
    """Two crops of each image are rows of their own, which the classifier joins again."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.relu = nn.Conv2d(3, 6, 3, padding=1), nn.ReLU()
        self.last = chain(nn.Conv2d(6, 5, 3))

    def forward(self, images: Tensor) -> Tensor:
        crops = torch.stack([images[..., :6], images[..., 2:]], 1).flatten(0, 1)
        return self.last(self.relu(self.conv(crops))).unflatten(0, (-1, 2)).mean(1)


class Hooked(nn.Module):
    """A path that depends on the images' values: torch.fx cannot trace it."""

    def __init__(self, *, function: bool = False) -> None:
        super().__init__()
        self.function = function
        self.conv, self.norm = nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.relu, self.last = nn.ReLU(inplace=True), chain(nn.Conv2d(6, 5, 3))
        self.place = nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        maps = self.norm(self.conv(images))
        if not bool(torch.isfinite(images).all()):
            return maps
        # Behind the function stands a place that the judge can reach; it is the same.
        maps = self.place(F.relu(maps, inplace=True)) if self.function else self.relu(maps)
        return self.last(maps)


class Named(nn.Module):
    """An activation that is told its input by name; torch.fx can trace it or not."""

    def __init__(self, *, hooked: bool = False) -> None:
        super().__init__()
        self.hooked = hooked
        self.conv, self.relu = nn.Conv2d(3, 6, 3, padding=1), nn.ReLU()
        self.last = chain(nn.Conv2d(6, 5, 3))

    def forward(self, images: Tensor) -> Tensor:
        maps = self.conv(images)
        if self.hooked and not bool(torch.isfinite(images).all()):
            return maps
        return self.last(self.relu(input=maps))


class OneByOne(nn.Module):
    """A loop over the images: as many calls as there are, and one number for all of them."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.relu = nn.Conv2d(3, 6, 3, padding=1), nn.ReLU()
        self.last = chain(nn.Conv2d(6, 5, 3))

    def forward(self, images: Tensor) -> Tensor:
        each = [self.relu(self.conv(image)) for image in images]
        return self.last(torch.stack(each))


class Branches(nn.Module):
    """A sum of two convolutions of one tensor, which counts as a bank, and its ReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 1)
        self.a, self.b = nn.Conv2d(6, 6, 3, padding=1), nn.Conv2d(6, 6, 1)
        self.relu, self.last = nn.ReLU(), chain(nn.Conv2d(6, 5, 3))

    def forward(self, images: Tensor) -> Tensor:
        maps = self.stem(images)
        return self.last(self.relu(self.a(maps) + self.b(maps)))


def _conv(*behind: nn.Module) -> Callable[[], nn.Module]:
    return lambda: chain(nn.Conv2d(3, 6, 3, padding=1), *copy.deepcopy(behind))


NETWORKS: dict[str, tuple[Callable[[], nn.Module], str, str, Sequence[int] | None]] = {
    "conv-relu": (_conv(nn.ReLU(inplace=True), nn.Conv2d(6, 5, 3, padding=1)), "0", "1", None),
    "conv-bn-relu": (
        _conv(nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 5, 3, stride=2, dilation=2, padding=2)),
        "0", "2", None,
    ),
    "gelu": (_conv(nn.GELU(), nn.Conv2d(6, 5, 3)), "0", "1", None),
    "prelu behind dropout": (
        _conv(nn.Dropout(), nn.PReLU(6), nn.Conv2d(6, 5, 3)), "0", "2", None
    ),
    "sigmoid": (_conv(nn.Sigmoid(), nn.Conv2d(6, 5, 3, padding=1)), "0", "1", None),
    "no activation": (_conv(nn.Conv2d(6, 5, 3, padding=1)), "0", "0", None),
    "pool before the activation": (
        _conv(nn.MaxPool2d(2), nn.ReLU(), nn.Conv2d(6, 5, 3, padding=1)), "0", "0", None
    ),
    "max pool": (
        _conv(nn.ReLU(), nn.MaxPool2d(3, 2, padding=1), nn.Conv2d(6, 5, 3)), "0", "1", None
    ),
    "average pool with a border": (
        _conv(nn.ReLU(), nn.AvgPool2d(3, 2, padding=1), nn.Conv2d(6, 5, 3)), "0", "1", None
    ),
    "upsampling and a ReLU6": (
        _conv(nn.LeakyReLU(), nn.Upsample(scale_factor=2, mode="bilinear"), nn.ReLU6(),
              nn.Conv2d(6, 5, 3)), "0", "1", None,
    ),
    "depthwise": (
        _conv(nn.SiLU(), nn.Conv2d(6, 12, 3, padding=1, groups=6), nn.ReLU()), "0", "1", None
    ),
    "circular border": (
        _conv(nn.ReLU(), nn.Conv2d(6, 5, 3, padding=1, padding_mode="circular")), "0", "1", None
    ),
    "flatten": (
        lambda: nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(CLASSES)),
        "0", "1", None,
    ),
    "another BatchNorm": (
        _conv(nn.ReLU(), nn.BatchNorm2d(6), nn.Conv2d(6, 5, 3, padding=1)), "0", "1", None
    ),
    "residual": (Skip, "conv", "norm", None),
    "shared activation": (SharedActivation, "conv", "relu", [0]),
    "two readers": (TwoReaders, "conv", "conv", None),
    "two nexts": (TwoNexts, "conv", "relu", None),
    "dilated": (Dilated, "conv", "relu", None),
    "dilated, one behind another": (
        lambda: Dilated(one_behind_another=True), "conv", "relu", None
    ),
    "crops": (Crops, "conv", "relu", None),
    "hooks": (Hooked, "conv", "relu", None),
    "out of hooks' reach": (lambda: Hooked(function=True), "conv", "place", None),
    "by name": (Named, "conv", "relu", None),
    "by name, hooks": (lambda: Named(hooked=True), "conv", "relu", None),
    "one by one": (OneByOne, "conv", "relu", None),
    "sum": (Branches, "a + b", "relu", None),
}  # fmt: skip
"""By name: what makes the network, the bank, and the place by hand: a module and its calls."""
