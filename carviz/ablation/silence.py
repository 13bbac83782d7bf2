"""Filters that are silent for good: channels of a network's graph that are zero at no cost."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, fx, nn

from carviz.banks import HookedEnds, Network, insert_behind, zero_channels
from carviz.evaluate import no_grad


class Silent(nn.Module):
    """Hands maps on without some channels, in every row."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.channels = list(channels)

    def forward(self, maps: Tensor) -> Tensor:
        """Return a copy of `maps` in which the channels are zero."""
        return zero_channels(maps, torch.tensor([self.channels], device=maps.device))


def silence(network: Network, layer: str, filters: Sequence[int]) -> bool:
    """Make filters of a bank zero for good in a network's graph, at the end of each call's unit.

    Where a unit ends at torch's own convolution or BatchNorm, and that serves this bank alone, new
    weights do it: zero times anything finite plus zero. Elsewhere a step more does it.

    Parameters
    ----------
    network
        A copy that nobody else uses: `carviz.banks.copy_network`. Tensors that it shares with
        others stay as they are.
    filters
        Numbers of the filters.

    Returns
    -------
    bool
        Whether the graph has a new step, so that plans made of it before do not know of it.
    """
    assert network.graph is not None
    graph, ends, inserted = network.graph, network.unit_ends(layer), False
    for end in ends:
        reader = next(iter(end.users), None)
        known = _module(graph, reader) if reader is not None else None
        if isinstance(known, Silent):
            known.channels += filters
        elif _has_weights_of_its_own(network, end, ends):
            _zero_weights(graph.get_submodule(str(end.target)), filters)
        else:
            insert_behind(graph, end, f"carviz_silent_{end.name}", Silent(filters))
            inserted = True
    return inserted


def lone_modules(ends: HookedEnds) -> list[str]:
    """Return the modules at whose outputs a bank's units end.

    Raises
    ------
    ValueError
        If such a module also serves other layers, which would lose channels of their own.
    """
    for name in ends.modules:
        if not ends.serves_alone(name):
            own = sum(module == name for module, _ in ends.ends)
            raise ValueError(
                "A filter can be taken off where its bank's unit ends; the unit of "
                f"{ends.layer!r} ends with {name!r}, which other layers use as well "
                f"({ends.counts[name]} calls, {own} of them in this unit). Give each layer a "
                "BatchNorm of its own; carviz.measure_car measures the bank as it is."
            )
    return ends.modules


class _Zeros:
    """Forward hook that answers with a copy of the output in which some channels are zero."""

    def __init__(self, channels: Sequence[int]) -> None:
        self.channels = list(channels)

    def __call__(self, _module: nn.Module, _args: object, output: Tensor) -> Tensor:
        return zero_channels(output, torch.tensor([self.channels], device=output.device))


def zero_output(module: nn.Module, filters: Sequence[int]) -> None:
    """Zero these channels of whatever a module answers, for good, by a hook."""
    module.register_forward_hook(_Zeros(filters))


def _module(graph: fx.GraphModule, node: fx.Node) -> nn.Module | None:
    return graph.get_submodule(str(node.target)) if node.op == "call_module" else None


def _has_weights_of_its_own(network: Network, end: fx.Node, ends: list[fx.Node]) -> bool:
    """Whether a unit ends at a plain layer each of whose calls is the end of such a unit."""
    assert network.graph is not None
    module = _module(network.graph, end)
    # A subclass, hooks or parametrisations (a subclass, too) may make anything of the weights.
    if type(module) not in (nn.Conv2d, nn.BatchNorm2d) or module is None:
        return False
    if module._forward_hooks or module._forward_pre_hooks:
        return False
    return all(call in ends for call in network.calls(str(end.target)))


@no_grad()
def _zero_weights(module: nn.Module, filters: Sequence[int]) -> None:
    """Give a module new weights, zero for these channels. The old ones may be others' as well."""
    chosen = list(filters)
    scale: Tensor | None = getattr(module, "weight", None)
    shift: Tensor | None = getattr(module, "bias", None)
    if scale is None:  # a BatchNorm with affine=False
        scale = torch.ones_like(module.get_buffer("running_var"))
        shift = torch.zeros_like(scale)
    for name, old in (("weight", scale), ("bias", shift)):
        if old is not None:
            new = old.detach().clone()
            new[chosen] = 0
            setattr(module, name, nn.Parameter(new, requires_grad=False))
