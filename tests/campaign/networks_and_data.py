"""Measure random networks with random ends on random kinds of data: ``make campaign``.

Each network comes from `support.random_networks`; its end makes probabilities of its logits or
leaves them, and its data is a pair, a Dataset or a DataLoader of some kind. What is measured is
compared with the ablated logits in float64, on the images and labels that the kind of data means.
Of one in four networks the data is of a kind that must be refused.
"""

from __future__ import annotations

import collections
import random
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from networks import campaign
from support.random_networks import Sample, random_network
from support.removal_faults import own
from torch import Tensor, nn
from torch.utils.data import (
    ConcatDataset,
    DataLoader,
    Dataset,
    DistributedSampler,
    RandomSampler,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
)

import carviz

Counts = collections.Counter[str]

IMAGES = 24
PART = sorted(random.Random(5).sample(range(IMAGES), 15))
"""The images of kinds that give a part."""
RANK = list(range(1, IMAGES, 5))
"""The images of the second of five ranks."""

ENDS: dict[str, Callable[[Tensor], Any]] = {
    "logits": lambda z: z,
    "softmax": lambda z: z.softmax(-1),
    "log_softmax": lambda z: z.log_softmax(-1),
    "sigmoid": torch.sigmoid,
    "shares": lambda z: z.exp() / z.exp().sum(-1, keepdim=True),
    "a mapping of probabilities": lambda z: {"logits": z.softmax(-1)},
}


class Ended(nn.Module):
    """A network with another end."""

    def __init__(self, model: nn.Module, end: str) -> None:
        super().__init__()
        self.model, self.end = model, end

    def forward(self, images: Tensor) -> Any:
        """Return what the end makes of the logits."""
        answer = self.model(images)
        logits = answer["logits"] if isinstance(answer, dict) else answer
        return ENDS[self.end](logits[0] if isinstance(logits, tuple) else logits)


class Items(Dataset[Any]):
    """Gives what a function makes of an image and its label."""

    def __init__(self, images: Tensor, labels: Tensor, item: Callable[[Tensor, int], Any]) -> None:
        self.images, self.labels, self.item = images, labels.tolist(), item

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, number: int) -> Any:
        return self.item(self.images[number].clone(), self.labels[number])


def collate(items: list[Any]) -> dict[str, Tensor]:
    """Return a batch as processors make it."""
    images, labels = zip(*items, strict=True)
    return {"pixel_values": torch.stack(images), "labels": torch.tensor(labels)}


def pairs(images: Tensor, labels: Tensor) -> TensorDataset:
    """Return a Dataset of pairs."""
    return TensorDataset(images, labels)


def rank(images: Tensor, labels: Tensor) -> DataLoader[Any]:
    """Return what the second of five processes is given."""
    data = pairs(images, labels)
    sampler: DistributedSampler[Any] = DistributedSampler(data, 5, 1, shuffle=False)
    return DataLoader(data, 3, sampler=sampler)


def halves(images: Tensor, labels: Tensor) -> ConcatDataset[Any]:
    """Return two Datasets in a chain."""
    return ConcatDataset([pairs(images[:7], labels[:7]), pairs(images[7:], labels[7:])])


def sampled(images: Tensor, labels: Tensor) -> DataLoader[Any]:
    """Return what a random sampler of a part gives."""
    return DataLoader(pairs(images, labels), 4, sampler=SubsetRandomSampler(PART))


def batched(images: Tensor, labels: Tensor) -> DataLoader[Any]:
    """Return batches of a part, given as lists."""
    return DataLoader(pairs(images, labels), batch_sampler=[PART[9:], PART[:9]])


Make = Callable[[Tensor, Tensor, int], Any]
TAKEN: dict[str, tuple[Make, list[int] | None]] = {
    "a pair": (lambda x, y, k: (x, y), None),
    "a pair of floats": (lambda x, y, k: (x, y.float()), None),
    "a pair of one-hot rows": (lambda x, y, k: (x, torch.eye(k)[y]), None),
    "items": (lambda x, y, k: Items(x, y, lambda a, b: (a, b)), None),
    "one-hot items": (lambda x, y, k: Items(x, y, lambda a, b: (a, torch.eye(k)[b])), None),
    "mappings": (lambda x, y, k: Items(x, y, lambda a, b: {"label": b, "image": a}), None),
    "triples": (lambda x, y, k: Items(x, y, lambda a, b: (a, torch.tensor(b), "f.png")), None),
    "chained": (lambda x, y, k: halves(x, y), None),
    "shuffled": (lambda x, y, k: DataLoader(pairs(x, y), 5, shuffle=True), None),
    "collated": (lambda x, y, k: DataLoader(pairs(x, y), 5, collate_fn=collate), None),
    "unbatched": (lambda x, y, k: DataLoader(pairs(x, y), batch_size=None), None),
    "a subset": (lambda x, y, k: Subset(pairs(x, y), PART), PART),
    "a sampler": (lambda x, y, k: sampled(x, y), PART),
    "batches": (lambda x, y, k: batched(x, y), PART),
    "a rank": (lambda x, y, k: rank(x, y), RANK),
}
"""What makes data of images, labels and the number of classes; and which images it gives."""


def flips(image: Tensor, label: int) -> tuple[Tensor, int]:
    """Return an item that is flipped by chance."""
    return image.flip(-1) if random.random() < 0.3 else image, label


REFUSED: dict[str, Make] = {
    "replacement": lambda x, y, k: DataLoader(pairs(x, y), sampler=RandomSampler(x, True)),
    "weights": lambda x, y, k: DataLoader(
        pairs(x, y), sampler=WeightedRandomSampler([1.0] * IMAGES, IMAGES)
    ),
    "drop_last": lambda x, y, k: DataLoader(pairs(x, y), 7, shuffle=True, drop_last=True),
    "shares": lambda x, y, k: (x, y + 0.25),
    "augmentation": lambda x, y, k: Items(x, y, flips),
    "another label": lambda x, y, k: (x, y + k),
}


def faults_of(seed: int) -> tuple[list[str], Counts]:
    """Return what carviz says wrongly of the network and the data of a seed."""
    sample = random_network(seed, IMAGES)
    draw = random.Random(seed)
    end = draw.choice(list(ENDS))
    plain = [bank for bank in sample.model.banks if " + " not in bank]
    bank = draw.choice(plain)
    classes = sample.model.classes
    how: Counts = collections.Counter([f"end: {end}"])
    model = Ended(sample.model, end)
    if draw.random() < 0.25:
        kind = draw.choice(list(REFUSED))
        how["refused"] += 1
        try:
            data = REFUSED[kind](sample.images, sample.targets, classes)
            carviz.measure_car(model, data, f"model.{bank}", progress=False)
        except ValueError:
            return [], how
        return [f"seed {seed}: {kind} was measured"], how
    kind = draw.choice(list(TAKEN))
    make, part = TAKEN[kind]
    how[f"data: {kind}"] += 1
    data = make(sample.images, sample.targets, classes)
    try:
        table = carviz.measure_car(model, data, f"model.{bank}", progress=False)
    except Exception as error:
        return [f"seed {seed}, {end}, {kind}: {type(error).__name__}: {error}"], how
    found = _faults(sample, bank, table, part or list(range(IMAGES)), how)
    return [f"seed {seed}, {end}, {kind}, {bank}: {fault}" for fault in found], how


def _faults(
    sample: Sample,
    bank: str,
    table: carviz.CarTable,
    part: list[int],
    how: collections.Counter[str],
) -> list[str]:
    targets = sample.targets[part]
    if table.targets.tolist() != targets.tolist():
        return ["other labels"]
    expected = torch.stack([sample.truth(bank, [i])[part] for i in table.filters.tolist()])
    whole = sample.truth("", [])[part]
    how["moved"] += int(((expected - whole).abs().amax((1, 2)) > 1e-3).sum())
    how["filters"] += len(expected)
    best = expected.topk(2, -1)
    sure = best.values[..., 0] - best.values[..., 1] > 1e-4 * expected.abs().amax(-1)
    wrong = (torch.as_tensor(np.array(table.predictions)) != best.indices[..., 0]) & sure
    found = [f"{int(wrong.sum())} of {wrong.numel()} predictions wrong"] if wrong.any() else []
    drop = (own(whole, targets) - own(expected, targets)).numpy()
    there = [c for c in range(sample.model.classes) if (targets == c).any()]
    by_class = np.stack([drop[:, targets.numpy() == c].mean(1) for c in there], 1)
    off = np.abs(table.log_prob_drop[:, there] - by_class).max()
    if off > 1e-3 * max(1.0, float(expected.abs().max())):
        found.append(f"log p falls otherwise, by {off:.3g}")
    return found


if __name__ == "__main__":
    # What was taken for the logits, and that a network cannot be traced, is told.
    warnings.filterwarnings("ignore", message="carviz: ")
    campaign(faults_of, __doc__.splitlines()[0], 1000, 50000)
