"""Small networks of every kind that compression meets, awake, with where each bank becomes zero."""

from typing import ClassVar, NamedTuple

import torch
from support.woken import smooth_images, wake
from torch import Tensor, nn
from torch.nn import functional

CLASSES = 5


class Plain(nn.Module):
    """Convolutions with and without BatchNorm, a grouped one, a flattening, a hidden layer."""

    sites: ClassVar = {"first": "norm", "second": "second", "third": "third"}

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 6, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(6)
        self.second = nn.Conv2d(6, 5, 3, stride=2, padding=1)
        self.third = nn.Conv2d(5, 7, 1)
        self.hidden = nn.Linear(7 * 9, 8)
        self.last = nn.Linear(8, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        maps = functional.max_pool2d(torch.relu_(self.norm(self.first(images))), 2)
        maps = functional.elu(self.third(functional.silu(self.second(maps))))
        return self.last(torch.relu(self.hidden(maps.flatten(1))))


class Skipping(nn.Module):
    """Two residual blocks; the banks inside them are free, those at the skip are not."""

    sites: ClassVar = {
        "stem": "stem_norm",
        "a1": "a1_norm",
        "a2": "a2_norm",
        "b1": "b1_norm",
        "b2": "b2",
    }
    free = ("a1", "b1")
    coupled = ("stem", "a2", "b2")

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.stem_norm = nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.a1, self.a1_norm = nn.Conv2d(6, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.a2, self.a2_norm = nn.Conv2d(4, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.b1, self.b1_norm = nn.Conv2d(6, 5, 3, padding=1), nn.BatchNorm2d(5)
        self.b2 = nn.Conv2d(5, 6, 1)
        self.last = nn.Linear(6, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        maps = torch.relu(self.stem_norm(self.stem(images)))
        branch = self.a2_norm(self.a2(torch.relu(self.a1_norm(self.a1(maps)))))
        maps = torch.relu(maps + branch)
        maps = torch.relu(maps + self.b2(torch.relu(self.b1_norm(self.b1(maps)))))
        return self.last(maps.mean((2, 3)))


class Dense(nn.Module):
    """Concatenations that BatchNorms read: none of them is one convolution's own."""

    sites: ClassVar = {"a": "a", "b": "b", "c": "c_norm"}

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.a_before = nn.BatchNorm2d(4)
        self.a = nn.Conv2d(4, 3, 3, padding=1, bias=False)
        self.b_before = nn.BatchNorm2d(7)
        self.b = nn.Conv2d(7, 5, 1, bias=False)
        self.c_before = nn.BatchNorm2d(12)
        self.c = nn.Conv2d(12, 6, 1)
        self.c_norm = nn.BatchNorm2d(6)
        self.last_norm = nn.BatchNorm2d(18)
        self.last = nn.Linear(18, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.stem(images)
        maps = torch.cat([maps, self.a(torch.relu(self.a_before(maps)))], 1)
        maps = torch.cat([maps, self.b(functional.relu6(self.b_before(maps)))], 1)
        c = self.c_norm(self.c(functional.hardswish(self.c_before(maps))))
        both = torch.cat([c, maps], 1)
        return self.last(functional.avg_pool2d(torch.relu(self.last_norm(both)), 12).flatten(1))


class Depthwise(nn.Module):
    """An inverted residual block: expansion, depthwise convolution, projection."""

    sites: ClassVar = {
        "expand": "expand_norm",
        "depthwise": "depthwise_norm",
        "project": "project_norm",
    }

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.expand, self.expand_norm = nn.Conv2d(4, 8, 1, bias=False), nn.BatchNorm2d(8)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False)
        self.depthwise_norm = nn.BatchNorm2d(8)
        self.project, self.project_norm = nn.Conv2d(8, 6, 1, bias=False), nn.BatchNorm2d(6)
        self.last = nn.Conv2d(6, CLASSES, 1)

    def forward(self, images: Tensor) -> Tensor:
        maps = functional.relu6(self.expand_norm(self.expand(self.stem(images))))
        maps = functional.relu6(self.depthwise_norm(self.depthwise(maps)))
        return self.last(self.project_norm(self.project(maps))).mean((2, 3))


class Example(NamedTuple):
    """A network that is awake, and images with labels."""

    model: nn.Module
    data: tuple[Tensor, Tensor]


def example(kind: type[nn.Module], seed: int = 0) -> Example:
    with torch.random.fork_rng(devices=[]):
        model = kind()
    images = smooth_images(12, 12, seed=seed)
    wake(model, images, seed)
    with torch.no_grad():
        return Example(model, (images, model(images).argmax(1)))
