"""Trace a network once with torch.fx, as a graph in which nothing happens in place.

While torch.fx traces it patches `torch.nn.Module` for the whole process, so tracing holds one lock
and belongs into the caller's thread, never into a worker.
"""

from __future__ import annotations

import inspect
import operator
import threading
from collections.abc import Callable
from typing import Any

from torch import fx, nn
from torch.nn.modules.batchnorm import _BatchNorm

TRACING = threading.RLock()
"""Held while torch.fx traces, and while a graph is unpickled, which traces it again."""

IN_PLACE_OPERATORS = {
    operator.iadd: operator.add,
    operator.isub: operator.sub,
    operator.imul: operator.mul,
    operator.itruediv: operator.truediv,
}


class UntraceableError(Exception):
    """The network's forward pass cannot be written as a graph; the message says why."""


class Tracer(fx.Tracer):
    """Keep convolutions and BatchNorms whole, also those of a user's own subclass.

    While it traces, torch.fx sends every call of every module of the process through here: what
    another thread runs meanwhile is none of its business and goes straight on.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._thread = threading.get_ident()

    def call_module(self, m: nn.Module, forward: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Record the call of a module, if it is of the thread that traces."""
        if threading.get_ident() != self._thread:
            return forward(*args, **kwargs)
        return super().call_module(m, forward, args, kwargs)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        """Record the reading of an attribute, if it is of the thread that traces."""
        if threading.get_ident() != self._thread:
            return attr_val
        return super().getattr(attr, attr_val, parameter_proxy_cache)

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Tell whether a module is a single step of the graph."""
        own = isinstance(m, (nn.Conv2d, _BatchNorm))
        return own or super().is_leaf_module(m, module_qualified_name)


def trace(model: nn.Module) -> fx.GraphModule:
    """Return a model as a graph without in-place steps; it is a safe copy in evaluation mode.

    Raises
    ------
    UntraceableError
        If torch.fx cannot trace it, for instance because its path depends on the image's values.
    """
    tracer = Tracer(param_shapes_constant=True)
    try:
        with TRACING:
            graph = tracer.trace(model, concrete_args=_defaults(model))
        _drop_fixed_arguments(graph)
        _forbid_in_place(graph, model)
        module = fx.GraphModule(model, graph)
        graph.lint()
    except Exception as error:  # whatever a forward pass may raise when fed a proxy
        raise UntraceableError(f"{type(error).__name__}: {error}") from error
    return module


def _defaults(model: nn.Module) -> dict[str, Any]:
    """Fix every argument of forward but the image at its default."""
    parameters = list(inspect.signature(model.forward).parameters.values())[1:]
    named = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if missing := [p.name for p in named if p.default is p.empty]:
        raise UntraceableError(f"forward needs {', '.join(missing)} beside the image")
    return {p.name: p.default for p in named}


def _drop_fixed_arguments(graph: fx.Graph) -> None:
    """Remove the placeholders of fixed arguments with the checks that torch.fx puts on them."""
    extra = [n for n in graph.nodes if n.op == "placeholder"][1:]
    doomed = set(extra)
    for node in graph.nodes:
        if any(a in doomed for a in node.all_input_nodes):
            doomed.add(node)
    for node in reversed(list(graph.nodes)):
        if node in doomed:
            graph.erase_node(node)


def _forbid_in_place(graph: fx.Graph, model: nn.Module) -> None:
    """Replace every in-place step by its twin that makes a new tensor.

    Cached tensors are read once per filter, so nothing may write into them. Who reads a tensor
    after an in-place step reads the step's result: later uses are redirected to it.
    """
    modules = {m for m in model.modules() if getattr(m, "inplace", False) is True}
    for module in modules:
        module.inplace = False  # type: ignore[assignment]
    place = {node: i for i, node in enumerate(graph.nodes)}
    for node in graph.nodes:
        was_in_place = (
            node.op == "call_module" and model.get_submodule(str(node.target)) in modules
        ) or _make_functional(node)
        if was_in_place and node.args and isinstance(node.args[0], fx.Node):
            for user in list(node.args[0].users):
                if place[user] > place[node]:
                    user.replace_input_with(node.args[0], node)


def _make_functional(node: fx.Node) -> bool:
    """Rewrite a function or method call that works in place; return whether it did."""
    if node.op == "call_function" and node.target in IN_PLACE_OPERATORS:
        node.target = IN_PLACE_OPERATORS[node.target]
        return True
    name = str(node.target)
    if node.op == "call_method" and name.endswith("_") and not name.startswith("__"):
        node.target = name[:-1]
        return True
    if node.kwargs.get("inplace") is True:
        node.kwargs = {**node.kwargs, "inplace": False}
        return True
    return False
