"""A network opened for measuring: a safe copy, its graph where it has one, and its banks."""

from __future__ import annotations

import copy
import dataclasses
import difflib
import operator
from typing import Any

import torch
from torch import Tensor, fx, nn

from carviz.banks.tracing import UntraceableError, trace
from carviz.evaluate import check_model, device_of, shadow


@dataclasses.dataclass(frozen=True, eq=False)
class Network:
    """A copy of a model in evaluation mode, sharing its parameters, with its graph.

    Parameters
    ----------
    model
        The copy.
    graph
        Its torch.fx graph; None where it cannot be traced.
    untraceable
        Why it cannot be traced; "" where it can.
    """

    model: nn.Module
    graph: fx.GraphModule | None
    untraceable: str = ""

    def calls(self, layer: str) -> list[fx.Node]:
        """Return the places in the graph where the convolution `layer` is called."""
        assert self.graph is not None
        return [n for n in self.graph.graph.nodes if n.op == "call_module" and n.target == layer]

    def convolution(self, layer: str) -> nn.Conv2d:
        """Return the module of the bank `layer`."""
        module = self.model.get_submodule(layer)
        assert isinstance(module, nn.Conv2d)
        return module

    def layers(self) -> list[str]:
        """Return the banks' names in forward order (without a graph: as they are defined)."""
        names = [n for n, m in self.model.named_modules() if isinstance(m, nn.Conv2d)]
        if self.graph is None:
            return names
        called = [str(n.target) for n in self.graph.graph.nodes if n.op == "call_module"]
        return [n for n in dict.fromkeys(called) if n in set(names)]


def open_network(model: Any, device: str | torch.device | None = None) -> Network:
    """Check a model, copy its structure, and trace the copy. The given model stays untouched.

    Raises
    ------
    TypeError, ValueError
        If it is no module, its weights are not finite, the device is not there, or a BatchNorm
        without running statistics makes an image's prediction depend on its batch.
    """
    if isinstance(model, Network):
        return model
    check_model(model)
    place = device_of(model, device)
    own = _copy(model, place)
    _refuse_batch_statistics(own)
    try:
        return Network(own, trace(own))
    except UntraceableError as error:
        # A failed trace may have changed the copy's in-place flags: take a fresh one.
        return Network(_copy(model, place), None, str(error))


def _copy(model: nn.Module, device: torch.device) -> nn.Module:
    # Convolutions run faster with channels last, half as fast again on a CPU; the copy's weights
    # are laid out anew, the model's stay as they are.
    return shadow(model, device).to(memory_format=torch.channels_last)


def copy_network(network: Network) -> Network:
    """Return a copy with modules and a graph of its own, which go on sharing them.

    What is done to the copy's modules, a filter silenced for good, say, is not done to `network`,
    which others may be using. Parameters are shared, so they must be replaced, never written into;
    buffers, which a forward pass may write, are copied.
    """
    memo: dict[int, Any] = {}
    for module in network.model.modules():
        for parameter in module._parameters.values():
            memo[id(parameter)] = parameter
        for value in vars(module).values():
            if isinstance(value, Tensor):  # a hook (legacy weight norm) sets it at every pass
                memo[id(value)] = value.detach()
    model, graph = copy.deepcopy((network.model, network.graph), memo)
    return Network(model, graph, network.untraceable)


def find_layer(network: Network, model: Any, layer: Any) -> str:
    """Return the name of a bank given by name or as the module itself.

    Raises
    ------
    TypeError
        If `layer` is neither a name nor a module.
    ValueError
        If there is no such layer (the nearest names are told), it is no convolution, or the
        forward pass never uses it.
    """
    if isinstance(layer, nn.Module):
        owner = network.model if isinstance(model, Network) else model
        names = [n for n, m in owner.named_modules() if m is layer]
        if not names:
            raise ValueError(
                f"layer is one of the model's own modules; this {type(layer).__name__} is not "
                "among them. Give its name, e.g. " + _some(network.layers()) + "."
            )
        layer = names[0]
    if not isinstance(layer, str):
        raise TypeError(
            f"layer is a bank's name or the module itself; found {type(layer).__name__}."
        )
    known = dict(network.model.named_modules())
    banks = network.layers()
    if layer not in known:
        near = difflib.get_close_matches(layer, banks, n=3, cutoff=0.4) or banks[:3]
        raise ValueError(
            f"layer names a convolution of the model; there is no {layer!r}. "
            f"Nearest: {_some(near)}. carviz.list_banks(model) lists them all."
        )
    if not isinstance(known[layer], nn.Conv2d):
        near = [b for b in banks if b.startswith(f"{layer}.")] or difflib.get_close_matches(
            layer, banks, n=3, cutoff=0.4
        )
        raise ValueError(
            f"layer names a convolution (torch.nn.Conv2d); {layer!r} is a "
            f"{type(known[layer]).__name__}. Nearest: {_some(near or banks)}."
        )
    if layer not in banks:
        raise ValueError(
            f"layer names a convolution that the forward pass uses; {layer!r} is in the model, "
            f"but never called in evaluation mode. Used ones: {_some(banks)}."
        )
    return layer


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


def reads_through(node: fx.Node, model: nn.Module) -> bool:
    """Whether a graph node hands its input on unchanged in evaluation mode."""
    if node.op == "call_module":
        module = model.get_submodule(str(node.target))
        return isinstance(module, (nn.Identity, nn.modules.dropout._DropoutNd))
    return node.op == "call_function" and node.target is operator.pos


def unit_end(network: Network, call: fx.Node) -> fx.Node:
    """Return where a convolution's unit ends: its own BatchNorm, or the convolution itself.

    A BatchNorm is the convolution's own when it reads the convolution and nothing else does:
    removing the filter removes its normalisation, shift included.
    """
    node = call
    while len(node.users) == 1:
        reader = next(iter(node.users))
        if reader.op == "call_module":
            module = network.model.get_submodule(str(reader.target))
            if isinstance(module, nn.BatchNorm2d):
                return reader
        if not reads_through(reader, network.model):
            break
        node = reader
    return call
