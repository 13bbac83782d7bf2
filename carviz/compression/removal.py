"""Remove filters for good: a smaller network that computes what the ablated one computes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from carviz.ablation import lone_modules, zero_output
from carviz.banks import Model, Network, OutOfReachError, find_layer, hooked_ends, open_network
from carviz.checks import check_above_zero, check_filters
from carviz.compression.constants import fold, is_padded, read_constants
from carviz.compression.copies import copy_freely, ordinary_tensors, own_copy
from carviz.compression.groups import (
    Loss,
    Plan,
    check_left,
    find_losses,
    is_depthwise,
    named,
    remove,
)
from carviz.compression.mixing import find_mixing
from carviz.evaluate import (
    Data,
    Images,
    LastSteps,
    Progress,
    find_logits,
    inference_mode,
    no_grad,
    placed,
    shadow,
    telling,
)
from carviz.interrupts import whole
from carviz.reference import Reference

SAMPLE = 8
"""First images of the data on which the smaller network is compared with the ablated one."""
TIMEOUT = 300.0
"""Seconds that Torch-Pruning may take; for the largest of torchvision's networks it needs few."""
TOLERANCE = 1e-5
"""Largest difference of logits, as a share of the image's largest, between the two."""

KEEP = (
    "Keep them in the network, ablated but not removed (measure_car and prune_filters measure "
    "just that)"
)


def compress(
    model: Model,
    layers: Mapping[Any, Sequence[int]],
    data: Data,
    *,
    timeout: float = TIMEOUT,
    progress: Progress = True,
) -> nn.Module:
    """Return a physically smaller network that computes what the ablated network computes.

    Ablated means what `measure_car` means: the filter's channel is zero behind the convolution,
    or behind its own BatchNorm. Torch-Pruning's dependency graph (Fang et al., arXiv 2301.12900)
    says which weights of which layers go with the filter, and takes them off. Where a BatchNorm
    that is not the convolution's own answers the zero with a constant, the constant is added to
    the bias of the layer that read it. Before it is returned, the network's logits are compared
    with the ablated network's in float64: they differ by less than 1e-5 of each image's largest
    logit, or nothing is returned.

    Parameters
    ----------
    model
        Any `torch.nn.Module` that maps ``(image, channel, height, width)`` to logits
        ``(image, class)``. It is not touched, not even for a moment. Or the
        `carviz.banks.Network` that `open_network` made of it: then nothing is traced here, and
        this may run in any thread; the result is in evaluation mode.
    layers
        Numbers of the filters to remove, by bank: its name, or the module itself.
        ``path.pruned()`` of a `PruningPath` is such a mapping.
    data
        Images to try the network on, as `measure_car` takes them; the first few are read.
    timeout
        Seconds that Torch-Pruning may take to find what goes with the filters.
    progress
        True for a progress bar; a function to be told the share done, 0 to 1, several times a
        second (what it raises ends the work); False for silence.

    Returns
    -------
    torch.nn.Module
        A network with tensors of its own, on the same device, its modules named as before and
        in the same modes. The filters that stay are numbered anew, without gaps.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind; or if the filters cannot be removed without changing
        what the network computes: where banks meet at a skip or a gate and the others keep theirs,
        where a padded convolution reads a constant that is not zero, where the groups of a
        grouped convolution would differ, where a step mixes neighbouring channels or moves them,
        where a mask or the older weight_norm makes the weights anew, where nothing of a bank is
        left, or where Torch-Pruning is not done in time. Such filters can be kept in the network,
        ablated.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3), nn.AvgPool2d(8),
    ...     nn.Flatten())
    >>> data = (torch.randn(4, 3, 12, 12), torch.tensor([0, 1, 2, 3]))
    >>> compress(model, {"0": [1, 5]}, data)[0]
    Conv2d(3, 6, kernel_size=(3, 3), stride=(1, 1))
    """
    check_above_zero(timeout, "timeout", "a number of seconds", endless=True)
    with ordinary_tensors(), telling(progress, "Compressing") as tell:
        with no_grad():  # the weights may be inference tensors
            network = open_network(model)
        plan = _check_plan(network, model, layers)
        given = network.model if isinstance(model, Network) else model
        images = _first_images(given, data)
        small = own_copy(given)
        if plan:
            sites = _sites(network, plan, images)
            tell(0.1)
            _shrink(small, plan, sites, images, timeout, tell)
        tell(1.0)
        return small


def _shrink(
    small: nn.Module,
    plan: Plan,
    sites: Plan,
    images: Tensor,
    timeout: float,
    tell: Callable[[float], None],
) -> None:
    modes = {name: module.training for name, module in small.named_modules()}
    learns = {name: p.requires_grad for name, p in small.named_parameters()}
    small.eval()
    ablated, precise = _precise(small, images)
    expected = _audited(ablated, precise, plan)
    for site, filters in sites.items():
        zero_output(ablated.get_submodule(site), filters)
    for parameter in small.parameters():  # Torch-Pruning follows what autograd follows
        parameter.requires_grad_(parameter.is_floating_point())
    tell(0.3)
    _check_mixing(small, images[:2], plan)
    losses = find_losses(small, images[:2], plan, timeout, lambda: tell(0.3))
    tell(0.7)
    readers = [loss for loss in losses if loss.reads]
    depthwise = [loss for loss in losses if is_depthwise(loss.module)]
    constants = read_constants(ablated, precise, [*readers, *depthwise])
    for loss in [*depthwise, *readers]:
        _check_padding(loss, constants[loss.name])
    for loss in readers:
        _check_constant(loss, constants[loss.name], losses, plan)
    check_left(losses)
    fold(readers, constants)
    remove(losses)
    tell(0.9)
    _check_logits(small, expected, precise, plan)
    for name, module in small.named_modules():
        module.training = modes[name]
    for name, parameter in small.named_parameters():
        # A bias that took up a constant may be new: it learns where the weights do.
        parameter.requires_grad_(learns.get(name, learns.get(f"{name[:-4]}weight", True)))


def _check_plan(network: Network, model: Any, layers: Any) -> Plan:
    if not isinstance(layers, Mapping):
        raise TypeError(
            "layers maps banks to the filters to remove, e.g. {'features.0': [3, 5]}; found "
            f"{type(layers).__name__}. Of a PruningPath, give path.pruned()."
        )
    plan: Plan = {}
    for layer, filters in layers.items():
        name = find_layer(network, model, layer)
        if name in plan:
            raise ValueError(f"Each bank is named once; found {name!r} twice, by name and module.")
        plan[name] = _check_filters(filters, network.convolution(name).out_channels, name)
    return {name: filters for name, filters in plan.items() if filters}


def _check_filters(filters: Any, count: int, layer: str) -> list[int]:
    chosen = check_filters(filters, count, layer, f"The filters of {layer!r}", once="removed")
    if len(chosen) == count:
        raise ValueError(
            f"A bank keeps one filter at least; {layer!r} would lose all {count}. "
            "Leave one in, e.g. the last one that was pruned."
        )
    return sorted(chosen)


def _first_images(model: nn.Module, data: Any) -> Tensor:
    """Return the first images, two at least: one is shown twice where there is one only."""
    images = Images(data)
    numbers = list(range(min(SAMPLE, len(images)))) * 2
    return placed(images.read(numbers[: max(2, len(numbers) // 2)])[0].clone(), model)


def _sites(network: Network, plan: Plan, images: Tensor) -> Plan:
    """Return the modules at whose outputs the channels are zero, as `measure_car` zeroes them."""
    sites: Plan = {}
    model = shadow(network.model)  # of its own: another thread may run the network
    for bank, filters in plan.items():
        try:
            with inference_mode():
                ends = hooked_ends(model, bank, placed(images[:2], model), network.norms)
        except OutOfReachError as error:
            raise ValueError(
                f"Filters are taken off modules; {error}. Keep them ablated without removing them."
            ) from error
        sites |= dict.fromkeys(lone_modules(ends), filters)
    return sites


def _precise(model: nn.Module, images: Tensor) -> tuple[nn.Module, Tensor]:
    """Return the network and images in float64, where rounding hides no mistake.

    Not every device and network knows float64: then as they are.
    """
    try:
        twin, precise = copy_freely(model).double(), images.double()
        with no_grad():
            twin(precise)
    except (TypeError, RuntimeError):
        return copy_freely(model), images
    return twin, precise


def _check_mixing(small: nn.Module, images: Tensor, plan: Plan) -> None:
    """Refuse steps behind a bank that mix its channels, before Torch-Pruning meets them."""
    found = find_mixing(small, images, plan)
    if found is None:
        return
    bank, step = found
    module = small.get_submodule(step.module)
    where = f"in {step.module!r}, a {type(module).__name__}," if step.module else "in the model"
    raise ValueError(
        "A filter can be removed where every step behind it treats its channel apart; "
        f"{step.words} {where} behind {bank!r} mixes channels by where they stand, and would "
        "compute something else without it. Keep the filters ablated without removing them."
    )


def _check_padding(loss: Loss, values: Tensor) -> None:
    seen = [c for c, v in zip(loss.channels, values.tolist(), strict=True) if v != 0 and v == v]
    if not seen:
        return
    plain = isinstance(loss.module, (nn.Conv2d, nn.Linear))
    if plain and not is_padded(loss.module):
        return
    why = "pads it with zeros" if plain else f"is a {type(loss.module).__name__}"
    raise ValueError(
        f"{_asked(loss, seen)} cannot be removed: a BatchNorm that is not the convolution's own "
        f"answers the zero with a constant, and {loss.name!r}, which reads it, {why}; no bias "
        f"can stand for that at the edges. {KEEP}."
    )


def _check_constant(loss: Loss, values: Tensor, losses: list[Loss], plan: Plan) -> None:
    varies = [c for c, v in zip(loss.channels, values.tolist(), strict=True) if v != v]
    if not varies:
        return
    asked = {pair for c in varies for pair in loss.asked[c]}
    others = _coupled(asked, losses, plan)
    if others:
        why = (
            f"where channels meet at a skip or a gate, filters of {named(others)} would go too, "
            f"and those still carry something to {loss.name!r}"
        )
        way_out = f"{KEEP}; or remove the filters that meet in all of these layers together"
    else:
        why = (
            f"{loss.name!r} reads something else at the places where Torch-Pruning takes them to be"
        )
        way_out = KEEP
    raise ValueError(f"{_asked(loss, varies)} cannot be removed: {why}. {way_out}.")


def _coupled(asked: set[tuple[str, int]], losses: list[Loss], plan: Plan) -> list[str]:
    """Return the layers whose own filters would go with `asked` without being in the plan."""
    return [
        loss.name
        for loss in losses
        if not loss.reads
        and isinstance(loss.module, (nn.modules.conv._ConvNd, nn.Linear))
        and not is_depthwise(loss.module)
        and any(
            asked & set(pairs) and channel not in plan.get(loss.name, ())
            for channel, pairs in loss.asked.items()
        )
    ]


def _asked(loss: Loss, channels: list[int]) -> str:
    """Return in words which of the filters to remove are behind a layer's channels."""
    banks: dict[str, set[int]] = {}
    for channel in channels:
        for bank, filter in loss.asked[channel]:
            banks.setdefault(bank, set()).add(filter)
    parts = []
    for bank, filters in banks.items():
        shown = ", ".join(str(f) for f in sorted(filters)[:6]) + (", …" if len(filters) > 6 else "")
        parts.append(f"filter{'s' if len(filters) > 1 else ''} {shown} of {bank!r}")
    words = " and ".join(parts[:4])
    return words[0].upper() + words[1:]


def _audited(model: nn.Module, images: Tensor, plan: Plan) -> Tensor:
    """Return the logits of the ablated network, as the audit's reference has them."""
    reference = Reference(model)
    with whole(LastSteps) as steps:
        answer = reference.answer(images)
    reference.pick = find_logits(answer, len(images), steps)
    return reference.without(images, plan).clone()


@no_grad()
def _check_logits(small: nn.Module, expected: Tensor, images: Tensor, plan: Plan) -> None:
    twin = copy_freely(small).to(images.dtype)
    try:
        with whole(LastSteps) as steps:
            answer = twin(images.clone())
        logits = find_logits(answer, len(images), steps)(answer, steps)
    except Exception as error:  # a size written down in the forward pass
        raise ValueError(
            f"The network must run without the filters of {named(list(plan))}; it fails: {error}. "
            "Look for numbers of channels written down in its forward pass, and for buffers with a "
            "value for each channel."
        ) from error
    error_ = relative_error(logits, expected)
    if not error_ < TOLERANCE:
        raise ValueError(
            f"The smaller network must compute what the ablated one does, within {TOLERANCE:g}; "
            f"without the filters of {named(list(plan))} its logits differ by {error_:.2g}. Some "
            "step mixes channels in a way that Torch-Pruning does not follow. "
            f"{KEEP}, and try the banks one by one to find the one at fault."
        )


def relative_error(logits: Tensor, expected: Tensor) -> float:
    """Return the largest difference of logits, as a share of the image's largest; 0 if equal."""
    if logits.shape != expected.shape:
        return float("inf")
    scale = expected.abs().amax(1).clamp(min=torch.finfo(expected.dtype).tiny)
    return float(((logits - expected).abs().amax(1) / scale).max())
