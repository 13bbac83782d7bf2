"""Filters that are silent for good: channels of a network's copy that are zero at no cost."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from carviz.ablation.plan import GraphPlan, HookPlan
from carviz.banks import Network, unit_end


def places_of(network: Network, layer: str, plan: GraphPlan | HookPlan) -> list[str]:
    """Return the modules at whose output a bank's channels are zeroed, as `plan` does it.

    Raises
    ------
    ValueError
        If such a module also serves other layers, which would lose channels of their own.
    """
    if isinstance(plan, HookPlan):
        return [plan.site]
    ends = [unit_end(network, call) for call in network.calls(layer)]
    names = list(dict.fromkeys(str(end.target) for end in ends))
    for name in names:
        calls, own = len(network.calls(name)), sum(str(end.target) == name for end in ends)
        if calls > own:
            raise ValueError(
                f"A filter is silenced at the output of its bank's unit; the unit of {layer!r} "
                f"ends with {name!r}, which other layers use as well ({calls} calls, {own} of them "
                "in this unit). Give each layer a BatchNorm of its own; carviz.measure_car "
                "measures the bank as it is."
            )
    return names


def silence(network: Network, places: Sequence[str], filters: Sequence[int]) -> None:
    """Make filters of a bank zero for good, in the modules that `places_of` gave.

    Where a module is torch's own convolution or BatchNorm, new weights do it: zero times anything
    finite plus zero. Anything else, a user's subclass or a module with hooks, gets one hook more.

    Parameters
    ----------
    network
        A copy that nobody else uses: `carviz.banks.copy_network`. Tensors that it shares with
        others stay as they are.
    filters
        Numbers of the filters.
    """
    for name in places:
        module = network.model.get_submodule(name)
        if type(module) in (nn.Conv2d, nn.BatchNorm2d) and not _has_hooks(module):
            _zero_weights(module, filters)
        else:
            zero_output(module, filters)


def _has_hooks(module: nn.Module) -> bool:
    return bool(module._forward_hooks or module._forward_pre_hooks)


@torch.no_grad()
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


class _Zeros:
    """Forward hook that answers with a copy of the output in which some channels are zero."""

    def __init__(self) -> None:
        self.channels: list[int] = []

    def __call__(self, _module: nn.Module, _args: object, output: Tensor) -> Tensor:
        output = output.clone()
        output[:, self.channels] = 0
        return output


def zero_output(module: nn.Module, filters: Sequence[int]) -> None:
    """Zero these channels of whatever a module answers, for good, by a hook."""
    last = next(reversed(module._forward_hooks.values()), None)
    if not isinstance(last, _Zeros):
        last = _Zeros()
        module.register_forward_hook(last)
    last.channels += filters
