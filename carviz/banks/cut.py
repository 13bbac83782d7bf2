"""Cut a traced network at a bank: head | bank | tail, for any directed graph."""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, fx, nn

from carviz.banks.network import Network, unit_end
from carviz.banks.tracing import Tracer

ZERO = "carviz_zero_filters"

MayMove = Callable[[Network, fx.Node], bool]


class Reader(NamedTuple):
    """A reader of the bank whose output is a sum over the bank's channels.

    Parameters
    ----------
    start
        The node that reads the bank.
    end
        The node whose output is the sum: the same, or a linear layer behind a flattening.
    """

    start: fx.Node
    end: fx.Node


FindReaders = Callable[[Network, fx.Node], list[Reader]]


def zero_filters(maps: Tensor, filters: Tensor) -> Tensor:
    """Return a copy of feature maps with one channel of each row zeroed.

    Parameters
    ----------
    maps
        ``(row, channel, …)``.
    filters
        (row,) channel to zero in each row; negative leaves the row whole.
    """
    zeroed = maps.clone()
    rows = torch.nonzero(filters >= 0).flatten()
    zeroed[rows, filters[rows]] = 0
    return zeroed


class ZeroFilters(nn.Module):
    """`zero_filters` as a module: torch.fx keeps modules whole when it unpickles a graph."""

    def forward(self, maps: Tensor, filters: Tensor) -> Tensor:
        """Return `maps` with one channel of each row zeroed."""
        return zero_filters(maps, filters)


@dataclasses.dataclass(frozen=True, eq=False)
class Cut:
    """A network cut at a bank.

    Parameters
    ----------
    layer
        The bank.
    head
        Everything that no filter of the bank can change: maps images to (bank, whole, …,
        carried, …), the bank's output after its unit (and after what else was moved into the
        head), the whole outputs of `readers`, and the other tensors that the tail reads.
    tail
        Maps (filters, bank, without, …, carried, …) to logits, where `filters` (row,) is the
        channel that is removed in each row, negative for none, and `without` are the outputs of
        `readers` without it.
    where
        The ablation in words: which output is zeroed.
    readers
        Layers behind the bank whose outputs without a channel are given to the tail.
    reads_bank
        Whether the tail reads the bank itself, beside what `readers` make of it.
    """

    layer: str
    head: fx.GraphModule
    tail: fx.GraphModule
    where: str
    readers: tuple[Reader, ...] = ()
    reads_bank: bool = True


def cut(
    network: Network,
    layer: str,
    may_move: MayMove | None = None,
    find_readers: FindReaders | None = None,
) -> Cut:
    """Cut a traced network at the bank `layer`.

    Parameters
    ----------
    may_move
        Says of a node whether it works channel by channel and maps 0 to 0: such steps directly
        behind the bank join the head, as zeroing before or after them is the same.
    find_readers
        Finds readers whose output is a sum over the bank's channels: they join the head too.
    """
    assert network.graph is not None
    calls = network.calls(layer)
    units = [unit_end(network, call) for call in calls]
    sites = list(units)
    if len(units) == 1 and may_move is not None:
        sites[0] = _move(network, units[0], may_move)
    names = list(dict.fromkeys(str(unit.target) for unit in units))
    where = f"zero at the output of {' and '.join(repr(n) for n in names)}"
    if names != [layer]:
        where += ", the convolution's own BatchNorm"
    readers = find_readers(network, sites[0]) if find_readers and len(sites) == 1 else []
    graph = network.graph.graph
    rest = [user for user in sites[0].users if user not in {r.start for r in readers}]
    tail_nodes = _behind(graph, rest, [r.end for r in readers])
    given = [sites[0], *(r.end for r in readers)]
    carried = _carried(graph, given, tail_nodes)
    head = part_up_to(network.graph, [*given, *carried], "Head")
    tail = _tail(network.graph, sites, given, carried, tail_nodes)
    return Cut(layer, head, tail, where, tuple(readers), bool(rest))


def _move(network: Network, site: fx.Node, may_move: MayMove) -> fx.Node:
    while len(site.users) == 1:
        reader = next(iter(site.users))
        if reader.all_input_nodes != [site] or not may_move(network, reader):
            break
        site = reader
    return site


def _behind(graph: fx.Graph, starts: list[fx.Node], ends: list[fx.Node]) -> set[fx.Node]:
    """Return `starts` and all that is computed from them or from `ends`, `ends` left out."""
    below = {*starts, *ends}
    for node in graph.nodes:  # in forward order
        if any(read in below for read in node.all_input_nodes):
            below.add(node)
    return below - {*ends}


def ancestors(nodes: list[fx.Node]) -> set[fx.Node]:
    """Return all that the nodes are computed from, themselves excluded unless one needs another."""
    found: set[fx.Node] = set()
    waiting = [source for node in nodes for source in node.all_input_nodes]
    while waiting:
        current = waiting.pop()
        if current not in found:
            found.add(current)
            waiting.extend(current.all_input_nodes)
    return found


def _carried(graph: fx.Graph, given: list[fx.Node], tail_nodes: set[fx.Node]) -> list[fx.Node]:
    """Head tensors that the tail reads beside `given`; constants are repeated in the tail."""
    read = [
        source
        for node in graph.nodes
        if node in tail_nodes
        for source in node.all_input_nodes
        if source not in tail_nodes and source not in given and source.op != "get_attr"
    ]
    return list(dict.fromkeys(read))


def part_up_to(module: fx.GraphModule, outputs: list[fx.Node], name: str) -> fx.GraphModule:
    """Return the part of a traced network that maps images to the outputs of some nodes."""
    graph = fx.Graph(tracer_cls=Tracer)
    copies: dict[fx.Node, fx.Node] = {}
    needed = ancestors(outputs) | set(outputs)
    for node in module.graph.nodes:
        if node in needed or node.op == "placeholder":
            copies[node] = graph.node_copy(node, lambda n: copies[n])
    graph.output(tuple(copies[node] for node in outputs))
    return _module(module, graph, name)


def _tail(
    module: fx.GraphModule,
    sites: list[fx.Node],
    given: list[fx.Node],
    carried: list[fx.Node],
    tail_nodes: set[fx.Node],
) -> fx.GraphModule:
    graph = fx.Graph(tracer_cls=Tracer)
    copies: dict[fx.Node, fx.Node] = {}
    filters = graph.placeholder("filters")
    bank = graph.placeholder("bank")
    for i, node in enumerate(given[1:]):
        copies[node] = graph.placeholder(f"without_{i}")
    for i, node in enumerate(carried):
        copies[node] = graph.placeholder(f"carried_{i}")
    if any(given[0] in node.all_input_nodes for node in tail_nodes):
        copies[given[0]] = graph.call_module(ZERO, (bank, filters))
    needed = ancestors([node for node in module.graph.nodes if node.op == "output"])
    for node in module.graph.nodes:
        if node.op == "get_attr" and node in needed:
            copies[node] = graph.node_copy(node)
        elif node in tail_nodes and (node in needed or node.op == "output"):
            copies[node] = graph.node_copy(node, lambda n: copies[n])
            if node in sites[1:]:  # a bank that is used again loses the filter there too
                copies[node] = graph.call_module(ZERO, (copies[node], filters))
    return _module(module, graph, "Tail")


def _module(root: fx.GraphModule, graph: fx.Graph, name: str) -> fx.GraphModule:
    """Return the graph as a module that holds the parts it uses and no others."""
    parts: dict[str, Any] = {ZERO: ZeroFilters()}
    for node in graph.nodes:
        target = str(node.target)
        if node.op == "call_module" and target != ZERO:
            parts[target] = root.get_submodule(target)
        elif node.op == "get_attr":
            parts[target] = operator.attrgetter(target)(root)
    return fx.GraphModule(parts, graph, name)
