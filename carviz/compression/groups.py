"""What goes when filters are removed: every layer that loses channels, as Torch-Pruning sees it."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch_pruning as tp
from torch import Tensor, nn
from torch.nn.utils import prune
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from carviz.compression.deadline import DeadlineError, deadline
from carviz.evaluate import no_grad

Plan = dict[str, list[int]]
"""Filters to remove, by bank."""


@dataclasses.dataclass(frozen=True, eq=False)
class ParameterPruner:
    """Takes channels off a parameter that belongs to no layer, wherever the model holds it."""

    model: nn.Module
    parameter: nn.Parameter
    axis: int

    def __call__(self, channels: list[int]) -> None:
        """Put a shorter parameter in its place."""
        old = self.parameter
        stay = torch.ones(old.shape[self.axis], dtype=torch.bool)
        stay[channels] = False
        places = stay.nonzero().flatten().to(old.device)
        new = nn.Parameter(old.detach().index_select(self.axis, places))
        for module in self.model.modules():
            for name, parameter in list(module._parameters.items()):
                if parameter is old:
                    module._parameters[name] = new


MAKERS = (
    (prune.BasePruningMethod, "a mask of torch.nn.utils.prune", "prune.remove"),
    (WeightNorm, "the older weight_norm", "remove_weight_norm"),
    (SpectralNorm, "the older spectral_norm", "remove_spectral_norm"),
)
"""Hooks that make weights before each call: what they are called, and what takes them off."""


@dataclasses.dataclass(eq=False)
class Loss:
    """The channels that one layer loses, on one of its sides.

    Parameters
    ----------
    name, module
        The layer; or a parameter that belongs to none, as a scale for each channel does.
    reads
        Whether its weights for incoming channels go, and nothing of its output.
    remove
        Torch-Pruning's function that takes channels off it; a `ParameterPruner` for a parameter.
    asked
        For each channel that goes, the filters ``(bank, filter)`` that take it along.
    """

    name: str
    module: nn.Module | nn.Parameter
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


def find_losses(
    model: nn.Module,
    images: Tensor,
    plan: Plan,
    seconds: float = math.inf,
    still_wanted: Callable[[], Any] = lambda: None,
) -> list[Loss]:
    """Return what every layer of `model` loses when the filters of `plan` are removed.

    Torch-Pruning may take `seconds`; what `still_wanted`, which is called meanwhile, raises ends it
    sooner.

    Raises
    ------
    ValueError
        If Torch-Pruning cannot follow the network, or not in time, or a layer that loses channels
        is of a kind that would not compute the same without them.
    """
    names: dict[Any, str] = {module: name for name, module in model.named_modules()}
    names |= {parameter: name for name, parameter in model.named_parameters()}
    losses: dict[tuple[Any, Any], Loss] = {}
    for layer, group in _groups(model, images, plan, seconds, still_wanted).items():
        for item in group:
            module, handler = item.dep.target.module, item.dep.handler
            if module not in names:
                _check_operation(item.dep.target, layer)
                continue
            reads = not group._DG.is_out_channel_pruning_fn(handler)
            take = item.dep
            if isinstance(module, nn.Parameter):
                take = ParameterPruner(model, module, item.dep.target.pruning_dim)
            fresh = Loss(names[module], module, reads, take)
            loss = losses.setdefault((item.dep.target, handler), fresh)
            for channel, root in zip(item.idxs, item.root_idxs, strict=True):
                loss.asked.setdefault(channel, []).append((layer, root))
    found = list(losses.values())
    for loss in found:
        _check_layer(loss)
    _check_ties(model, found)
    return found


def _groups(
    model: nn.Module,
    images: Tensor,
    plan: Mapping[str, list[int]],
    seconds: float,
    still_wanted: Callable[[], Any],
) -> dict[str, Any]:
    """Return Torch-Pruning's group of each bank: what its filters' removal takes along."""
    try:
        with deadline(time.monotonic() + seconds, still_wanted, "torch_pruning"):
            return _grouped(model, images, plan)
    except DeadlineError as error:
        raise ValueError(
            f"Torch-Pruning finds within {seconds:g} seconds what goes with the filters of "
            f"{named(list(plan))}, or they are not removed; it was not done. Give it longer with "
            "timeout=…, remove them bank by bank, or keep them ablated without removing them."
        ) from error


def _grouped(model: nn.Module, images: Tensor, plan: Mapping[str, list[int]]) -> dict[str, Any]:
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
            f"network: {type(error).__name__}: {error}. Look for torch.no_grad, detach, a "
            "reshaping or a channel shuffle in the forward pass; or keep the filters ablated "
            "without removing them."
        ) from error


def _check_operation(node: Any, layer: str) -> None:
    """Refuse what is no layer, but cannot lose channels either."""
    if node.type == tp.ops.OPTYPE.OUTPUT:
        raise ValueError(
            f"Filters can be removed where another layer reads them; those of {layer!r} are the "
            "network's logits, one a class. Keep them ablated without removing them."
        )


def _check_parameter(loss: Loss) -> None:
    """Refuse a parameter that has other axes than that of the channels."""
    shape = tuple(loss.remove.parameter.shape)
    if sum(size > 1 for size in shape) != 1 or max(loss.channels) >= _count(loss):
        raise ValueError(
            "Filters can be removed where a parameter that is no layer's has a value for each; "
            f"{loss.name!r} behind {named(loss.banks)} has shape {shape}. "
            "Keep them ablated without removing them."
        )


def _check_layer(loss: Loss) -> None:
    module, name = loss.module, loss.name
    banks = named(loss.banks)
    if isinstance(module, nn.Parameter):
        _check_parameter(loss)
        return
    if (found := _made_anew(module)) is not None:
        what, way_out = found
        raise ValueError(
            f"Only plain weights can lose channels; {what} of {name!r} makes its weights anew at "
            f"every call. Call {way_out} on a copy of the model first."
        )
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
    if max(loss.channels) >= count:
        raise ValueError(
            f"Filters can be removed where Torch-Pruning finds their channels; those of {banks} it "
            f"takes to be number {max(loss.channels)} of {name!r}, which has {count}: a reshaping "
            "moves them, to other images perhaps. Keep the filters ablated without removing them."
        )
    if groups > 1 and not is_depthwise(module) and not _keeps_groups(loss, count, groups):
        raise ValueError(
            f"A grouped convolution's groups are all of one size; without the filters of {banks} "
            f"those of {name!r} ({groups} groups of {count} channels) would differ. Remove as many "
            "from each group, at the same places where it reads; or keep the filters ablated "
            "without removing them."
        )


def _made_anew(module: nn.Module) -> tuple[str, str] | None:
    """Return what makes a layer's weights before each call, in the older way, and the way out."""
    for hook in module._forward_pre_hooks.values():
        for kind, what, way_out in MAKERS:
            if isinstance(hook, kind):
                own = getattr(hook, "name", None) or getattr(hook, "_tensor_name", "weight")
                return what, f"torch.nn.utils.{way_out}(module, {own!r})"
    return None


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
    if isinstance(loss.remove, ParameterPruner):
        return int(loss.remove.parameter.shape[loss.remove.axis])
    if isinstance(module, nn.modules.conv._ConvNd):
        return module.in_channels if loss.reads else module.out_channels
    if isinstance(module, nn.Linear):
        return module.in_features if loss.reads else module.out_features
    if isinstance(module, nn.PReLU):
        return module.num_parameters if module.num_parameters > 1 else 2**31
    assert isinstance(module, nn.modules.batchnorm._BatchNorm)
    return module.num_features


def is_depthwise(module: nn.Module | nn.Parameter) -> bool:
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
        if isinstance(loss.module, nn.Parameter):
            continue  # cut once, wherever it is held
        for parameter in loss.module._parameters.values():
            shared = owners.get(id(parameter), [])
            if len(shared) > 1:
                raise ValueError(
                    f"Only weights that one layer has can lose channels; {named(shared)} share "
                    "theirs. Give each its own copy of the weights first."
                )


def remove(losses: list[Loss]) -> None:
    """Take the channels off every layer, by Torch-Pruning's own functions.

    Raises
    ------
    ValueError
        If one of them fails.
    """
    with no_grad():
        for loss in losses:
            try:
                loss.remove(loss.channels)
            except Exception as error:  # whatever its functions may raise
                raise ValueError(
                    f"Torch-Pruning takes the channels of {named(loss.banks)} off every layer; at "
                    f"{loss.name!r} it failed: {type(error).__name__}: {error}. Keep the filters "
                    "ablated without removing them."
                ) from error


def named(names: list[str], most: int = 4) -> str:
    """Return names in words, the first few of many."""
    shown = [repr(n) for n in names[:most]]
    if len(names) > most:
        shown.append(f"{len(names) - most} more")
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
