"""Networks and random images for a GPU, and what carviz and its peers take for them."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import math
import time
from collections.abc import Iterator
from typing import Any

import torch
import torchvision
from peers import Case, computing, logits_of, site_of, timed, wait, without
from support.woken import wake
from torch import Tensor, nn

import carviz

BATCH = 256
"""Images of a peer's batch on a GPU."""
LOOK = 16
"""Filters of a loop after which it looks at the clock."""


@dataclasses.dataclass
class Subject:
    """A network on a device, with as many images as are ever wanted, on the CPU."""

    name: str
    model: nn.Module
    images: Tensor
    labels: Tensor
    banks: dict[str, int]
    device: str

    def data(self, count: int) -> tuple[Tensor, Tensor]:
        """Return the first images and their labels."""
        return self.images[:count], self.labels[:count]

    def case(self, count: int) -> Case:
        """Return the network with images where peers want them."""
        images = self.images[:count].to(self.device)
        return Case(
            self.name, self.model, images, list(self.banks), device=self.device, batch=BATCH
        )


def subject_of(name: str, count: int, device: str) -> Subject:
    """Return torchvision's network of a name, or the one of two banks that is "tiny"."""
    generator = torch.Generator().manual_seed(0)
    if name == "tiny":
        size, model = 12, _tiny()
    else:
        size, model = 224, getattr(torchvision.models, name)(weights=None)
    images = torch.randn(count, 3, size, size, generator=generator)
    # Coarse parts that differ between images, as photographs have them.
    coarse = torch.randn(count, 3, 6, 6, generator=generator)
    for part, rough in zip(images.split(256), coarse.split(256), strict=True):
        part.add_(torch.nn.functional.interpolate(rough, (size, size), mode="bilinear"))
    model = wake(model, images[:8]).requires_grad_(False).to(device)
    frame = carviz.list_banks(model)
    layers = frame[~frame.gate].layer
    banks = {layer: model.get_submodule(layer).out_channels for layer in layers}
    return Subject(name, model, images, _labels(model, images, device), banks, device)


def _tiny() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 8, 3), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5),
    )  # fmt: skip


@torch.inference_mode()
def _labels(model: nn.Module, images: Tensor, device: str) -> Tensor:
    """Return what the network predicts for four images of five, and any class for the fifth."""
    logits = [model(part.to(device)).cpu() for part in images.split(BATCH)]
    labels = torch.cat([part.argmax(1) for part in logits])
    labels[::5] = torch.arange(len(labels))[::5] % logits[0].shape[1]
    return labels


class TimeUpError(Exception):
    """A measurement has no time left."""


@dataclasses.dataclass
class Taken:
    """What something took: seconds, of which share, and what was found, where all was done.

    `prepared` are the seconds of what is done once, however many images there are.
    """

    seconds: float
    share: float = 1.0
    found: Any = None
    memory: float | None = None
    prepared: float = 0.0

    @property
    def whole(self) -> float | None:
        """Seconds of all of it, from the share that was done; None where nothing was."""
        return self.times(1.0)

    def times(self, factor: float) -> float | None:
        """Return the seconds for so many times as many images."""
        if self.share <= 0:
            return None
        return self.prepared + factor * (self.seconds - self.prepared) / self.share


def measure(subject: Subject, layer: str | None, count: int, precision: str, limit: float) -> Taken:
    """Return what carviz takes for one bank or, where None, for all banks in one call."""
    start, share, prepared = time.perf_counter(), 0.0, 0.0

    def tell(done: float) -> None:
        nonlocal share, prepared
        if share == 0:  # the first batch counts as preparation, too
            prepared = time.perf_counter() - start
        share = done
        if time.perf_counter() - start > limit:
            raise TimeUpError

    def run() -> Any:
        nonlocal start
        start = time.perf_counter()
        how = {"progress": tell, "run": carviz.Run(precision=precision)}
        with contextlib.suppress(TimeUpError):
            return carviz.measure_car(subject.model, subject.data(count), layer, **how)
        return None

    with peak(subject.device) as memory:
        seconds, found = timed(run, subject.device)
    return Taken(seconds, 1.0 if found is not None else share, found, memory.get("GB"), prepared)


@contextlib.contextmanager
def peak(device: str) -> Iterator[dict[str, float]]:
    """Give the most gigabytes that tensors took on a GPU inside."""
    found: dict[str, float] = {}
    if device == "cpu":
        yield found
        return
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    yield found
    found["GB"] = torch.cuda.max_memory_allocated() / 1e9


@torch.inference_mode()
def loop(
    subject: Subject, layer: str, count: int, precision: str, limit: float,
    *, last: bool = False,
) -> Taken:  # fmt: skip
    """Return what the hook loop takes, its predictions read; `last`: with channels last."""
    case = subject.case(count)
    if last:
        case = dataclasses.replace(
            case, model=copy.deepcopy(case.model).to(memory_format=torch.channels_last),
            images=case.images.contiguous(memory_format=torch.channels_last),
        )  # fmt: skip
    site = case.model.get_submodule(site_of(subject.case(1), layer))
    numbers, done = case.numbers(layer), 0
    with computing(precision):
        case.model(case.images[:BATCH])  # the library's kernels are loaded once
        wait(subject.device)
        start = time.perf_counter()
        for place, number in enumerate(numbers):
            with without(site, number):
                for batch in case.images.split(case.batch):
                    case.model(batch).argmax(1)
            done = place + 1
            if done % LOOK == 0:
                wait(subject.device)
                if time.perf_counter() - start > limit:
                    break
        wait(subject.device)
    return Taken(time.perf_counter() - start, done / len(numbers))


def answers(subject: Subject, layer: str, count: int) -> Tensor:
    """Return the hook loop's logits (filter, image, class) in float32."""
    case = subject.case(count)
    with computing("float32"):
        return logits_of(case, case.numbers(layer), case.model.get_submodule(site_of(case, layer)))


def ahead_from(sizes: list[int], mine: list[float | None], other: list[float | None]) -> Any:
    """Return from how many images on carviz takes less, by straight lines through two sizes."""
    if None in mine or None in other:
        return None
    (few, many), (a, b), (c, d) = sizes, mine, other
    own, theirs = (b - a) / (many - few), (d - c) / (many - few)
    if own >= theirs:
        return "nowhere" if b >= d else "as far as tried"
    return max(1, math.ceil(few + (a - c) / (theirs - own)))
