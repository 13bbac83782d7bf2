"""Which part of an image is enough to know what one place of a bank answers to it."""

from __future__ import annotations

import dataclasses
import math
import operator
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import fx, nn

from carviz.banks import WHOLE, Field, Network, ancestors, field_of, receptive_fields

LOCAL_MODULES = (
    nn.BatchNorm2d, nn.MaxPool2d, nn.AvgPool2d, nn.Identity, nn.modules.dropout._DropoutNd,
    nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Mish, nn.Hardswish, nn.Tanh,
)  # fmt: skip
LOCAL_CALLS = {
    operator.add, torch.add, operator.mul, operator.sub, operator.truediv, torch.relu, F.relu,
    F.relu6, F.leaky_relu, F.elu, F.gelu, F.silu, F.mish, F.hardswish, torch.tanh, F.dropout,
    F.max_pool2d, F.avg_pool2d, "relu", "tanh", "contiguous", "clone",
}  # fmt: skip
JOINS = {torch.cat, torch.concat}


@dataclasses.dataclass(frozen=True)
class Windows:
    """Cuts windows out of images that answer at one place as the whole image does.

    A window holds the place's receptive field, and its corner is at a multiple of the places'
    distance, so that the same places are computed. That is the same only where every step up to
    the bank reads a few places around its own; elsewhere a window is the whole image.

    Parameters
    ----------
    size
        Height and width of the images.
    field
        The bank's receptive field; None where windows are whole images.
    """

    size: tuple[int, int]
    field: Field | None

    def around(self, box: NDArray[np.int64]) -> tuple[int, int, int, int]:
        """Return top, left, bottom and right of the window for what a place reads."""
        if self.field is None:
            return (0, 0, *self.size)
        (top, bottom), (left, right) = (self._along(axis, int(box[axis])) for axis in (0, 1))
        return top, left, bottom, right

    def _along(self, axis: int, start: int) -> tuple[int, int]:
        assert self.field is not None
        whole, jump = self.size[axis], int(self.field.jump[axis])
        # Of one size inside the image, so that many windows make a batch.
        size = math.ceil((int(self.field.size[axis]) + jump - 1) / jump) * jump
        first = max(start, 0) // jump * jump
        if first + size >= whole:  # it ends with the image
            first = max(whole - size, 0) // jump * jump
            return first, whole
        return first, first + size

    def place(self, window: tuple[int, int, int, int], row: int, column: int) -> tuple[int, int]:
        """Return where in the window's map a place of the image's map is."""
        if self.field is None:
            return row, column
        jump = self.field.jump
        return row - window[0] // int(jump[0]), column - window[1] // int(jump[1])


def windows_of(network: Network, layer: str, size: tuple[int, int]) -> Windows:
    """Return how windows are cut out of images of one size for a bank."""
    return Windows(size, field_of(network, layer, size) if _reads_locally(network, layer) else None)


def _reads_locally(network: Network, layer: str) -> bool:
    """Whether what the bank answers at a place depends on its receptive field alone."""
    if network.graph is None:
        return False
    end = network.unit_ends(layer)[0]
    fields = receptive_fields(network.graph)
    return all(
        node.op == "placeholder"
        or (_is_local(network.graph, node) and _begins_early(fields.get(node, WHOLE)))
        for node in [end, *ancestors([end])]
    )


def _begins_early(field: Field) -> bool:
    """Whether place (0, 0) begins at the image's corner or before it, as windows count places."""
    return not field.whole and max(field.start) <= 0


def _is_local(graph: fx.GraphModule, node: fx.Node) -> bool:
    if node.op == "call_module":
        module: Any = graph.get_submodule(str(node.target))
        if isinstance(module, nn.Conv2d):
            return module.padding_mode != "circular"
        return isinstance(module, LOCAL_MODULES)
    if node.target in JOINS:
        return bool(node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else 0) == 1)
    return node.op in ("call_function", "call_method") and node.target in LOCAL_CALLS
