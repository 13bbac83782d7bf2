"""A user's own data, which notes down who reads it."""

import threading
import time

import torch
from support.gated import data


class Own(torch.utils.data.Dataset):
    """Notes down which threads read it, and which of them do at a time.

    Attributes
    ----------
    readers
        The name of the thread, image by image.
    together
        Who was inside while another read, as pairs of names.
    broken
        Numbers of images that cannot be read.
    """

    def __init__(self, seed: int = 0) -> None:
        self.images, labels = data(seed)
        self.targets = labels.tolist()
        self.readers: list[str] = []
        self.inside: list[str] = []
        self.together: set[tuple[str, ...]] = set()
        self.broken: set[int] = set()

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index):
        name = threading.current_thread().name
        self.readers.append(name)
        self.together.update(tuple(sorted((name, other))) for other in self.inside)
        self.inside.append(name)
        time.sleep(0.0005)
        self.inside.remove(name)
        if index in self.broken:
            raise OSError("gone")
        return self.images[index], self.targets[index]
