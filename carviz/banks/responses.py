"""What a bank answers to images: the outputs of its units, and what of the image they have read."""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from carviz.banks.batch_norms import BatchNorm
from carviz.banks.cut import part_up_to
from carviz.banks.geometry import WHOLE, Field, receptive_fields
from carviz.banks.hooked_ends import hooked_ends
from carviz.banks.network import Network
from carviz.evaluate import arithmetic, placement, shadow

Answer = Callable[[Tensor], list[Tensor]]
"""Maps images to the outputs of a bank's units (image, filter, height, width), one a call."""

SAME = 1e-3
"""Differences below this share of the largest value are rounding."""

THIN = 0.1
"""What a gate (squeeze-and-excite) or a normalisation over the map brings from all over the image
is spread thin: below this share of the largest slope it is no part of the field."""

_fields: weakref.WeakKeyDictionary[Network, dict[tuple[str, int, int], Field]] = (
    weakref.WeakKeyDictionary()
)


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
        part = part_up_to(network.graph, network.unit_ends(layer), "Units")
        return _exact(_by_image(lambda images: list(part(images))))
    return _exact(_by_image(_watched(network.model, layer, sample, network.norms)))


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


@torch.no_grad()
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

        def note(output: Tensor) -> Tensor:
            seen.append(output)
            return output.clone()  # for what works in place behind the unit

        with ends.replacing(copy, note):
            copy(images.clone())
        return seen

    return run


def field_of(network: Network, layer: str, size: tuple[int, int] | None = None) -> Field:
    """Return the receptive field of a bank at its first use; the whole image without a graph.

    Parameters
    ----------
    size
        Height and width of the images that will be cut by it: then the field is compared once with
        what really moves the bank's output, and is the whole image where more does.
    """
    if network.graph is None:
        return WHOLE
    place = network.unit_ends(layer)[0] if layer not in _called(network) else None
    place = place or network.calls(layer)[0]
    field = receptive_fields(network.graph).get(place, WHOLE)
    if size is None or field.whole:
        return field
    known = _fields.setdefault(network, {})
    if (layer, *size) not in known:
        known[layer, *size] = _checked(network, layer, field, size)
    return known[layer, *size]


def _called(network: Network) -> set[str]:
    assert network.graph is not None
    return {str(n.target) for n in network.graph.graph.nodes if n.op == "call_module"}


def _checked(network: Network, layer: str, field: Field, size: tuple[int, int]) -> Field:
    """Return the field, or the whole image where the gradient reaches beyond it."""
    channels = network.convolution(network.layers()[0]).in_channels
    generator = torch.Generator().manual_seed(0)
    device, dtype = placement(network.model)
    image = torch.randn(1, channels, *size, generator=generator).to(device, dtype)
    exactly = arithmetic("float32", device.type)
    with torch.inference_mode(False), torch.enable_grad(), exactly:
        image = image.clone().requires_grad_()
        try:
            maps = answers(network, layer, image.detach())(image)[0]
            height, width = maps.shape[2:]
            place = height // 2, width // 2
            # Channels have weights of their own, so that none cancels another.
            weights = torch.rand(maps.shape[1], generator=generator).to(maps) + 0.5
            if not maps.requires_grad:
                return field
            (slopes,) = torch.autograd.grad((maps[0, :, *place] * weights).sum(), image)
        except RuntimeError:  # these images are too small for the network, or it has no gradient
            return field
    strength = slopes[0].abs().sum(0)
    top, left, bottom, right = (max(0, int(n)) for n in field.boxes(np.array(place), size))
    outside = strength.clone()
    outside[top:bottom, left:right] = 0
    if not float(outside.max()) > THIN * float(strength.max()):  # NaN is for others to tell
        return field
    warnings.warn(
        f"carviz: filters of {layer!r} read pixels beyond the receptive field that the network's "
        "graph tells; pictures of them show whole images.",
        stacklevel=2,
    )
    return WHOLE
