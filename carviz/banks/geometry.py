"""Receptive fields: how many pixels of the image one place of a feature map reads."""

from __future__ import annotations

import dataclasses
import math
import operator
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx, nn

GLOBAL_MODULES = (nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d, nn.Linear, nn.Flatten)
GLOBAL_CALLS = {
    F.adaptive_avg_pool2d, F.adaptive_max_pool2d, F.linear, torch.mean, "mean", "amax",

}  # fmt: skip
POOL_MODULES = (nn.MaxPool2d, nn.AvgPool2d)
POOL_CALLS = {F.max_pool2d, F.avg_pool2d, torch.max_pool2d, F.max_pool2d_with_indices}
PRODUCTS = {operator.mul, torch.mul, "mul"}


@dataclasses.dataclass(frozen=True)
class Field:
    """What one place reads: (height, width) in pixels, and the distance of neighbouring places.

    A size of infinity is the whole image.
    """

    size: tuple[float, float] = (1, 1)
    jump: tuple[float, float] = (1, 1)

    @property
    def whole(self) -> bool:
        """Whether it is the whole image."""
        return math.isinf(max(self.size))

    def through(self, kernel: Any, stride: Any, dilation: Any = 1) -> Field:
        """Return the field behind a sliding window over this one."""
        k, s, d = _pair(kernel), _pair(stride), _pair(dilation)
        size = tuple(self.size[a] + (k[a] - 1) * d[a] * self.jump[a] for a in (0, 1))
        jump = tuple(self.jump[a] * s[a] for a in (0, 1))
        return Field(size, jump)  # type: ignore[arg-type]


WHOLE = Field((math.inf, math.inf))


def receptive_fields(graph: fx.GraphModule) -> dict[fx.Node, Field]:
    """Return the receptive field of every node of a traced network.

    Where branches meet it is the widest. Where a map is multiplied by a gate (squeeze-and-excite)
    the gate, which has seen the whole image, is left out: the map's own field is what is told.
    """
    fields: dict[fx.Node, Field] = {}
    for node in graph.graph.nodes:
        read = [fields[n] for n in node.all_input_nodes if n in fields]
        fields[node] = _step(node, graph, _merge(read, node.target in PRODUCTS))
    return fields


def _merge(read: list[Field], product: bool) -> Field:
    if product and any(not f.whole for f in read):
        read = [f for f in read if not f.whole]
    if not read:
        return Field()
    size = tuple(max(f.size[a] for f in read) for a in (0, 1))
    jump = tuple(max(f.jump[a] for f in read) for a in (0, 1))
    return Field(size, jump)  # type: ignore[arg-type]


def _step(node: fx.Node, graph: fx.GraphModule, field: Field) -> Field:
    if node.op == "call_module":
        module = graph.get_submodule(str(node.target))
        if isinstance(module, nn.Conv2d):
            return field.through(module.kernel_size, module.stride, module.dilation)
        if isinstance(module, POOL_MODULES):
            dilation = getattr(module, "dilation", 1)
            return field.through(module.kernel_size, module.stride, dilation)
        return WHOLE if isinstance(module, GLOBAL_MODULES) else field
    if node.op in ("call_function", "call_method"):
        if node.target in POOL_CALLS:
            kernel = _argument(node, 1, "kernel_size", 1)
            stride = _argument(node, 2, "stride", None)
            return field.through(kernel, stride or kernel)
        return WHOLE if node.target in GLOBAL_CALLS else field
    return field


def _argument(node: fx.Node, place: int, name: str, default: Any) -> Any:
    return node.args[place] if len(node.args) > place else node.kwargs.get(name, default)


def _pair(value: Any) -> tuple[int, int]:
    return tuple(value) if isinstance(value, (tuple, list)) else (value, value)
