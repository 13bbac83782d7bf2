"""Networks of a few lines whose CAR can be worked out by hand, and small random ones."""

import torch
from torch import Tensor, nn


def planted() -> tuple[nn.Sequential, tuple[Tensor, Tensor]]:
    """Return a network of four filters and eight images with known CAR.

    The images are one-pixel numbers. Filter 0 sees positive ones and alone votes for class 0,
    filter 1 sees negative ones and votes for class 1 together with its twin, filter 2. Filter 3
    misleads: it sees numbers above 3 and votes for class 1 there, strongly. Ties go to class 0.

    Images 1, 2, 3 (class 0) are right; 4 and 5 (class 0) are wrong because of filter 3; -1, -2
    (class 1) are right; -3 has label 0 and is wrong.
    """
    conv = nn.Conv2d(1, 4, 1)
    with torch.no_grad():
        conv.weight.copy_(torch.tensor([1.0, -1.0, -1.0, 1.0]).view(4, 1, 1, 1))
        conv.bias.copy_(torch.tensor([0.0, 0.0, 0.0, -3.0]))
        votes = nn.Linear(4, 2, bias=False)
        #                                    0    1    2    3
        votes.weight.copy_(torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 1.0, 9.0]]))
    network = nn.Sequential(
        conv, nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten(), votes
    )
    numbers = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0, -1.0, -2.0, -3.0])
    labels = torch.tensor([0, 0, 0, 0, 0, 1, 1, 0])
    return network, (numbers.view(-1, 1, 1, 1), labels)


class Residual(nn.Module):
    """A skip that reads the first bank before its in-place ReLU, and a concatenation."""

    def __init__(self, classes: int = 5) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 6, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.second = nn.Conv2d(6, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.third = nn.Conv2d(12, 8, 3, stride=2, groups=2)
        self.last = nn.Linear(8, classes)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.first(images)
        branch = self.norm(self.second(torch.relu(maps)))
        summed = self.relu(maps + branch)
        both = torch.cat([summed, maps], 1)
        both += 0.1
        return self.last(self.third(both).mean((2, 3)))


class Stubborn(nn.Module):
    """A network that torch.fx cannot trace: its path depends on the image's values."""

    def __init__(self, classes: int = 5, own: bool = True) -> None:
        super().__init__()
        self.own = own
        self.conv = nn.Conv2d(3, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.last = nn.Linear(6, classes)

    def forward(self, images: Tensor) -> Tensor:
        if images.sum() > 1e12:
            return self.last(images)
        maps = self.conv(images)
        normed = self.norm(maps)
        if not self.own:
            normed = normed + maps
        return self.last(torch.relu(normed).mean((2, 3)))


class Twice(nn.Module):
    """One bank used twice in the forward pass."""

    def __init__(self, classes: int = 5) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.shared = nn.Conv2d(4, 4, 3, padding=1)
        self.last = nn.Linear(4, classes)

    def forward(self, images: Tensor) -> Tensor:
        maps = torch.relu(self.shared(self.stem(images)))
        maps = torch.relu(self.shared(maps))
        return self.last(maps.mean((2, 3)))


class Fork(nn.Module):
    """A bank read by two convolutions and, in one kind, by a skip as well."""

    def __init__(self, skip: bool = True) -> None:
        super().__init__()
        self.skip = skip
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.narrow = nn.Conv2d(4, 4, 1)
        self.wide = nn.Conv2d(4, 4, 3, padding=1)
        self.last = nn.Linear(8, 5)

    def forward(self, images: Tensor) -> Tensor:
        maps = torch.relu(self.first(images))
        both = torch.cat([self.narrow(maps), self.wide(maps)], 1)
        if self.skip:
            both = both + torch.cat([maps, maps], 1)
        return self.last(torch.relu(both).mean((2, 3)))


class Pooled(nn.Module):
    """Padded and ceil-mode pooling, a depthwise reader, and a convolution for the last layer."""

    def __init__(self, classes: int = 5) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.padded = nn.MaxPool2d(3, 2, padding=1)
        self.depthwise = nn.Conv2d(6, 12, 3, groups=6, padding=1, padding_mode="reflect")
        self.ceil = nn.AvgPool2d(4, 3, ceil_mode=True, count_include_pad=False)
        self.last = nn.Conv2d(12, classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.padded(torch.relu_(self.norm(self.first(images))))
        maps = self.ceil(nn.functional.silu(self.depthwise(maps), inplace=True))
        return self.last(maps).amax((2, 3))


def random_images(count: int = 24, classes: int = 5, size: int = 12) -> tuple[Tensor, Tensor]:
    """Return images and labels from a fixed seed."""
    generator = torch.Generator().manual_seed(7)
    images = torch.randn(count, 3, size, size, generator=generator)
    return images, torch.randint(0, classes, (count,), generator=generator)
