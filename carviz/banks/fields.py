"""What a bank reads of the image: its receptive field, checked against the gradient."""

from __future__ import annotations

import warnings
import weakref

import numpy as np
import torch
from torch import Tensor, fx, nn

from carviz.banks.cut import ancestors, part_up_to
from carviz.banks.geometry import WHOLE, Field, receptive_fields
from carviz.banks.network import Network
from carviz.evaluate import arithmetic, enable_grad, inference_mode, placement

RGB = 3

ROUNDING = 1e-5
"""Slopes below this share of the largest are rounding."""

THIN = 0.1
"""What a normalisation over the map (GroupNorm), or padding in a circle, brings from elsewhere is
no part of the field as long as it is below this share of the largest slope."""

SPREADS = ("group_norm", "instance_norm", "layer_norm", "GroupNorm", "InstanceNorm", "LayerNorm")

_fields: weakref.WeakKeyDictionary[Network, dict[tuple[str, int, int], Field]] = (
    weakref.WeakKeyDictionary()
)


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
    end = network.unit_ends(layer)[0]
    field = receptive_fields(network.graph).get(end, WHOLE)
    if size is None or field.whole:
        return field
    checked = _fields.setdefault(network, {})
    if (layer, *size) not in checked:
        checked[layer, *size] = _checked(network, end, layer, field, size)
    return checked[layer, *size]


def _checked(
    network: Network, end: fx.Node, layer: str, field: Field, size: tuple[int, int]
) -> Field:
    """Return the field, or the whole image where the gradient reaches beyond it."""
    assert network.graph is not None
    part = _without_gates(part_up_to(network.graph, [end], "Field"))
    least = THIN if _spreads(part) else ROUNDING
    generator = torch.Generator().manual_seed(0)
    device, dtype = placement(network.model)
    # Images may have more channels than the first convolution reads: it may take them for frames.
    for channels in sorted({RGB, network.convolution(network.layers()[0]).in_channels}):
        image = torch.randn(1, channels, *size, generator=generator).to(device, dtype)
        with (
            inference_mode(False),
            enable_grad(),
            arithmetic("float32", device.type),
        ):
            image = image.clone().requires_grad_()
            try:
                (maps,) = part(image)
                if maps.ndim != 4 or len(maps) != 1:
                    return WHOLE  # its rows are parts of the image: places are not the image's
                reaches = maps.requires_grad and _reaches_beyond(
                    maps, image, field, size, generator, least
                )
            except RuntimeError:  # other channels are read, the images are too small, …
                continue
        if reaches:
            warnings.warn(
                f"carviz: filters of {layer!r} read pixels beyond the receptive field that the "
                "network's graph tells; pictures of them show whole images.",
                stacklevel=2,
            )
            return WHOLE
    return field


def _reaches_beyond(
    maps: Tensor,
    image: Tensor,
    field: Field,
    size: tuple[int, int],
    generator: torch.Generator,
    least: float,
) -> bool:
    """Whether the place in the middle of a map has slopes outside its field."""
    place = maps.shape[2] // 2, maps.shape[3] // 2
    # Channels have weights of their own, so that none cancels another.
    weights = torch.rand(maps.shape[1], generator=generator).to(maps) + 0.5
    (slopes,) = torch.autograd.grad((maps[0, :, *place] * weights).sum(), image)
    strength = slopes[0].abs().sum(0)
    top, left, bottom, right = (max(0, int(n)) for n in field.boxes(np.array(place), size))
    outside = strength.clone()
    outside[top:bottom, left:right] = 0
    return float(outside.max()) > least * float(strength.max())  # NaN is for others to tell


def _without_gates(part: fx.GraphModule) -> fx.GraphModule:
    """Let no gradient through gates (squeeze-and-excite), which `receptive_fields` leaves out."""
    fields = receptive_fields(part)
    for node in list(part.graph.nodes):
        read = [n for n in node.all_input_nodes if n in fields]
        if any(fields[n].whole for n in read) and not fields.get(node, WHOLE).whole:
            for gate in (n for n in read if fields[n].whole):
                with part.graph.inserting_after(gate):
                    still = part.graph.call_function(torch.detach, (gate,))
                node.replace_input_with(gate, still)
    part.recompile()
    return part


def _spreads(part: fx.GraphModule) -> bool:
    """Whether a step on the way normalises over the map, or pads in a circle."""
    outputs = [n for n in part.graph.nodes if n.op == "output"]
    for node in ancestors(outputs):
        if node.op == "call_module":
            module = part.get_submodule(str(node.target))
            if isinstance(module, nn.Conv2d) and module.padding_mode == "circular":
                return True
            if any(name in kind.__name__ for kind in type(module).__mro__ for name in SPREADS):
                return True
        elif getattr(node.target, "__name__", str(node.target)) in SPREADS:
            return True
    return False
