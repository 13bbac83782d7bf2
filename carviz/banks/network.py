"""A network opened for measuring: a safe copy, its graph where it has one, and its banks."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from torch import fx, nn

from carviz.banks.batch_norms import BatchNorm, find_batch_norms
from carviz.banks.places import place_of
from carviz.banks.sums import PLUS, Sum, find_sums
from carviz.banks.tracing import UntraceableError, trace
from carviz.banks.units import unit_end
from carviz.checks import near_names
from carviz.evaluate import (
    Watch,
    check_model,
    copy_structure,
    device_of,
    hooks_remark,
    name_in_copy,
    shadow,
    unwrap,
    watch_model,
)


@dataclasses.dataclass(frozen=True, eq=False)
class Network:
    """Two copies of a model in evaluation mode, sharing its parameters: as it is, and as a graph.

    Parameters
    ----------
    model
        The copy that stays as the model is: its own in-place steps, its own layout in memory.
    graph
        The other one as a torch.fx graph, channels last in memory; None where it cannot be traced.
    untraceable
        Why it cannot be traced; "" where it can.
    norms
        Its batch normalisations, by name.
    remarks
        What a reader should know of how the model was taken.
    watch
        Tells whether the weights are still what they were when the model was opened; None where
        nobody asked for it.
    """

    model: nn.Module
    graph: fx.GraphModule | None
    untraceable: str = ""
    norms: dict[str, BatchNorm] = dataclasses.field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    watch: Watch | None = None

    def calls(self, layer: str) -> list[fx.Node]:
        """Return the places in the graph where a bank's convolutions are called."""
        assert self.graph is not None
        if PLUS in layer:
            return [c for name in self.sums()[layer].convolutions for c in self.calls(name)]
        return [n for n in self.graph.graph.nodes if n.op == "call_module" and n.target == layer]

    def unit_ends(self, layer: str) -> list[fx.Node]:
        """Return the nodes of the graph at which the units of a bank end, one a call."""
        assert self.graph is not None
        if PLUS in layer:
            return [self.sums()[layer].node]
        channels = self.convolution(layer).out_channels
        ends = [unit_end(self.graph, call, channels, self.norms) for call in self.calls(layer)]
        return list(dict.fromkeys(ends))

    def places(self, layer: str) -> list[fx.Node]:
        """Return the nodes of the graph behind which a bank's channels are last alone, a unit each.

        There a value other than zero is set.
        """
        assert self.graph is not None
        return [place_of(self.graph, end, self.norms) for end in self.unit_ends(layer)]

    def sums(self) -> dict[str, Sum]:
        """Return the sums of branches that count as banks of their own, by name."""
        return {} if self.graph is None else find_sums(self.graph, self.norms)

    def convolution(self, layer: str) -> nn.Conv2d:
        """Return the module of the bank `layer`; of a sum of branches that of its first one."""
        if PLUS in layer:
            layer = self.sums()[layer].convolutions[0]
        module = self.model.get_submodule(layer)
        assert isinstance(module, nn.Conv2d)
        return module

    def layers(self) -> list[str]:
        """Return the banks' names in forward order (without a graph: as they are defined)."""
        names = [n for n, m in self.model.named_modules() if isinstance(m, nn.Conv2d)]
        if self.graph is None:
            return names
        sums = {total.node: total.name for total in self.sums().values()}
        known, found = set(names), dict[str, None]()
        for node in self.graph.graph.nodes:
            if node.op == "call_module" and str(node.target) in known:
                found[str(node.target)] = None
            elif node in sums:
                found[sums[node]] = None
        return list(found)


Model = nn.Module | Network
"""What is measured: a network, or one that `open_network` opened."""


def open_network(
    model: Any, device: str | torch.device | None = None, *, watch: bool = False
) -> Network:
    """Check a model, copy its structure, and trace a copy. The given model stays untouched.

    Parameters
    ----------
    model
        The model; a network that was opened before is returned as it is.
    device
        Where to run; None for where the model is.
    watch
        Whether to remember what the weights are now, to find out if they change.

    Raises
    ------
    TypeError, ValueError
        If it is no module, its weights are not finite, the device is not there, or a BatchNorm
        without running statistics makes an image's prediction depend on its batch.
    """
    if isinstance(model, Network):
        return model
    if isinstance(model, nn.Module):
        model = unwrap(model)
    check_model(model)
    place = device_of(model, device)
    own = shadow(model, place)
    _refuse_batch_statistics(own)
    # A copy on another device is out of reach of whoever trains the given one.
    watched = watch_model(model if place == device_of(model) else own) if watch else None
    norms = find_batch_norms(own)
    remarks = _remarks(model)
    try:
        graph = trace(_channels_last(shadow(own)), norms)
        return Network(own, graph, norms=norms, remarks=remarks, watch=watched)
    except UntraceableError as error:
        return Network(own, None, str(error), norms, remarks, watched)


def _remarks(model: nn.Module) -> tuple[str, ...]:
    found = hooks_remark(model)
    return (f"{found[0].upper()}{found[1:]}.",) if found else ()


def _channels_last(model: nn.Module) -> nn.Module:
    """Lay a copy's weights out anew: convolutions run half as fast again on a CPU."""
    for parameter in model.parameters():
        if parameter.ndim == 4:
            # `to`, which also marks a kernel of one tap; `contiguous` would leave it as it is.
            parameter.data = parameter.data.to(memory_format=torch.channels_last)
    return model


def copy_network(network: Network) -> Network:
    """Return a copy with modules and a graph of its own, which go on sharing their parameters.

    What is done to the copy's modules, a filter silenced for good, say, is not done to `network`,
    which others may be using. Parameters are shared, so they must be replaced, never written into;
    buffers, which a forward pass may write, are copied.
    """
    graph = None if network.graph is None else copy_structure(network.graph)
    return dataclasses.replace(network, model=shadow(network.model), graph=graph)


def find_layer(network: Network, model: Any, layer: Any, given: str = "layer") -> str:
    """Return the name of a bank given by name or as the module itself; errors say where, `given`.

    Raises
    ------
    TypeError
        If `layer` is neither a name nor a module.
    ValueError
        If there is no such layer (the nearest names are told), it is no convolution, or the
        forward pass never uses it.
    """
    if not isinstance(layer, (str, nn.Module)):
        raise TypeError(
            f"{given} is a bank's name or the module itself; found {type(layer).__name__}."
        )
    # Names of the model as it was given, with its wrappers, are accepted as well.
    name = name_in_copy(network.model if isinstance(model, Network) else model, layer)
    if name is None:
        raise ValueError(
            f"{given} is one of the model's own modules; this {type(layer).__name__} is not "
            "among them. Give its name, e.g. " + _some(network.layers()) + "."
        )
    layer = name
    known = dict(network.model.named_modules(remove_duplicate=False))
    first = {id(module): name for name, module in reversed(known.items())}
    banks = network.layers()
    if layer in banks and PLUS in layer:
        return str(layer)
    if layer in known:  # a module under two names is one bank
        layer = first[id(known[layer])]
    if layer not in known:
        near = near_names(layer, banks, 0.4) or banks[:3]
        raise ValueError(
            f"{given} names a convolution of the model; there is no {layer!r}. "
            f"Nearest: {_some(near)}. carviz.list_banks(model) lists them all."
        )
    if not isinstance(known[layer], nn.Conv2d):
        near = [b for b in banks if b.startswith(f"{layer}.")] or near_names(layer, banks, 0.4)
        raise ValueError(
            f"{given} names a convolution (torch.nn.Conv2d); {layer!r} is a "
            f"{type(known[layer]).__name__}. Nearest: {_some(near or banks)}."
        )
    if layer not in banks:
        raise ValueError(
            f"{given} names a convolution that the forward pass uses; {layer!r} is in the model, "
            f"but never called in evaluation mode. Used ones: {_some(banks)}."
        )
    return str(layer)


def _some(names: list[str]) -> str:
    shown = ", ".join(repr(n) for n in names[:3])
    return shown or "none (the model has no convolution)"


def _refuse_batch_statistics(model: nn.Module) -> None:
    for name, module in model.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is None:
            raise ValueError(
                "In evaluation mode an image's prediction must not depend on the other images of "
                f"its batch; BatchNorm {name!r} keeps no running statistics. "
                "Make it with track_running_stats=True."
            )
