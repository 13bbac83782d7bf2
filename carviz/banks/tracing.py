"""Trace a network once with torch.fx, as a graph in which nothing happens in place.

While torch.fx traces it patches `torch.nn.Module` for the whole process, so tracing holds one lock
and belongs into the caller's thread, never into a worker.

Ctrl-C waits while the patches are put in and taken back, some milliseconds. Where the network's own
forward runs, which may be long, the first Ctrl-C ends it at once: from there its exception runs
through torch.fx, which takes all patches back, and every further Ctrl-C waits for that.
"""

from __future__ import annotations

import functools
import inspect
import operator
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx, nn
from torch.fx import _symbolic_trace
from torch.nn.modules.batchnorm import _BatchNorm

from carviz.banks.batch_norms import BatchNorm
from carviz.interrupts import Hold, uninterrupted

TRACING = threading.RLock()
"""Held while torch.fx traces, and while a graph is unpickled, which traces it again."""

IN_PLACE_OPERATORS = {
    operator.iadd: operator.add,
    operator.isub: operator.sub,
    operator.imul: operator.mul,
    operator.itruediv: operator.truediv,
}


LAYOUT = {"as_strided", "stride", "is_contiguous", "storage", "untyped_storage", "data_ptr"}
"""Methods whose answer depends on the order of numbers in memory, which a graph changes."""


class UntraceableError(Exception):
    """The network's forward pass cannot be written as a graph; the message says why."""


class Tracer(fx.Tracer):
    """Keep convolutions and batch normalisations whole, also those of a user's own class.

    A normalisation with an activation inside is taken apart, so that the normalisation can be told
    from it.

    While it traces, torch.fx sends every call of every module of the process through here: what
    another thread runs meanwhile is none of its business and goes straight on.
    """

    def __init__(
        self, norms: Mapping[str, BatchNorm] | None = None, apart: bool = True, **settings: Any
    ) -> None:
        super().__init__(**settings)
        self._norms = norms or {}
        self._apart = apart
        self._thread = threading.get_ident()
        self.hold = Hold()

    def create_args_for_root(
        self, root_fn: Callable[..., Any], is_module: bool, concrete_args: Any = None
    ) -> tuple[Callable[..., Any], list[Any]]:
        """Return the forward that is traced, which Ctrl-C may end, and what it is given."""
        forward, args = super().create_args_for_root(root_fn, is_module, concrete_args)

        @functools.wraps(forward)
        def ended_by_an_interrupt(*given: Any) -> Any:
            self.hold.open()
            try:
                return forward(*given)
            finally:
                self.hold.close()

        return ended_by_an_interrupt, args

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
        if (norm := self._norms.get(module_qualified_name)) is not None:
            return norm.plain or not self._apart
        # torch.fx keeps only torch.nn's modules whole: a user's subclass of Conv2d would come apart
        # into its operations, and no bank would be left of it.
        own = isinstance(m, (nn.Conv2d, _BatchNorm))
        return own or super().is_leaf_module(m, module_qualified_name)


def trace(model: nn.Module, norms: Mapping[str, BatchNorm] | None = None) -> fx.GraphModule:
    """Return a model as a graph without in-place steps; it is a safe copy in evaluation mode.

    Parameters
    ----------
    norms
        Its batch normalisations (`carviz.banks.batch_norms`).

    Raises
    ------
    UntraceableError
        If torch.fx cannot trace it, for instance because its path depends on the image's values.
    """
    norms = norms or {}
    try:
        return _trace(model, Tracer(norms, param_shapes_constant=True))
    except UntraceableError:
        # What could not be taken apart may be kept whole where that comes to the same.
        bent = [norm for norm in norms.values() if not norm.plain]
        if not bent or not all(norm.keeps_zero for norm in bent):
            raise
    return _trace(model, Tracer(norms, apart=False, param_shapes_constant=True))


def _trace(model: nn.Module, tracer: Tracer) -> fx.GraphModule:
    try:
        patching = uninterrupted(patches_undone)
        tracer.hold = patching.hold
        with TRACING, patching:
            graph = tracer.trace(model, concrete_args=_defaults(model))
        _drop_fixed_arguments(graph)
        _forbid_in_place(graph, model)
        _forget_layout(graph)
        module = fx.GraphModule(model, graph)
        graph.lint()
    except UntraceableError:
        raise
    except Exception as error:  # whatever a forward pass may raise when fed a proxy
        raise UntraceableError(f"{type(error).__name__}: {error}") from error
    return module


class _Patchable:
    """What torch.fx patches for the whole process, as it is when this is made."""

    def __init__(self) -> None:
        self._methods = {name: getattr(nn.Module, name) for name in ("__call__", "__getattr__")}
        self._patcher = _symbolic_trace.CURRENT_PATCHER
        self._traces = _symbolic_trace._get_is_fx_tracing()

    def put_back(self) -> None:
        """Take back what is still patched; of what others have set since then, nothing."""
        left = _symbolic_trace.CURRENT_PATCHER
        if left is not None and left is not self._patcher:
            for patch in reversed(left.patches_made):
                place = patch.frame_dict
                names = vars(place) if isinstance(place, type) else place
                if names.get(patch.fn_name) is patch.new_fn:
                    patch.revert()
            _symbolic_trace.CURRENT_PATCHER = self._patcher
        for name, method in self._methods.items():
            if getattr(nn.Module, name) is not method:
                setattr(nn.Module, name, method)
        _symbolic_trace._set_is_fx_tracing(self._traces)


class _Mark:
    """Lives as long as a call that undoes its patches; dead without that, it was cut off."""


_BEGUN: list[tuple[weakref.ref[_Mark], _Patchable]] = []
"""The calls that undo their patches, which the thread that holds `TRACING` is in."""


@contextmanager
def patches_undone() -> Iterator[None]:
    """Undo what torch.fx patches inside, and first of all what a call left that was cut off.

    Whoever is inside holds `TRACING`, and Ctrl-C waits (`carviz.interrupts.uninterrupted`).
    """
    for mark, before in reversed(_BEGUN):
        if mark() is None:
            before.put_back()
    own, before = _Mark(), _Patchable()
    _BEGUN[:] = [begun for begun in _BEGUN if begun[0]() is not None]
    _BEGUN.append((weakref.ref(own), before))
    try:
        yield
    finally:
        before.put_back()
        _BEGUN.pop()


def _forget_layout(graph: fx.Graph) -> None:
    """Let no step depend on the order of numbers in memory: graphs run with channels last.

    `view` asks for numbers that lie in a row; `reshape` gives the same numbers wherever they lie.
    """
    for node in graph.nodes:
        if node.op != "call_method":
            continue
        if node.target in LAYOUT:
            raise UntraceableError(f"it asks for {node.target!r}, the order of numbers in memory")
        sizes = [*node.args[1:], *node.kwargs.values()]
        if node.target == "view" and not any(isinstance(s, torch.dtype) for s in sizes):
            node.target = "reshape"
            node.kwargs = {{"size": "shape"}.get(k, k): v for k, v in node.kwargs.items()}
        elif node.target == "view_as":
            node.target = "reshape_as"


def _defaults(model: nn.Module) -> dict[str, Any]:
    """Fix every argument of forward but the image at its default."""
    parameters = list(inspect.signature(model.forward).parameters.values())[1:]
    named = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if missing := [p.name for p in named if p.default is p.empty]:
        raise UntraceableError(f"forward needs {', '.join(missing)} beside the image")
    # torch.fx would trace them as unknown tensors. Of such a one `mask is None` is never true, and
    # the path that is traced would be another than the one that runs.
    return {p.name: p.default for p in named}


def _drop_fixed_arguments(graph: fx.Graph) -> None:
    """Remove the placeholders of fixed arguments with the checks that torch.fx puts on them."""
    extra = [n for n in graph.nodes if n.op == "placeholder"][1:]
    doomed = set(extra)
    for node in graph.nodes:
        if any(a in doomed for a in node.all_input_nodes):
            doomed.add(node)
    # From the end, as a node can only be erased when nobody reads it any more.
    for node in reversed(list(graph.nodes)):
        if node in doomed:
            graph.erase_node(node)


def _forbid_in_place(graph: fx.Graph, model: nn.Module) -> None:
    """Replace every in-place step by its twin that makes a new tensor.

    Cached tensors are read once per filter, so nothing may write into them. Who reads a tensor
    after an in-place step reads the step's result: later uses are redirected to it. Where the step
    writes into memory that is read later under another name as well, a view, the graph would not
    see that: such a network has none.
    """
    modules = {m for m in model.modules() if getattr(m, "inplace", False) is True}
    for module in modules:
        module.inplace = False  # type: ignore[assignment]
    place = {node: i for i, node in enumerate(graph.nodes)}
    shared = _Memory(model)
    for node in graph.nodes:
        was_in_place = (
            node.op == "call_module" and model.get_submodule(str(node.target)) in modules
        ) or _make_functional(node)
        given = node.args[0] if node.args else node.kwargs.get("input")
        shared.add(node, given, was_in_place)
        if was_in_place and isinstance(given, fx.Node):
            for other in shared.names(node) - {given, node}:
                if any(place[user] > place[node] for user in other.users):
                    raise UntraceableError(
                        f"{node.name} writes in place into what {other.name} reads as well"
                    )
            # Who reads the old name later meant what the step has written; who read it before, did
            # not.
            for user in list(given.users):
                if place[user] > place[node]:
                    user.replace_input_with(given, node)


VIEWS = {
    "view", "view_as", "reshape", "reshape_as", "flatten", "unflatten", "transpose", "permute", "t",
    "squeeze", "unsqueeze", "expand", "expand_as", "narrow", "select", "chunk", "split", "unbind",
    "tensor_split", "movedim", "swapaxes", "diagonal", "unfold", "contiguous", "detach", "to",
    "float", "type", "type_as", "getitem", "getattr", "dropout", "dropout2d", "alpha_dropout",
    "stochastic_depth", "positive", "pos", "channel_shuffle",
}  # fmt: skip
"""Functions whose output may be their input's memory."""
VIEWING = (nn.Flatten, nn.Unflatten, nn.Identity, nn.modules.dropout._DropoutNd)


class _Memory:
    """Which nodes are names of the same memory, or may be."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._roots: dict[fx.Node, fx.Node] = {}

    def add(self, node: fx.Node, given: Any, in_place: bool) -> None:
        """Take in a node, in forward order."""
        same = isinstance(given, fx.Node) and (in_place or self._views(node))
        self._roots[node] = self._roots.get(given, given) if same else node

    def names(self, node: fx.Node) -> set[fx.Node]:
        """Return the nodes that share a node's memory."""
        return {other for other, root in self._roots.items() if root is self._roots[node]}

    def _views(self, node: fx.Node) -> bool:
        if node.op == "call_module":
            return isinstance(self._model.get_submodule(str(node.target)), VIEWING)
        name = node.target if node.op == "call_method" else getattr(node.target, "__name__", "")
        return name in VIEWS


def _make_functional(node: fx.Node) -> bool:
    """Rewrite a function or method call that works in place; return whether it did."""
    if node.op == "call_function" and node.target in IN_PLACE_OPERATORS:
        node.target = IN_PLACE_OPERATORS[node.target]
        return True
    name = str(node.target)
    if node.op == "call_method" and name.endswith("_") and not name.startswith("__"):
        node.target = name[:-1]
        return True
    called = getattr(node.target, "__name__", "") if node.op == "call_function" else ""
    if called.endswith("_") and not called.startswith("_"):
        twin = getattr(torch, called[:-1], None) or getattr(F, called[:-1], None)
        if twin is None:
            raise UntraceableError(f"{called} works in place, and has no twin that does not")
        node.target = twin
        return True
    if node.kwargs.get("inplace") is True:
        node.kwargs = {**node.kwargs, "inplace": False}
        return True
    place = _place_of_inplace(node)
    if place < len(node.args) and node.args[place] is True:
        node.args = (*node.args[:place], False, *node.args[place + 1 :])
        return True
    return False


def _place_of_inplace(node: fx.Node) -> int:
    """Return where a function takes `inplace` when it is given without its name."""
    if node.op != "call_function" or not hasattr(F, getattr(node.target, "__name__", "")):
        return len(node.args)
    try:
        names = list(inspect.signature(node.target).parameters)  # type: ignore[arg-type]
    except (TypeError, ValueError):  # a function of C++ has no signature
        return len(node.args)
    return names.index("inplace") if "inplace" in names else len(node.args)
