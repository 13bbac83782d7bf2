"""What "remove a filter" means, in one place: where the unit of every call ends.

*A call* is one execution of the convolution in a forward pass; there may be several, one after
another or side by side, with a batch axis or without one. The channel is axis -3 always.

*The unit of a call* begins at the convolution. Its output is followed through steps that hand its
values on unchanged in evaluation mode (dropout, Identity, contiguous, clone, a cast); asking for
its shape, type or device is no reading. If its only reader then is a batch normalisation by stored
statistics over just these channels, a module or `F.batch_norm`, the unit ends behind the
normalisation, and before any activation that the same module applies. Else it ends at the
convolution's output; two normalisations that read one call are two readers.

**Removing filter i makes channel i zero at the end of the unit of every call, in every row.**
Each call has a unit of its own: a normalisation that serves two convolutions loses the channel at
this convolution's calls only. A normalisation that is not the convolution's own (behind a
concatenation, say) answers the zero with its constant, and that constant stays: it is the
network's, not the filter's. On a branch that is added to a skip connection only the branch loses
the channel.

A sum of branches counts as a bank of its own where all summands are convolutions (with their
units), normalisations or multiples of the same tensor, and nothing else reads a summand: RepVGG
and its kin in training form. It is named after its summands, 'a + b', and loses the channel at the
sum's output.
"""

from __future__ import annotations

import operator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from carviz.banks.batch_norms import BatchNorm

DEFINITION = 2
"""The definition's number, which results and checkpoints carry.

1 ended the unit behind a BatchNorm2d module that alone reads the convolution, in all its uses."""

CHANNEL = -3
"""The channel's axis."""

FEW = 4
"""Channels of a row that are written one by one; more of them are marked in a mask of all maps."""
ASKING_METHODS = {
    "size", "dim", "ndimension", "numel", "nelement", "stride", "is_floating_point", "is_complex",
    "is_contiguous", "storage_offset", "element_size", "get_device", "__len__",
}  # fmt: skip
ASKING_ATTRIBUTES = {
    "shape", "dtype", "device", "ndim", "layout", "requires_grad", "is_cuda", "is_quantized",
    "is_sparse",
}  # fmt: skip
ASKING_CALLS = {len, torch.numel, torch.is_floating_point, torch.is_tensor, torch.is_complex}
HANDING_METHODS = {
    "clone", "contiguous", "detach", "to", "type", "type_as", "float", "double", "half", "bfloat16",
    "cpu", "cuda", "positive",
}  # fmt: skip
HANDING_CALLS = {operator.pos, torch.clone, torch.detach, torch.positive}
DROPOUTS = {
    F.dropout, F.dropout1d, F.dropout2d, F.dropout3d, F.alpha_dropout, F.feature_alpha_dropout,
    torch.dropout, torch.alpha_dropout, torch.feature_dropout,
}  # fmt: skip
TRAINING_PLACE = 5
"""Of the argument `training`, in `F.batch_norm` and in `torch.batch_norm`."""


def asks(node: fx.Node) -> bool:
    """Whether a graph node only asks its input about itself: its shape, type or device."""
    if node.op == "call_method":
        return node.target in ASKING_METHODS
    if node.target is getattr:
        return len(node.args) > 1 and node.args[1] in ASKING_ATTRIBUTES
    return node.op == "call_function" and node.target in ASKING_CALLS


def readers_of(node: fx.Node) -> list[fx.Node]:
    """Return the nodes that read a node's numbers."""
    return [user for user in node.users if not asks(user)]


def hands_on(node: fx.Node, model: nn.Module) -> bool:
    """Whether a graph node hands its input's values on unchanged in evaluation mode."""
    if node.op == "call_module":
        forward = type(model.get_submodule(str(node.target))).forward
        return forward in _HANDING_FORWARDS
    if node.op == "call_method":
        return node.target in HANDING_METHODS
    if node.op != "call_function":
        return False
    if node.target in DROPOUTS or getattr(node.target, "__name__", "") == "stochastic_depth":
        place = 2 if node.target in DROPOUTS else 3
        training = node.args[place] if len(node.args) > place else True
        return node.kwargs.get("training", node.kwargs.get("train", training)) is False
    return node.target in HANDING_CALLS


_HANDING_FORWARDS = {nn.Identity.forward} | {
    kind.forward
    for kind in (
        nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout,
        nn.FeatureAlphaDropout,
    )
}  # fmt: skip


def unit_end(
    graph: fx.GraphModule, call: fx.Node, channels: int, norms: dict[str, BatchNorm]
) -> fx.Node:
    """Return the node at which the unit of one call of a convolution ends.

    Parameters
    ----------
    graph
        The traced network.
    call
        The call: a node of the graph.
    channels
        The convolution's filters.
    norms
        The network's batch normalisations (`carviz.banks.batch_norms`).
    """
    node = call
    while len(readers := readers_of(node)) == 1:
        node = readers[0]
        if _normalises(node, channels, norms):
            return node
        if not hands_on(node, graph):
            break
    return call


def _normalises(node: fx.Node, channels: int, norms: dict[str, BatchNorm]) -> bool:
    if node.op == "call_module":
        norm = norms.get(str(node.target))
        return norm is not None and norm.channels == channels and norm.keeps_zero
    return is_batch_norm_call(node)


def is_batch_norm_call(node: fx.Node) -> bool:
    """Whether a node calls `F.batch_norm` by stored statistics on what it reads first."""
    if node.op != "call_function" or node.target not in (F.batch_norm, torch.batch_norm):
        return False
    at = node.args[TRAINING_PLACE] if len(node.args) > TRAINING_PLACE else False
    return node.kwargs.get("training", at) is False


def zero_channels(maps: Tensor, channels: Tensor, value: Any = 0) -> Tensor:
    """Return a copy of a bank's maps without some channels.

    Parameters
    ----------
    maps
        ``(row, channel, height, width)``; or maps of any shape with the channel at axis -3, where
        all rows lose the same.
    channels
        (row, set) the channels that each row loses; negative for none. One row of them is the set
        that every row of the maps loses, whatever a row is: an image, a crop, a frame.
    value
        What is in their place: a number, or a tensor that spreads over `maps`.
    """
    # Nothing is read from the channels, so that a GPU is not waited for: where there is none to
    # lose, what is written is what was there.
    fill = value.to(maps.dtype) if isinstance(value, Tensor) else maps.new_full((), value)
    if len(channels) == 1:
        marks = torch.zeros(1 + maps.shape[-3], dtype=torch.bool, device=maps.device)
        marks.index_fill_(0, (channels[0] + 1).clamp(min=0), True)  # the first stands for none
        return torch.where(marks[1:, None, None], fill, maps)
    if channels.shape[1] > FEW:
        marks = torch.zeros(len(maps), 1 + maps.shape[1], dtype=torch.bool, device=maps.device)
        marks.scatter_(1, (channels + 1).clamp(min=0), True)
        return torch.where(marks[:, 1:, None, None], fill, maps)
    replaced = maps.clone()
    rows = torch.arange(len(maps), device=maps.device)
    for place in range(channels.shape[1]):
        there = channels[:, place].clamp(min=0)
        held = replaced[rows, there]
        new = fill.expand_as(maps)[rows, there]
        lost = (channels[:, place] >= 0)[:, None, None]
        replaced[rows, there] = torch.where(lost, new, held)
    return replaced
