"""Small networks that can be loaded by name, and carry what `load_model` gives a network."""

import torch
from torch import nn
from torchvision import transforms

NAMES = ("ant", "bee", "cat", "dog", "eel")
SIDE = 8


def prepared(side=SIDE, mean=0.5):
    steps = [
        transforms.Resize(side), transforms.CenterCrop(side), transforms.ToTensor(),
        transforms.Normalize((mean,) * 3, (0.25,) * 3),
    ]  # fmt: skip
    return transforms.Compose(steps)


class Small(nn.Module):
    """Two banks, one of which reads RGB; it carries what `load_model` gives a network."""

    def __init__(self, filters=4, classes=NAMES, **how) -> None:
        super().__init__()
        self.classes = tuple(classes)
        self.transform = prepared(**how)
        self.stem = nn.Conv2d(3, filters, 3, padding=1)
        self.deep = nn.Conv2d(filters, 3, 3, padding=1)
        self.last = nn.Linear(3, len(self.classes))

    def forward(self, images):
        maps = torch.relu(self.deep(torch.relu(self.stem(images))))
        return self.last(maps.mean((2, 3)))


class Dense(nn.Module):
    """No convolution, so nothing to explore."""

    def __init__(self) -> None:
        super().__init__()
        self.classes, self.transform = NAMES, prepared()
        self.last = nn.Linear(3, len(NAMES))

    def forward(self, images):
        return self.last(images.mean((2, 3)))


class Large(Small):
    """Looks at images of 16 × 16 only."""

    def forward(self, images):
        return super().forward(images * torch.ones(1, 1, 16, 16))


MODELS = {
    "small": Small,
    "twin": lambda: Small(6),
    "darker": lambda: Small(mean=0.1),
    "wide": lambda: Small(classes=(*NAMES, "fox")),
    "dense": Dense,
    "large": Large,
}
