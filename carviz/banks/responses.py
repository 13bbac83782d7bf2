"""What a bank answers to images: the outputs of its units."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, fx, nn

from carviz.banks.batch_norms import BatchNorm, normalised
from carviz.banks.cut import part_up_to
from carviz.banks.hooked_ends import hooked_ends
from carviz.banks.network import Network
from carviz.evaluate import arithmetic, no_grad, shadow

Answer = Callable[[Tensor], list[Tensor]]
"""Maps images to the outputs of a bank's units (image, filter, height, width), one a call."""

SAME = 1e-3
"""Differences below this share of the largest value are rounding."""


def answers(network: Network, layer: str, sample: Tensor) -> Answer:
    """Return what maps images to the outputs of the units of a bank, one for each call of it.

    A unit is the convolution with its own batch normalisation (`carviz.banks.units`); its output is
    what comes before any ReLU. Only what leads up to the bank is run, where the network has a
    graph. Nothing is traced, so that a worker thread may ask; gradients flow through, if they are
    switched on.

    Where a call has other rows than images (crops, frames, no batch axis), images are run one by
    one, and the rows of one image are laid side by side: (1, filter, height, row · width).

    Parameters
    ----------
    sample
        An image ``(1, channel, height, width)``, to watch an untraceable network with.
    """
    if network.graph is not None:
        return _exact(_by_image(_computed(network, network.graph, layer)))
    return _exact(_by_image(_watched(network.model, layer, sample, network.norms)))


def maps_are_images(network: Network, layer: str, image: Tensor) -> bool:
    """Whether what a bank first answers to one image is one map, whose places are the image's.

    It is not where the bank reads crops or frames, or rows without a batch axis: `answers` lays
    those side by side.

    Parameters
    ----------
    image
        An image ``(1, channel, height, width)``.
    """
    if network.graph is not None:
        answer = _computed(network, network.graph, layer)
    else:
        answer = _watched(network.model, layer, image, network.norms)
    with no_grad():
        first = _exact(answer)(image)[0]
    return first.ndim == 4 and len(first) == 1


def _computed(network: Network, graph: fx.GraphModule, layer: str) -> Answer:
    ends = network.unit_ends(layer)
    # A normalisation that torch.fx could not take apart may have an activation inside: the unit
    # ends before it, so what it gives is computed anew from what the module reads.
    bent = {
        end: graph.get_submodule(str(end.target))
        for end in ends
        if end.op == "call_module"
        and (norm := network.norms.get(str(end.target))) is not None
        and not norm.plain
    }
    part = part_up_to(
        graph, [end.all_input_nodes[0] if end in bent else end for end in ends], "Units"
    )

    def run(images: Tensor) -> list[Tensor]:
        return [
            normalised(bent[end], maps) if end in bent else maps
            for end, maps in zip(ends, part(images), strict=True)
        ]

    return run


def _exact(answer: Answer) -> Answer:
    """Return the same in float32, whatever a GPU would do by itself."""

    def run(images: Tensor) -> list[Tensor]:
        with arithmetic("float32", images.device.type):
            return answer(images)

    return run


def _by_image(answer: Answer) -> Answer:
    """Return the same with a row for each image, whatever the rows of `answer` are."""
    rows_are_images: bool | None = None

    def run(images: Tensor) -> list[Tensor]:
        nonlocal rows_are_images
        if len(images) == 1:
            return [_side_by_side(maps) for maps in answer(images)]
        if rows_are_images is None:
            rows_are_images = _has_rows_of_images(answer, images)
        if rows_are_images:
            return answer(images)
        each = [[_side_by_side(maps) for maps in answer(image[None])] for image in images]
        return [torch.cat(calls) for calls in zip(*each, strict=True)]

    return run


@no_grad()
def _has_rows_of_images(answer: Answer, images: Tensor) -> bool:
    """Whether row i is image i: it has the shape, and the last row is what the last image gives."""
    together, last = answer(images), answer(images[-1:])
    if len(together) != len(last):
        return False
    for many, one in zip(together, last, strict=True):
        if many.ndim != 4 or len(many) != len(images) or many[-1:].shape != one.shape:
            return False
        scale = float(one.abs().max())
        if float((many[-1:] - one).abs().max()) > SAME * scale:
            return False
    return True


def _side_by_side(maps: Tensor) -> Tensor:
    """Return one image's rows (row, …, filter, height, width) as (1, filter, height, width)."""
    if maps.ndim == 4 and len(maps) == 1:
        return maps
    rows = maps.reshape(-1, *maps.shape[-3:])
    return rows.permute(1, 2, 0, 3).flatten(2)[None]


def _watched(model: nn.Module, layer: str, sample: Tensor, norms: dict[str, BatchNorm]) -> Answer:
    copy = shadow(model)  # of its own: another thread may run the network
    ends = hooked_ends(copy, layer, sample, norms)

    def run(images: Tensor) -> list[Tensor]:
        seen: list[Tensor] = []

        with ends.noting(copy, norms, seen.append):
            copy(images.clone())
        return seen

    return run
