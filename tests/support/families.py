"""The table: three banks of each of fourteen network families, and where each becomes zero.

The sites are written by hand, from reading torchvision's source, because finding them is part of
what is judged. A convolution's site is its own BatchNorm where a BatchNorm reads it and nothing
else does; else it is the convolution itself.
"""

import functools
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
import torch
from support.reference import baseline, reference_logits
from support.woken import family
from torch import Tensor, nn
from torch.nn import functional

FILTERS = 4


@dataclass(frozen=True)
class Row:
    """One bank of one family."""

    family: str
    bank: str
    site: str
    slow: bool = False
    """Whether it is left to CI's second step: large, and of a kind that a smaller row shows."""

    @property
    def id(self) -> str:
        """Name for pytest."""
        return f"{self.family}-{self.bank}"

    @property
    def has_own_norm(self) -> bool:
        """Whether the bank and its own BatchNorm are one unit."""
        return self.site != self.bank

    @property
    def filters(self) -> tuple[int, ...]:
        """A few filters whose ablation moves something."""
        return _telling_filters(self)


@functools.cache
def _telling_filters(row: Row) -> tuple[int, ...]:
    """Choose filters by what they carry at their site, without running an ablation.

    The filter that carries most, and others drawn from the strongest eighth, sixteen at most.
    Behind a BatchNorm only filters to which it adds a clearly positive constant are taken:
    elsewhere a ReLU may make both sides of the BatchNorm the same, and zeroing at the wrong one
    would be right by luck.
    """
    model, images, _ = family(row.family)
    site = model.get_submodule(row.site)
    # What a ReLU, if one follows, lets through.
    energy = _output(model, images, site).relu().square().mean((0, 2, 3))
    if row.has_own_norm:
        assert isinstance(site, nn.BatchNorm2d)
        zeros = torch.zeros(1, len(energy), 1, 1)
        with torch.inference_mode():
            constant = functional.batch_norm(
                zeros, site.running_mean, site.running_var, site.weight, site.bias, eps=site.eps
            ).flatten()
        energy = torch.where(constant > 0.3, energy, 0)
    ranked = energy.argsort(descending=True)
    ranked = ranked[: int((energy > 0).sum())]
    strong = ranked[1 : max(FILTERS, min(len(ranked) // 8, 16))]
    generator = torch.Generator().manual_seed(len(energy))
    drawn = strong[torch.randperm(len(strong), generator=generator)[: FILTERS - 1]]
    return tuple(sorted([int(ranked[0]), *drawn.tolist()]))


def _output(model: nn.Module, images: Tensor, module: nn.Module) -> Tensor:
    seen: list[Tensor] = []
    # A clone: an in-place ReLU after the module would change what was seen.
    hook = module.register_forward_hook(lambda _m, _i, output: seen.append(output.clone()))
    try:
        with torch.inference_mode():
            model(images)
    finally:
        hook.remove()
    return seen[0]


class Truth(NamedTuple):
    """What the slow reference says of one row of the table."""

    unablated: Tensor
    """Logits (image, class)."""
    ablated: Tensor
    """Logits (filter, image, class)."""
    untouched: bool
    """Whether the network was, after the ablations, as it was before any."""


@functools.cache
def truth(row: Row) -> Truth:
    """Run the reference once, for all who judge by it."""
    model, images, _ = family(row.family)
    fresh, unablated = _before(row.family)
    ablated = reference_logits(model, images, row.site, row.filters)
    return Truth(unablated, ablated, fingerprint(model) == fresh)


@functools.cache
def _before(name: str) -> tuple[object, Tensor]:
    """State of the network before the reference first ran an ablation, and its logits."""
    model, images, _ = family(name)
    return fingerprint(model), baseline(model, images)


def fingerprint(model: nn.Module) -> tuple[str, list[bool], list[int]]:
    """Every bit of the weights, the training flags, and how many hooks hang on each module."""
    digest = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.numpy())
    modules = list(model.modules())
    return (
        digest.hexdigest(),
        [module.training for module in modules],
        [len(module._forward_hooks) + len(module._forward_pre_hooks) for module in modules],
    )


# First, middle and last convolution in the order of the forward pass. The middle ones are chosen
# to differ: plain, depthwise, grouped, squeeze-and-excite, before a skip, a concatenation, a
# channel shuffle.
ROWS: list[Row] = [
    # No BatchNorm anywhere.
    Row("alexnet", "features.0", "features.0"),
    Row("alexnet", "features.6", "features.6"),
    Row("alexnet", "features.10", "features.10"),
    Row("vgg11_bn", "features.0", "features.1"),
    Row("vgg11_bn", "features.11", "features.12"),
    Row("vgg11_bn", "features.25", "features.26"),
    # A squeeze, read by both expansions; and the classifier, whose filters are the classes.
    Row("squeezenet1_1", "features.0", "features.0"),
    Row("squeezenet1_1", "features.7.squeeze", "features.7.squeeze"),
    Row("squeezenet1_1", "classifier.1", "classifier.1"),
    # Added to a skip, before the ReLU of the sum. The skip itself keeps the channel.
    Row("resnet18", "conv1", "bn1"),
    Row("resnet18", "layer2.0.conv2", "layer2.0.bn2"),
    Row("resnet18", "layer4.1.conv2", "layer4.1.bn2"),
    Row("resnet50", "conv1", "bn1", slow=True),
    Row("resnet50", "layer3.0.downsample.0", "layer3.0.downsample.1"),
    Row("resnet50", "layer4.2.conv3", "layer4.2.bn3", slow=True),
    # Pre-activation: norm2 reads conv1 and nothing else does; conv2 goes into a concatenation whose
    # many BatchNorms are not its own.
    Row("densenet121", "features.conv0", "features.norm0", slow=True),
    Row(
        "densenet121",
        "features.denseblock3.denselayer1.conv1",
        "features.denseblock3.denselayer1.norm2",
    ),
    Row(
        "densenet121",
        "features.denseblock4.denselayer16.conv2",
        "features.denseblock4.denselayer16.conv2",
    ),
    Row("googlenet", "conv1.conv", "conv1.bn", slow=True),
    Row("googlenet", "inception4b.branch3.1.conv", "inception4b.branch3.1.bn"),
    Row("googlenet", "inception5b.branch4.1.conv", "inception5b.branch4.1.bn"),
    # Depthwise.
    Row("mobilenet_v2", "features.0.0", "features.0.1"),
    Row("mobilenet_v2", "features.9.conv.1.0", "features.9.conv.1.1"),
    Row("mobilenet_v2", "features.18.0", "features.18.1"),
    # The gate of a squeeze-and-excite: its zero means "half open".
    Row("mobilenet_v3_small", "features.0.0", "features.0.1"),
    Row("mobilenet_v3_small", "features.6.block.2.fc2", "features.6.block.2.fc2"),
    Row("mobilenet_v3_small", "features.12.0", "features.12.1"),
    # The squeeze before the gate.
    Row("efficientnet_b0", "features.0.0", "features.0.1", slow=True),
    Row("efficientnet_b0", "features.4.2.block.2.fc1", "features.4.2.block.2.fc1"),
    Row("efficientnet_b0", "features.8.0", "features.8.1"),
    # Before a concatenation and a channel shuffle.
    Row("shufflenet_v2_x0_5", "conv1.0", "conv1.1"),
    Row("shufflenet_v2_x0_5", "stage3.2.branch2.5", "stage3.2.branch2.6"),
    Row("shufflenet_v2_x0_5", "conv5.0", "conv5.1"),
    # Grouped, and read by the squeeze and by what the squeeze multiplies.
    Row("regnet_y_400mf", "stem.0", "stem.1", slow=True),
    Row(
        "regnet_y_400mf",
        "trunk_output.block3.block3-3.f.b.0",
        "trunk_output.block3.block3-3.f.b.1",
    ),
    Row(
        "regnet_y_400mf",
        "trunk_output.block4.block4-5.f.c.0",
        "trunk_output.block4.block4-5.f.c.1",
    ),
    # A linear bottleneck: no activation after the BatchNorm.
    Row("mnasnet0_5", "layers.0", "layers.1", slow=True),
    Row("mnasnet0_5", "layers.10.1.layers.6", "layers.10.1.layers.7"),
    Row("mnasnet0_5", "layers.14", "layers.15"),
    # LayerNorms read zeros at the convolution's output.
    Row("convnext_tiny", "features.0.0", "features.0.0", slow=True),
    Row("convnext_tiny", "features.5.4.block.0", "features.5.4.block.0"),
    Row("convnext_tiny", "features.7.2.block.0", "features.7.2.block.0", slow=True),
]


def cases(rows: Iterable[Row] = ROWS) -> list[Any]:
    """Return rows as pytest's parameters."""
    slow = {True: (pytest.mark.slow,), False: ()}
    return [pytest.param(row, id=row.id, marks=slow[row.slow]) for row in rows]
