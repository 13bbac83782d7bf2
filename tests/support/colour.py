"""A pattern for filters of several colours, and random images in colour."""

import torch
from torch import Tensor

PATTERN = torch.tensor([[1.0, -2.0, 0.5], [0.0, 3.0, -1.0], [2.0, 0.1, -0.3]])


def images(count: int = 20) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(count, 3, 8, 8, generator=generator), torch.arange(count) % 2
