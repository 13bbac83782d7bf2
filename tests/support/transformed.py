"""A dataset with a transform, for tests of preprocessing."""

import torch
from torch.utils.data import Dataset


class WithTransform(Dataset):
    def __init__(self, transform):
        self.transform = transform

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return torch.zeros(3, 4, 4), 0


def with_transform(transform) -> WithTransform:
    return WithTransform(transform)
