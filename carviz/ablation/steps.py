"""The closed table of steps that work channel by channel and map 0 to 0.

Zeroing a channel before such a step or after it is the same, so the step belongs to the head and
runs once. Not in the table: sigmoids, softplus, softmax, any normalisation, channel shuffle.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import fx, nn

from carviz.ablation.silence import Silent
from carviz.banks import hands_on

MODULES = (
    nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Mish, nn.Hardswish,
    nn.Tanh, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d, Silent,
)  # fmt: skip
CALLS = {
    F.relu, F.relu6, F.leaky_relu, F.elu, F.gelu, F.silu, F.mish, F.hardswish, F.tanh,
    torch.relu, torch.tanh, "relu", "tanh", F.max_pool2d, F.avg_pool2d,
    F.adaptive_avg_pool2d, F.adaptive_max_pool2d,
}  # fmt: skip
UPSAMPLING = ("nearest", "nearest-exact", "bilinear")


def moves_into_head(graph: fx.GraphModule, node: fx.Node) -> bool:
    """Whether a step behind the bank may run once, in the head, for all filters."""
    if hands_on(node, graph):
        return True
    if node.op == "call_module":
        module = graph.get_submodule(str(node.target))
        if isinstance(module, nn.Upsample):
            return module.mode in UPSAMPLING
        # A subclass may do anything: exactly these types.
        return type(module) in MODULES and not getattr(module, "return_indices", False)
    if node.op in ("call_function", "call_method"):
        if node.target is F.interpolate:
            return node.kwargs.get("mode", "nearest") in UPSAMPLING
        if node.target is F.dropout:
            return node.kwargs.get("training", True) is False
        return node.target in CALLS and not node.kwargs.get("return_indices", False)
    return False
