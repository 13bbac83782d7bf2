"""Where a channel is last alone: there a value other than zero is set.

A value that is set before a ReLU is not what the next layer reads: a negative mean is zero again.
So it is set behind the activation that alone reads the unit, and else at the unit's end. An
activation is a function of each number by itself; the table is closed.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import fx, nn

from carviz.banks.batch_norms import BatchNorm
from carviz.banks.units import hands_on, readers_of

ACTIVATIONS = (
    nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.CELU, nn.SELU, nn.GELU, nn.SiLU, nn.Mish,
    nn.Hardswish, nn.Hardsigmoid, nn.Hardtanh, nn.Tanh, nn.Sigmoid, nn.Softplus, nn.Softsign,
)  # fmt: skip
"""Exactly these types: a subclass may do anything."""
ACTIVATION_NAMES = {
    "relu", "relu6", "leaky_relu", "prelu", "elu", "celu", "selu", "gelu", "silu", "mish",
    "hardswish", "hardsigmoid", "hardtanh", "tanh", "sigmoid", "softplus", "softsign",
}  # fmt: skip
"""The same as functions of `torch`, of `F`, and as methods."""


def place_of(graph: fx.GraphModule, end: fx.Node, norms: dict[str, BatchNorm]) -> fx.Node:
    """Return the node behind which the channel of a unit that ends at `end` is last alone.

    Parameters
    ----------
    graph
        The traced network.
    end
        Where the unit ends; see `carviz.banks.units.unit_end`.
    norms
        The network's batch normalisations.
    """
    norm = norms.get(str(end.target)) if end.op == "call_module" else None
    if norm is not None and not norm.plain:
        return end  # the activation is inside, and reads the unit alone
    node = end
    while len(readers := readers_of(node)) == 1:
        reader = readers[0]
        if activates(graph, reader) and _first(reader) is node:
            return reader
        if not hands_on(reader, graph):
            break
        node = reader
    return end


def _first(reader: fx.Node) -> Any:
    """Return what a call reads first, with or without its name, `input`."""
    return reader.args[0] if reader.args else reader.kwargs.get("input")


def activates(graph: fx.GraphModule, node: fx.Node) -> bool:
    """Whether a node is an activation."""
    if node.op == "call_module":
        return type(graph.get_submodule(str(node.target))) in ACTIVATIONS
    if node.op == "call_method":
        return node.target in ACTIVATION_NAMES
    return node.op == "call_function" and node.target in _CALLS


_CALLS = {
    getattr(room, name) for room in (F, torch) for name in ACTIVATION_NAMES if hasattr(room, name)
}


def describe_places(graph: fx.GraphModule, layer: str, places: list[fx.Node]) -> str:
    """Return in words where the values of a bank are set."""
    names = []
    for node in places:
        if node.op == "call_module":
            kind = type(graph.get_submodule(str(node.target))).__name__
            names.append(f"{str(node.target)!r} ({kind})")
        elif activates(graph, node) or getattr(node.target, "__name__", "") == "batch_norm":
            names.append(f"{getattr(node.target, '__name__', node.target)} behind {layer!r}")
        else:
            names.append(f"the sum {layer}")
    return f"the output of {' and '.join(dict.fromkeys(names))}"
