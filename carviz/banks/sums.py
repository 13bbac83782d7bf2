"""Sums of branches that count as one bank: what RepVGG and its kin are before they are merged."""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Mapping

import torch
from torch import fx, nn

from carviz.banks.batch_norms import BatchNorm
from carviz.banks.units import hands_on, is_batch_norm_call, readers_of, unit_end

ADDS = {operator.add, operator.sub, torch.add, torch.sub, "add", "sub"}
SCALES = {operator.mul, operator.truediv, operator.neg, torch.mul, torch.div, torch.neg,
          "mul", "div", "neg"}  # fmt: skip
ITSELF = "identity"
"""The summand that is the branches' common input."""
PLUS = " + "


@dataclasses.dataclass(frozen=True)
class Sum:
    """A sum of branches.

    Parameters
    ----------
    node
        Where the sum is complete.
    source
        What all branches read.
    convolutions
        The names of the convolutions among the branches.
    parts
        The names of all branches: convolutions, normalisations alone, `ITSELF`.
    """

    node: fx.Node
    source: fx.Node
    convolutions: tuple[str, ...]
    parts: tuple[str, ...]

    @property
    def name(self) -> str:
        """The bank's name."""
        return PLUS.join(self.parts)


def find_sums(graph: fx.GraphModule, norms: Mapping[str, BatchNorm]) -> dict[str, Sum]:
    """Return the sums of branches of a traced network, by name, in forward order."""
    convolutions = _ends(graph, norms)
    found: dict[str, Sum] = {}
    for node in graph.graph.nodes:
        if node.op not in ("call_function", "call_method") or node.target not in ADDS:
            continue
        outer = readers_of(node)
        if len(outer) == 1 and _leads_on(outer[0]):
            continue  # part of a larger sum
        if (total := _read(graph, node, convolutions, norms)) is not None:
            found[total.name] = total
    return found


def _ends(graph: fx.GraphModule, norms: Mapping[str, BatchNorm]) -> dict[fx.Node, fx.Node]:
    """Return the convolutions that are called once: by the end of the unit, the call."""
    calls: dict[str, list[fx.Node]] = {}
    for node in graph.graph.nodes:
        if node.op == "call_module" and isinstance(
            graph.get_submodule(str(node.target)), nn.Conv2d
        ):
            calls.setdefault(str(node.target), []).append(node)
    found = {}
    for name, (call, *others) in calls.items():
        if not others:
            channels = int(graph.get_submodule(name).out_channels)  # type: ignore[arg-type]
            found[unit_end(graph, call, channels, dict(norms))] = call
    return found


def _leads_on(node: fx.Node) -> bool:
    return node.target in ADDS or node.target in SCALES


def _read(
    graph: fx.GraphModule,
    node: fx.Node,
    convolutions: dict[fx.Node, fx.Node],
    norms: Mapping[str, BatchNorm],
) -> Sum | None:
    """Return the sum that is complete at a node, if all summands read the same tensor."""
    leaves = _leaves(graph, node, convolutions)
    sources: dict[fx.Node, fx.Node] = {}
    names: dict[fx.Node, str] = {}
    for leaf in leaves:
        if leaf in convolutions:
            call = convolutions[leaf]
            sources[leaf], names[leaf] = call.all_input_nodes[0], str(call.target)
        elif _normalises(leaf, norms) and len(readers_of(leaf)) == 1:
            sources[leaf], names[leaf] = leaf.all_input_nodes[0], str(leaf.target)
    convolved = [leaf for leaf in leaves if leaf in convolutions]
    if not convolved or len(leaves) < 2 or len(set(sources.values())) != 1:
        return None
    source = next(iter(sources.values()))
    if any(leaf not in sources and leaf is not source for leaf in leaves):
        return None
    if any(len(readers_of(leaf)) > 1 for leaf in convolved):
        return None  # something else reads this branch
    parts = tuple(names.get(leaf, ITSELF) for leaf in leaves)
    return Sum(node, source, tuple(str(convolutions[c].target) for c in convolved), parts)


def _leaves(
    graph: fx.GraphModule, node: fx.Node, convolutions: Mapping[fx.Node, fx.Node]
) -> list[fx.Node]:
    """Return the summands of a sum, in the order in which they stand."""
    found: list[fx.Node] = []
    for given in node.all_input_nodes:
        inner = given
        while inner not in convolutions and len(readers_of(inner)) == 1:
            if inner.target in SCALES:
                varying = [n for n in inner.all_input_nodes if _varies(n)]
                if len(varying) != 1:
                    break
                inner = varying[0]
            elif hands_on(inner, graph):
                inner = inner.all_input_nodes[0]
            else:
                break
        if inner.target in ADDS and len(readers_of(inner)) == 1 and inner.all_input_nodes:
            found += _leaves(graph, inner, convolutions)
        elif _varies(inner):
            found.append(inner)
    return found


def _varies(node: fx.Node) -> bool:
    """Whether a node depends on the image; a learned scale does not."""
    waiting, seen = [node], set()
    while waiting:
        current = waiting.pop()
        if current.op == "placeholder":
            return True
        if current not in seen:
            seen.add(current)
            waiting.extend(current.all_input_nodes)
    return False


def _normalises(node: fx.Node, norms: Mapping[str, BatchNorm]) -> bool:
    if node.op == "call_module":
        norm = norms.get(str(node.target))
        return norm is not None and norm.plain
    return is_batch_norm_call(node)
