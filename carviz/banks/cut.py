"""Cut a traced network at a bank: head | bank | tail, for any directed graph."""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Callable
from typing import Any, NamedTuple

from torch import Tensor, fx, nn

from carviz.banks.sums import ADDS
from carviz.banks.tracing import Tracer
from carviz.banks.units import zero_channels

ZERO = "carviz_zero_channels"

MayMove = Callable[[fx.GraphModule, fx.Node], bool]


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


FindReaders = Callable[[fx.GraphModule, fx.Node], list[Reader]]


class ZeroChannels(nn.Module):
    """`zero_channels` as a module: torch.fx keeps modules whole when it unpickles a graph."""

    def forward(self, maps: Tensor, channels: Tensor, value: Any = 0, unit: int = 0) -> Tensor:
        """Return `maps` without the channels of each row; several values are one a unit."""
        return zero_channels(maps, channels, value[unit] if isinstance(value, tuple) else value)


@dataclasses.dataclass(frozen=True, eq=False)
class Cut:
    """A network cut at a bank.

    Parameters
    ----------
    layer
        The bank.
    head
        Everything that no filter of the bank can change: maps images to (site, …, whole, …,
        carried, …): the outputs of the bank's units (and of what else was moved into the head),
        the whole outputs of `readers`, and the other tensors that the tail reads.
    tail
        Maps (channels, value, site, …, without, …, carried, …) to what the network gives, where
        `channels` (row, set) are those that each row loses, negative for none, `value` is what
        stands in their place (or a tuple of it, one a unit), and `without` are the outputs of
        `readers` without them.
    where
        The ablation in words: which output is zeroed.
    sites
        How many units do not depend on one another, and leave the head.
    uses
        How many units there are; those beyond `sites` are in the tail.
    readers
        Layers behind the bank whose outputs without a channel are given to the tail.
    reads_bank
        Whether the tail reads the bank itself, beside what `readers` make of it.
    left
        The nodes of the graph that leave the head, one a site: behind what was moved into it.
    """

    layer: str
    head: fx.GraphModule
    tail: fx.GraphModule
    where: str
    sites: int = 1
    uses: int = 1
    readers: tuple[Reader, ...] = ()
    reads_bank: bool = True
    left: tuple[fx.Node, ...] = ()


def cut(
    graph: fx.GraphModule,
    layer: str,
    ends: list[fx.Node],
    may_move: MayMove | None = None,
    find_readers: FindReaders | None = None,
) -> Cut:
    """Cut a traced network at the ends of a bank's units.

    Parameters
    ----------
    graph
        The traced network.
    layer
        The bank's name.
    ends
        The nodes at which its units end, in forward order.
    may_move
        Says of a node whether it works channel by channel and maps 0 to 0: such steps directly
        behind the bank join the head, as zeroing before or after them is the same.
    find_readers
        Finds readers whose output is a sum over the bank's channels: they join the head too.
    """
    where = describe(layer, ends)
    # Units side by side leave the head together; one that reads another's output is in the tail.
    behind = _behind(graph.graph, [user for end in ends for user in end.users], [])
    sites = [end for end in ends if end not in behind]
    within = {end: unit for unit, end in enumerate(ends) if end in behind}
    units = [unit for unit, end in enumerate(ends) if end not in behind]
    # Of several units none is moved, and no share is subtracted.
    if len(ends) == 1 and may_move is not None:
        sites = [_move(graph, sites[0], may_move)]
    readers = find_readers(graph, sites[0]) if find_readers and len(ends) == 1 else []
    starts = {reader.start for reader in readers}
    rest = [user for site in sites for user in site.users if user not in starts]
    # What a reader gives comes into the tail from outside, without the channel: the reader itself
    # is no node of the tail, and all behind it is.
    tail_nodes = _behind(graph.graph, rest, [r.end for r in readers])
    given = [*sites, *(r.end for r in readers)]
    carried = _carried(graph.graph, given, tail_nodes)
    head = part_up_to(graph, [*given, *carried], "Head")
    tail = _tail(graph, dict(zip(sites, units, strict=True)), within, given, carried, tail_nodes)
    return Cut(
        layer, head, tail, where, len(sites), len(ends), tuple(readers), bool(rest), tuple(sites)
    )  # fmt: skip


def describe(layer: str, ends: list[fx.Node]) -> str:
    """Return in words where a bank's channels become zero."""
    names, own = [], False
    for end in ends:
        if end.op == "call_module":
            names.append(repr(str(end.target)))
            own = own or end.target != layer
        else:
            called = getattr(end.target, "__name__", str(end.target))
            summed = end.target in ADDS
            names.append(f"the sum {layer}" if summed else f"{called} behind {layer!r}")
            own = own or called == "batch_norm"
    where = f"zero at the output of {' and '.join(dict.fromkeys(names))}"
    return where + (", the convolution's own BatchNorm" if own else "")


def _move(graph: fx.GraphModule, site: fx.Node, may_move: MayMove) -> fx.Node:
    while len(site.users) == 1:
        reader = next(iter(site.users))
        if reader.all_input_nodes != [site] or not may_move(graph, reader):
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
    # The class is kept with the graph: a worker that unpickles it traces it again, and must not
    # take a user's own convolution apart.
    graph = fx.Graph(tracer_cls=Tracer)
    copies: dict[fx.Node, fx.Node] = {}
    needed = ancestors(outputs) | set(outputs)
    for node in module.graph.nodes:
        # The images are taken in also where nothing reads them, so that every part is called alike.
        if node in needed or node.op == "placeholder":
            copies[node] = graph.node_copy(node, lambda n: copies[n])
    graph.output(tuple(copies[node] for node in outputs))
    return _module(module, graph, name)


def part_between(module: fx.GraphModule, start: fx.Node, end: fx.Node) -> fx.GraphModule:
    """Return the steps from a node to one behind it, where each reads the one before alone."""
    chain = [end]
    while chain[-1].all_input_nodes != [start]:
        (before,) = chain[-1].all_input_nodes
        chain.append(before)
    graph = fx.Graph(tracer_cls=Tracer)
    copies = {start: graph.placeholder("maps")}
    for node in reversed(chain):
        copies[node] = graph.node_copy(node, lambda n: copies[n])
    graph.output(copies[end])
    return _module(module, graph, "Steps")


def _tail(
    module: fx.GraphModule,
    sites: dict[fx.Node, int],
    within: dict[fx.Node, int],
    given: list[fx.Node],
    carried: list[fx.Node],
    tail_nodes: set[fx.Node],
) -> fx.GraphModule:
    graph = fx.Graph(tracer_cls=Tracer)
    copies: dict[fx.Node, fx.Node] = {}
    channels, value = graph.placeholder("channels"), graph.placeholder("value")
    banks = [graph.placeholder(f"bank_{i}") for i in range(len(sites))]
    for i, node in enumerate(given[len(sites) :]):
        copies[node] = graph.placeholder(f"without_{i}")
    for i, node in enumerate(carried):
        copies[node] = graph.placeholder(f"carried_{i}")
    for site, bank in zip(sites, banks, strict=True):
        # A bank that only `readers` read is given to the tail all the same, and nothing is done to
        # it.
        if any(site in node.all_input_nodes for node in tail_nodes):
            copies[site] = graph.call_module(ZERO, (bank, channels, value, sites[site]))
    # What leads to no output is left out: it would run for every filter.
    needed = ancestors([node for node in module.graph.nodes if node.op == "output"])
    for node in module.graph.nodes:
        if node.op == "get_attr" and node in needed:
            copies[node] = graph.node_copy(node)
        elif node in tail_nodes and (node in needed or node.op == "output"):
            copies[node] = graph.node_copy(node, lambda n: copies[n])
            if node in within:  # a unit behind another loses its channel where it ends
                copies[node] = graph.call_module(
                    ZERO, (copies[node], channels, value, within[node])
                )
    return _module(module, graph, "Tail")


def _module(root: fx.GraphModule, graph: fx.Graph, name: str) -> fx.GraphModule:
    """Return the graph as a module that holds the parts it uses and no others."""
    parts: dict[str, Any] = {ZERO: ZeroChannels()}
    for node in graph.nodes:
        target = str(node.target)
        if node.op == "call_module" and target != ZERO:
            parts[target] = root.get_submodule(target)
        elif node.op == "get_attr":
            parts[target] = operator.attrgetter(target)(root)
    return fx.GraphModule(parts, graph, name)


def insert_behind(graph: fx.GraphModule, node: fx.Node, name: str, module: nn.Module) -> None:
    """Put a module into a graph behind a node: whoever reads the node reads the module instead."""
    graph.add_submodule(name, module)
    readers = list(node.users)
    with graph.graph.inserting_after(node):
        step = graph.graph.call_module(name, (node,))
    for reader in readers:
        reader.replace_input_with(node, step)
    graph.graph.lint()
    graph.recompile()
