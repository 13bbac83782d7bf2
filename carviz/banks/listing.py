"""Every convolution of a model as a bank: what `carviz.list_banks` tells."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch.nn.functional as F
from torch import fx, nn

from carviz.banks.cut import ancestors
from carviz.banks.geometry import Field, receptive_fields
from carviz.banks.network import Model, Network, open_network
from carviz.banks.sums import PLUS

if TYPE_CHECKING:
    import pandas as pd

SIGMOIDS = (nn.Sigmoid, nn.Hardsigmoid)
SIGMOID_CALLS = {"sigmoid", F.hardsigmoid, F.sigmoid}


@dataclasses.dataclass(frozen=True)
class Bank:
    """One bank of filters; see `list_banks` for the fields."""

    layer: str
    filters: int
    in_channels: int
    kernel_size: tuple[int, int]
    stride: tuple[int, int]
    receptive_field: tuple[float, float] | None
    reads_rgb: bool
    gate: bool


def banks_of(network: Network) -> list[Bank]:
    """Return the banks of an opened network, in forward order."""
    fields = receptive_fields(network.graph) if network.graph is not None else {}
    return [_bank(network, layer, fields) for layer in network.layers()]


def _bank(network: Network, layer: str, fields: dict[fx.Node, Field]) -> Bank:
    module = network.convolution(layer)
    names = network.sums()[layer].convolutions if PLUS in layer else (layer,)
    sizes = [network.convolution(name).kernel_size for name in names]
    call = network.calls(layer)[0] if network.graph is not None else None
    # A sum of branches reads what the widest of them reads.
    place = network.unit_ends(layer)[0] if PLUS in layer else call
    return Bank(
        layer=layer,
        filters=module.out_channels,
        in_channels=module.in_channels,
        kernel_size=(max(size[0] for size in sizes), max(size[1] for size in sizes)),
        stride=(module.stride[0], module.stride[1]),
        receptive_field=fields.get(place, Field()).size if place is not None else None,
        reads_rgb=_reads_rgb(network, layer, call),
        gate=call is not None and _is_gate(network, call, fields),
    )


def list_banks(model: Model) -> pd.DataFrame:
    """Return every convolution of `model` as a bank, in forward order.

    Parameters
    ----------
    model
        Any `torch.nn.Module` that maps ``(image, channel, height, width)`` to logits. It is not
        touched.

    Returns
    -------
    pandas.DataFrame
        One row a bank: layer (its name), filters, in_channels, kernel_size and stride as
        (height, width), receptive_field as (height, width) in pixels, infinite for the whole
        image and None where torch.fx cannot trace the model, reads_rgb, and gate: a 1 × 1
        convolution on pooled maps that feeds a sigmoid, as in squeeze-and-excite. A gate's zero
        is not "gone" (the sigmoid makes it 1/2), so views leave gates out unless asked.

    Examples
    --------
    >>> from torch import nn
    >>> list_banks(nn.Sequential(nn.Conv2d(3, 4, 5), nn.ReLU(), nn.Conv2d(4, 2, 3))).layer.tolist()
    ['0', '2']
    """
    import pandas as pd

    names = [f.name for f in dataclasses.fields(Bank)]
    rows = [dataclasses.astuple(bank) for bank in banks_of(open_network(model))]
    return pd.DataFrame(rows, columns=names)


def _reads_rgb(network: Network, layer: str, call: fx.Node | None) -> bool:
    """Three channels, and nothing but arithmetic between the image and the convolution."""
    names = network.sums()[layer].convolutions if PLUS in layer else (layer,)
    modules = [network.convolution(name) for name in names]
    if any(module.in_channels != 3 or module.groups != 1 for module in modules):
        return False
    if call is None:
        return network.layers()[0] == layer
    learned = (nn.Conv2d, nn.Linear)
    return not any(
        node.op == "call_module"
        and isinstance(network.model.get_submodule(str(node.target)), learned)
        for node in ancestors([call])
    )


def _is_gate(network: Network, call: fx.Node, fields: dict[fx.Node, Field]) -> bool:
    module = network.convolution(str(call.target))
    if module.kernel_size != (1, 1) or not math.isinf(max(fields.get(call, Field()).size)):
        return False
    return any(_is_sigmoid(network, node) for node in _single_line(call))


def _single_line(node: fx.Node) -> Iterator[fx.Node]:
    """Yield what follows a node for as long as there is one reader only."""
    while len(node.users) == 1:
        node = next(iter(node.users))
        yield node


def _is_sigmoid(network: Network, node: fx.Node) -> bool:
    if node.op == "call_module":
        return isinstance(network.model.get_submodule(str(node.target)), SIGMOIDS)
    name = getattr(node.target, "__name__", node.target)
    return node.target in SIGMOID_CALLS or name == "sigmoid"
