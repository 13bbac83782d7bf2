"""Rewrite a network so that it computes the same in fewer passes over memory.

Behind a convolution most time goes into reading and writing feature maps, and into having fresh
memory for them. Four rewrites help:

* a BatchNorm that alone reads a convolution is folded into its weights (rounding apart, the same);
* ReLU before max-pooling becomes ReLU after it, on a quarter of the places (exactly the same);
* an activation overwrites its input where nothing else reads that (exactly the same);
* so does the sum of a skip and its branch.

Every changed module is a copy: the network's own stay as they are.
"""

from __future__ import annotations

import copy
import operator
from collections.abc import Collection

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

# nn.GELU has no `inplace`.
IN_PLACE = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.SiLU, nn.Mish, nn.Hardswish)
FRESH = (nn.Conv2d, nn.Linear, nn.BatchNorm2d, nn.MaxPool2d, nn.AvgPool2d)
"""Modules whose output is always memory of its own."""
RELUS = {F.relu, torch.relu, "relu"}


Folded = dict[tuple[str, str], nn.Module]
"""Convolutions with their BatchNorms folded in, by the names of both."""


def fold(
    graph: fx.GraphModule, keep: Collection[fx.Node] = (), known: Folded | None = None,
    layout: torch.memory_format = torch.channels_last,
) -> tuple[fx.GraphModule, list[fx.Node]]:  # fmt: skip
    """Return a network whose BatchNorms are folded into the convolutions that they alone read.

    Parameters
    ----------
    keep
        Calls of convolutions that keep theirs: those of the bank.
    known
        What was folded before of this very network, and is taken again; what is folded now comes
        to it. So plans of many banks share their weights instead of having a copy each.
    layout
        How what is folded lies in memory.

    Returns
    -------
    torch.fx.GraphModule, list of torch.fx.Node
        The network, and for each node of `graph`, in order, its twin. Of a BatchNorm that was
        folded it is the convolution.
    """
    folded = fx.GraphModule(graph, copy.deepcopy(graph.graph))
    known = {} if known is None else known
    nodes = list(folded.graph.nodes)
    kept = {twin for twin, node in zip(nodes, graph.graph.nodes, strict=True) if node in keep}
    for place, node in enumerate(nodes):
        nodes[place] = _fold_batch_norm(folded, node, kept, known, layout)
    _finish(folded)
    return folded, nodes


def tidy(tail: fx.GraphModule) -> fx.GraphModule:
    """Rewrite a tail in place, and return it."""
    for node in list(tail.graph.nodes):
        _pool_first(tail, node)
    for node in list(tail.graph.nodes):
        _overwrite(tail, node)
    return _finish(tail)


def _finish(module: fx.GraphModule) -> fx.GraphModule:
    module.graph.lint()
    module.recompile()
    return module


def _fold_batch_norm(
    graph: fx.GraphModule, node: fx.Node, kept: Collection[fx.Node], known: Folded,
    layout: torch.memory_format,
) -> fx.Node:  # fmt: skip
    """Fold a BatchNorm into the convolution that it alone reads; return what stands for it."""
    if not _is(graph, node, (nn.BatchNorm2d,)):
        return node
    before = node.all_input_nodes[0]
    if before in kept or not _is(graph, before, (nn.Conv2d,)) or len(before.users) > 1:
        return node
    conv, norm = _module(graph, before), _module(graph, node)
    assert isinstance(conv, nn.Conv2d)
    assert isinstance(norm, nn.BatchNorm2d)
    if conv.weight.dtype not in (torch.float32, torch.float64):
        return node  # folded weights are rounded once more than half precision can bear
    if norm.num_features != conv.out_channels:
        return node  # a batch of channels: the convolution was called without a batch axis
    names = str(before.target), str(node.target)
    if names not in known:
        known[names] = fuse_conv_bn_eval(conv, norm).to(memory_format=layout)
    _give(graph, before, known[names])
    node.replace_all_uses_with(before)
    graph.graph.erase_node(node)
    return before


def _pool_first(tail: fx.GraphModule, node: fx.Node) -> None:
    """Exchange a ReLU and the max-pooling that alone reads it: the largest is cut off as well."""
    if not _pools(tail, node) or not _is_relu(tail, source := node.all_input_nodes[0]):
        return
    if len(source.users) > 1:
        return
    # ReLU never reorders numbers, so the largest of a window is the same before and after it; the
    # border is padded with −∞, which wins neither way. The edges: the pooling reads what the ReLU
    # read, whoever read the pooling reads the ReLU, and the ReLU reads the pooling.
    node.replace_input_with(source, source.all_input_nodes[0])
    node.replace_all_uses_with(source, delete_user_cb=lambda user: user is not source)
    source.replace_input_with(source.all_input_nodes[0], node)
    node.append(source)


def _overwrite(tail: fx.GraphModule, node: fx.Node) -> None:
    """Let a step overwrite its input where that is fresh and nothing else reads it."""
    if node.target is operator.add and node.op == "call_function":
        _add_into(tail, node)
        return
    relu = node.op in ("call_function", "call_method") and node.target in RELUS
    if not relu and not _is(tail, node, IN_PLACE):
        return
    source = node.all_input_nodes[0]
    if len(source.users) > 1 or not _is_fresh(tail, source):
        return
    if relu:
        node.op, node.target = "call_function", F.relu
        node.args, node.kwargs = (source,), {"inplace": True}
        return
    # A copy, since the network calls the module too, and may call it elsewhere in this tail where
    # its input is read again.
    module = copy.copy(_module(tail, node))
    module.inplace = True  # type: ignore[assignment]
    _give(tail, node, module)


def _add_into(tail: fx.GraphModule, node: fx.Node) -> None:
    first, second = node.args
    for into, other in ((first, second), (second, first)):
        if not (isinstance(into, fx.Node) and isinstance(other, fx.Node)) or into is other:
            return
        if len(into.users) == 1 and _is_fresh(tail, into):
            node.target, node.args = add_into, (into, other)
            return


def add_into(into: Tensor, other: Tensor) -> Tensor:
    """Return the sum of two tensors, in the place of the first where it fits."""
    if into.shape == other.shape and into.dtype == other.dtype:
        return into.add_(other)
    return into + other


def _is_fresh(tail: fx.GraphModule, node: fx.Node) -> bool:
    if node.op == "placeholder":
        return node.name.startswith("without_")  # made for these rows by the shares
    if node.op == "call_function":
        return node.target in (operator.add, torch.add, torch.cat, add_into)
    return _is(tail, node, FRESH)


def _pools(tail: fx.GraphModule, node: fx.Node) -> bool:
    if not _is(tail, node, (nn.MaxPool2d,)):
        return False
    return not _module(tail, node).return_indices


def _is_relu(tail: fx.GraphModule, node: fx.Node) -> bool:
    if node.op in ("call_function", "call_method"):
        return node.target in RELUS
    return _is(tail, node, (nn.ReLU,))


def _is(tail: fx.GraphModule, node: fx.Node, kinds: tuple[type[nn.Module], ...]) -> bool:
    """Whether a node calls a module of exactly these types: a subclass may do anything."""
    if node.op != "call_module":
        return False
    module = _module(tail, node)
    hooked = bool(module._forward_hooks or module._forward_pre_hooks)
    return type(module) in kinds and not hooked and not hasattr(module, "parametrizations")


def _module(tail: fx.GraphModule, node: fx.Node) -> nn.Module:
    return tail.get_submodule(str(node.target))


def _give(tail: fx.GraphModule, node: fx.Node, module: nn.Module) -> None:
    """Let a node call a module of its own."""
    name = f"tidied_{node.name}"
    tail.add_submodule(name, module)
    node.target = name
