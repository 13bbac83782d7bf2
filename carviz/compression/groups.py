"""What goes when filters are removed: every layer that loses channels, as Torch-Pruning sees it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import torch
import torch_pruning as tp
from torch import Tensor, nn

from carviz.evaluate import no_grad

Plan = dict[str, list[int]]
"""Filters to remove, by bank."""


@dataclasses.dataclass(eq=False)
class Loss:
    """The channels that one layer loses, on one of its sides.

    Parameters
    ----------
    name, module
        The layer.
    reads
        Whether its weights for incoming channels go, and nothing of its output.
    remove
        Torch-Pruning's function that takes channels off it.
    asked
        For each channel that goes, the filters ``(bank, filter)`` that take it along.
    """

    name: str
    module: nn.Module
    reads: bool
    remove: Any
    asked: dict[int, list[tuple[str, int]]] = dataclasses.field(default_factory=dict)

    @property
    def channels(self) -> list[int]:
        """Numbers of the channels that go, ascending."""
        return sorted(self.asked)

    @property
    def banks(self) -> list[str]:
        """Names of the banks whose filters take channels along."""
        return sorted({bank for pairs in self.asked.values() for bank, _ in pairs})


def find_losses(model: nn.Module, images: Tensor, plan: Plan) -> list[Loss]:
    """Return what every layer of `model` loses when the filters of `plan` are removed.

    Raises
    ------
    ValueError
        If Torch-Pruning cannot follow the network, or a layer that loses channels is of a kind
        that would not compute the same without them.
    """
    names = {module: name for name, module in model.named_modules()}
    losses: dict[tuple[Any, Any], Loss] = {}
    for layer, group in _groups(model, images, plan).items():
        for item in group:
            module, handler = item.dep.target.module, item.dep.handler
            if module not in names:
                _check_operation(item.dep.target, layer)
                continue
            reads = not group._DG.is_out_channel_pruning_fn(handler)
            fresh = Loss(names[module], module, reads, item.dep)
            loss = losses.setdefault((item.dep.target, handler), fresh)
            for channel, root in zip(item.idxs, item.root_idxs, strict=True):
                loss.asked.setdefault(channel, []).append((layer, root))
    found = list(losses.values())
    for loss in found:
        _check_layer(loss)
    _check_ties(model, found)
    return found


def _groups(model: nn.Module, images: Tensor, plan: Mapping[str, list[int]]) -> dict[str, Any]:
    """Return Torch-Pruning's group of each bank: what its filters' removal takes along."""
    try:
        graph = tp.DependencyGraph().build_dependency(
            model, images, forward_fn=lambda network, batch: network(batch), verbose=False
        )
        return {
            layer: graph.get_pruning_group(
                model.get_submodule(layer), tp.prune_conv_out_channels, filters
            )
            for layer, filters in plan.items()
        }
    except Exception as error:  # whatever its walk through autograd's graph may raise
        raise ValueError(
            f"The filters of {named(list(plan))} cannot be removed: Torch-Pruning walks the graph "
            "that autograd keeps from the logits back to every convolution, and cannot follow this "
            f"network: {type(error).__name__}: {error}. Look for torch.no_grad, detach or a "
            "channel shuffle in the forward pass; or keep the filters ablated without removing "
            "them."
        ) from error


def _check_operation(node: Any, layer: str) -> None:
    """Refuse what is no layer, but cannot lose channels either."""
    if isinstance(node.module, nn.Parameter):
        raise ValueError(
            f"Filters can be removed where layers read them; those of {layer!r} meet a parameter "
            f"that is no layer's, of shape {tuple(node.module.shape)}. "
            "Keep them ablated without removing them."
        )
    if node.type == tp.ops.OPTYPE.OUTPUT:
        raise ValueError(
            f"Filters can be removed where another layer reads them; those of {layer!r} are the "
            "network's logits, one a class. Keep them ablated without removing them."
        )


def _check_layer(loss: Loss) -> None:
    module, name = loss.module, loss.name
    banks = named(loss.banks)
    if not isinstance(
        module, (nn.modules.conv._ConvNd, nn.Linear, nn.modules.batchnorm._BatchNorm, nn.PReLU)
    ):
        raise ValueError(
            "A filter can be removed where every layer behind it treats its channel apart; "
            f"{name!r}, a {type(module).__name__} behind {banks}, would compute something else "
            "without it. Keep the filters ablated without removing them."
        )
    if nn.utils.parametrize.is_parametrized(module):
        raise ValueError(
            f"Only plain weights can lose channels; those of {name!r} are parametrized. Call "
            "torch.nn.utils.parametrize.remove_parametrizations on a copy of the model first."
        )
    groups, count = getattr(module, "groups", 1), _count(loss)
    if groups > 1 and not is_depthwise(module) and not _keeps_groups(loss, count, groups):
        raise ValueError(
            f"A grouped convolution's groups are all of one size; without the filters of {banks} "
            f"those of {name!r} ({groups} groups of {count} channels) would differ. Remove as many "
            "from each group, at the same places where it reads; or keep the filters ablated "
            "without removing them."
        )


def check_left(losses: list[Loss]) -> None:
    """Refuse what would leave a layer without any channel."""
    for loss in losses:
        count = _count(loss)
        if len(loss.channels) >= count:
            raise ValueError(
                "Every layer keeps one channel at least; without the filters of "
                f"{named(loss.banks)} {loss.name!r} would lose all {count} of its own. "
                "Leave one filter in."
            )


def _count(loss: Loss) -> int:
    module = loss.module
    if isinstance(module, nn.modules.conv._ConvNd):
        return module.in_channels if loss.reads else module.out_channels
    if isinstance(module, nn.Linear):
        return module.in_features if loss.reads else module.out_features
    if isinstance(module, nn.PReLU):
        return module.num_parameters if module.num_parameters > 1 else 2**31
    assert isinstance(module, nn.modules.batchnorm._BatchNorm)
    return module.num_features


def is_depthwise(module: nn.Module) -> bool:
    """Whether a convolution has one filter for each channel that it reads."""
    return (
        isinstance(module, nn.modules.conv._ConvNd)
        and 1 < module.groups == module.in_channels == module.out_channels
    )


def _keeps_groups(loss: Loss, count: int, groups: int) -> bool:
    gone = torch.zeros(count, dtype=torch.bool)
    gone[loss.channels] = True
    by_group = gone.reshape(groups, -1)
    if loss.reads:
        return bool((by_group == by_group[0]).all())
    conv = loss.module
    assert isinstance(conv, nn.modules.conv._ConvNd)
    # Torch-Pruning takes a convolution with as many groups as filters for a depthwise one.
    return conv.groups != conv.out_channels and len(set(by_group.sum(1).tolist())) == 1


def _check_ties(model: nn.Module, losses: list[Loss]) -> None:
    owners: dict[int, list[str]] = {}
    for name, module in model.named_modules():
        for parameter in module._parameters.values():
            if parameter is not None:
                owners.setdefault(id(parameter), []).append(name)
    for loss in losses:
        for parameter in loss.module._parameters.values():
            shared = owners.get(id(parameter), [])
            if len(shared) > 1:
                raise ValueError(
                    f"Only weights that one layer has can lose channels; {named(shared)} share "
                    "theirs. Give each its own copy of the weights first."
                )


def remove(losses: list[Loss]) -> None:
    """Take the channels off every layer, by Torch-Pruning's own functions."""
    with no_grad():
        for loss in losses:
            loss.remove(loss.channels)


def named(names: list[str], most: int = 4) -> str:
    """Return names in words, the first few of many."""
    shown = [repr(n) for n in names[:most]]
    if len(names) > most:
        shown.append(f"{len(names) - most} more")
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
