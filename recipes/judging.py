"""What a network trained on `ShapesAndColors` is worth, in the figures that stand on its card.

These are plain loops over whole networks, a few filters zeroed by a hook: they share nothing with
the engine that carviz measures with, so that each can be held against the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from carviz.evaluate import inference_mode
from carviz.zoo.shapes_and_colors import ShapesAndColors
from recipes.first_bank import color_index

KINDS = ("shape", "color")
"""The kinds of classes, in the order in which figures are given."""


@dataclass(frozen=True)
class Verdict:
    """How a network fares on some images. Accuracies are fractions.

    Attributes
    ----------
    accuracy
        Of the network as it is.
    by_kind, by_class
        The same over the images of one kind of class, or of one class.
    without_chromatic, without_grey
        What accuracy falls by, by kind of class, when all chromatic filters (color index above 0.5)
        or all others of the first bank are zeroed together.
    single
        What accuracy falls by when one filter of the first bank is zeroed (its CAR), (filter,).
    color_index
        Of each filter of the first bank, (filter,).
    """

    accuracy: float
    by_kind: dict[str, float]
    by_class: dict[str, float]
    without_chromatic: dict[str, float]
    without_grey: dict[str, float]
    single: tuple[float, ...]
    color_index: tuple[float, ...]


def judge(network: nn.Module, data: ShapesAndColors, *, bank: str = "features.0") -> Verdict:
    """Measure all of a `Verdict` on `data`, the network run once for each filter of `bank`."""
    layer = network.get_submodule(bank)
    assert isinstance(layer, nn.Conv2d)
    index = color_index(layer.weight.detach())
    before = right(network, data)
    by_kind = accuracy_by_kind(before, data)

    def fall(filters: Iterable[int]) -> dict[str, float]:
        with zeroed(layer, filters):
            after = accuracy_by_kind(right(network, data), data)
        return {kind: by_kind[kind] - after[kind] for kind in KINDS}

    return Verdict(
        accuracy=before.float().mean().item(),
        by_kind=by_kind,
        by_class={
            name: before[data.targets == label].float().mean().item()
            for label, name in enumerate(data.classes)
        },
        without_chromatic=fall(torch.nonzero(index > 0.5).flatten().tolist()),
        without_grey=fall(torch.nonzero(index <= 0.5).flatten().tolist()),
        single=tuple(single_falls(network, layer, data, before)),
        color_index=tuple(index.tolist()),
    )


def single_falls(
    network: nn.Module, layer: nn.Conv2d, data: ShapesAndColors, before: Tensor
) -> Iterator[float]:
    """Yield what accuracy falls by without each one of the layer's filters, in their order."""
    for number in range(layer.out_channels):
        with zeroed(layer, [number]):
            after = right(network, data)
        yield before.float().mean().item() - after.float().mean().item()


@inference_mode()
def right(network: nn.Module, data: ShapesAndColors, *, batch_size: int = 250) -> Tensor:
    """Return which images the network gets right, bool, (image,)."""
    predictions = [network(images).argmax(dim=1) for images in torch.split(data.images, batch_size)]
    return torch.cat(predictions) == data.targets


def accuracy_by_kind(correct: Tensor, data: ShapesAndColors) -> dict[str, float]:
    """Return the accuracy over the images of each kind of class."""
    kinds = [data.kinds[name] for name in data.classes]
    accuracy = {}
    for kind in KINDS:
        labels = torch.tensor([label for label, found in enumerate(kinds) if found == kind])
        accuracy[kind] = correct[torch.isin(data.targets, labels)].float().mean().item()
    return accuracy


@contextmanager
def zeroed(layer: nn.Module, filters: Iterable[int]) -> Iterator[None]:
    """Put zeros in place of these channels of the layer's output, while this lasts."""
    chosen = list(filters)

    def erase(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        erased = output.clone()
        erased[:, chosen] = 0
        return erased

    handle = layer.register_forward_hook(erase)
    try:
        yield
    finally:
        handle.remove()
