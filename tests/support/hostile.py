"""A network and data whose names are code, should anybody take them for it."""

from collections import OrderedDict

import torch
from torch import nn

ALERT = "<img src=x onerror=alert(1)>"
NAMES = (ALERT, "</script><script>alert(2)</script>", "\"quote' & <!--", "\N{GRINNING FACE} {0}")
LAYERS = (ALERT.replace(".", ""), "</script>'\"")


class HostileData(torch.utils.data.Dataset):
    """Twenty random images of the four classes of `NAMES`."""

    classes = NAMES

    def __init__(self):
        generator = torch.Generator().manual_seed(0)
        self.images = torch.rand(20, 3, 12, 12, generator=generator)
        self.targets = [i % len(NAMES) for i in range(20)]

    def __len__(self):
        return len(self.targets)

    def __getitem__(self, index):
        return self.images[index], self.targets[index]


def hostile_network():
    """Return two banks of four and five filters, on which the answers of random images hang."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = nn.Sequential(
            OrderedDict([
                (LAYERS[0], nn.Conv2d(3, 4, 3)), ("a", nn.ReLU()),
                (LAYERS[1], nn.Conv2d(4, 5, 3)), ("b", nn.ReLU()),
                ("c", nn.AdaptiveAvgPool2d(2)), ("d", nn.Flatten()),
                ("e", nn.Linear(20, len(NAMES))),
            ])
        ).eval()  # fmt: skip
        with torch.no_grad():
            network.e.weight.mul_(20)
            network.e.bias.sub_(network(HostileData().images).mean(0))
    return network
