"""A network that stops where a test says, so that what happens during a run can be tried."""

import threading
from collections.abc import Callable
from contextlib import contextmanager

import torch
from torch import Tensor, nn

CLASSES, IMAGES = 5, 80


class Gate:
    """Counts the passes of the tail; `at(n)` stops the one that comes n-th until `open`."""

    def __init__(self) -> None:
        self.passes = 0
        self.act: Callable[[int], None] | None = None

    @contextmanager
    def closed(self, after: int):
        """Stop every pass after so many more; within, `reached` says that one is waiting."""
        reached, opened, first = threading.Event(), threading.Event(), self.passes

        def stop(number: int) -> None:
            if number > first + after:
                reached.set()
                assert opened.wait(20)

        self.act = stop
        try:
            yield reached, opened
        finally:
            self.act = None
            opened.set()


GATE = Gate()


class Gated(nn.Conv2d):
    """A convolution, kept whole by the trace, that passes the gate."""

    def forward(self, images: Tensor) -> Tensor:
        if not isinstance(images, torch.fx.Proxy):
            GATE.passes += 1
            if GATE.act is not None:
                GATE.act(GATE.passes)
        return super().forward(images)


class Network(nn.Module):
    """Three banks; the third one is the gate, and the first reads RGB."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 6, 3, padding=1)
        self.second = nn.Conv2d(6, 4, 3, padding=1)
        self.third = Gated(4, 8, 1)
        self.last = nn.Linear(8, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        maps = torch.relu(self.second(torch.relu(self.first(images))))
        return self.last(torch.relu(self.third(maps)).mean((2, 3)))


def network(seed: int = 0) -> Network:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = Network().eval()
    with torch.no_grad():
        for module in (made.first, made.second, made.third):
            module.weight.mul_(3)
        images, _ = data(0)
        logits = made(images)
        made.last.weight.div_(logits.std(0)[:, None])
        made.last.bias.sub_(logits.mean(0)).div_(logits.std(0))
    return made


def data(seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(IMAGES, 3, 8, 8, generator=generator)
    return images, torch.randint(0, CLASSES, (IMAGES,), generator=generator)
