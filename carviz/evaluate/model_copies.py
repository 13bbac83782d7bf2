"""Copies of a model's structure that share its parameters, whatever else the model holds."""

from __future__ import annotations

import copyreg
import sys
import types
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import torch
from torch import Tensor, fx, nn
from torch.nn.parameter import is_lazy

from carviz.evaluate.hooks import own_hooks
from carviz.evaluate.wrappers import wrapped

T = TypeVar("T")

ATOMS = (
    type(None), bool, int, float, complex, str, bytes, type, types.ModuleType, types.CodeType,
    type(Ellipsis), type(NotImplemented), range, property, fx.Proxy, torch.dtype, torch.device,
)  # fmt: skip
"""What a copy would not differ from; and torch.fx's proxies, which record what is asked of them."""

MACHINERY = {
    "_asyncio", "_io", "_queue", "_thread", "asyncio", "concurrent", "io", "logging",
    "multiprocessing", "queue", "socket", "subprocess", "tempfile", "threading",
}  # fmt: skip
"""Libraries whose objects coordinate or reach outside: a copy of theirs would be another thing."""

STREAMS = (torch.Stream, torch.Event)


def shadow(model: nn.Module, device: torch.device | None = None) -> nn.Module:
    """Return a copy of the model's structure in evaluation mode that shares its parameters.

    Parameters are aliased, not copied, until something moves them to another device or format;
    buffers and all other tensors, which a forward pass may write, are copied. What is not a number
    and cannot be copied (locks, files, generators, threads, loggers, streams) is the model's own
    object in the copy too. Wrappers (torch.compile, DataParallel) are left out at any depth, and
    hooks that torch did not put there (see `foreign_hooks`). Memory layouts and in-place flags
    stay. The given model is not changed: neither state, modes, hooks nor attributes.
    """
    twin = Copier(model, own_parameters=True, every_hook=False).copy(model)
    # A user's own `train` is honoured, but need not return the module.
    twin.eval()
    if device is not None:
        twin.to(device)
    return twin  # type: ignore[no-any-return]


def copy_structure(thing: T) -> T:
    """Return a copy of a module, or of a tuple of modules and graphs, with the same parameters.

    Unlike `shadow` it keeps modes and every hook, for what it copies is a copy already; and the
    very same `Parameter` objects stand in both: they must be replaced, never moved or written
    into. Everything else is as `shadow` copies it.
    """
    copier = Copier(thing, own_parameters=False, every_hook=True)
    return copier.copy(thing)  # type: ignore[no-any-return]


class Copier:
    """Copy an object with all that hangs on it, as `copy.deepcopy` does, and never fail.

    Parameters
    ----------
    model
        What will be copied.
    own_parameters
        Whether the copy gets `Parameter` objects of its own that share the memory.
    every_hook
        Whether hooks come along that torch did not put there.
    """

    def __init__(self, model: Any, *, own_parameters: bool, every_hook: bool) -> None:
        self.own_parameters, self.every_hook = own_parameters, every_hook
        self.memo: dict[int, Any] = {}
        self._alive: list[Any] = []  # ids in the memo must not be given to new objects
        things = model if isinstance(model, tuple) else (model,)
        modules = [m for t in things if isinstance(t, nn.Module) for m in t.modules()]
        self._modules = {id(m): m for m in modules}
        self._by_contents = {id(vars(m)): m for m in modules}
        # A plain tensor may be a view of a parameter.
        self._shared = {_address(p) for m in modules for p in m._parameters.values()} - {0}
        for module in modules:
            self._hooks(module)

    def copy(self, x: Any) -> Any:
        """Return the copy of `x`, the same one whenever it is met."""
        if id(x) in self.memo:
            return self.memo[id(x)]
        kind = type(x)
        if kind in ATOMS or issubclass(kind, type):
            return x
        if issubclass(kind, Tensor):
            return self._keep(x, self._parameter(x) if _is_parameter(x) else self._tensor(x))
        if issubclass(kind, nn.Module):
            return self._module(x)
        if kind is list or kind is dict:
            return self._container(x)
        if kind is tuple:
            twin = tuple([self.copy(v) for v in x])
            # It may have been met again inside itself.
            return self.memo[id(x)] if id(x) in self.memo else self._keep(x, twin)
        if kind is types.MethodType:
            owner = self.copy(x.__self__)
            same = owner is x.__self__
            return x if same else self._keep(x, types.MethodType(self.copy(x.__func__), owner))
        if kind is types.FunctionType:
            return self._function(x)
        if kind in (weakref.ref, *weakref.ProxyTypes):
            return self._weak(x)
        if kind.__module__.split(".")[0] in MACHINERY or issubclass(kind, STREAMS):
            return x
        return self._other(x)

    def _keep(self, x: Any, twin: Any) -> Any:
        self.memo[id(x)] = twin
        self._alive.append(x)
        return twin

    def _parameter(self, x: Tensor) -> Tensor:
        if not self.own_parameters or is_lazy(x):
            return x
        data = x.detach()
        if type(data) is Tensor and type(x) is not nn.Parameter:
            twin = Tensor._make_subclass(type(x), data, False)
        else:
            twin = nn.Parameter(data, requires_grad=False)
        for name, value in vars(x).items():
            if not hasattr(twin, name):
                setattr(twin, name, self.copy(value))
        return twin

    def _tensor(self, x: Tensor) -> Tensor:
        data = x.detach()  # a tensor that was computed would refuse to be copied
        if _address(data) in self._shared:
            return data
        self._alive.append(data)
        try:
            # Views of one memory stay views of one memory.
            return data.__deepcopy__(self.memo)  # type: ignore[no-any-return, no-untyped-call]
        except Exception:  # a kind of tensor that cannot be copied is shared
            return data

    def _module(self, x: nn.Module) -> Any:
        if (inner := wrapped(x)) is not None:
            return self._keep(x, self.copy(inner))
        if hasattr(type(x), "__deepcopy__"):
            # What stands in the memo is not copied by the class's own way.
            if not isinstance(x, torch.jit.ScriptModule):
                for held in (vars(x), x._parameters, x._buffers, x._modules):
                    for value in held.values():
                        if isinstance(value, (Tensor, nn.Module)):
                            self.copy(value)
            if id(x) in self.memo:
                return self.memo[id(x)]
            try:
                return self._own_way(x)
            except Exception:  # it fails at what the module holds; the plain way does not
                return self._plain_module(x)
        return self._plain_module(x)

    def _own_way(self, x: Any) -> Any:
        """Copy an object as its class says, or raise and leave no half-made copies behind."""
        before = dict(self.memo)
        try:
            return self._keep(x, type(x).__deepcopy__(x, self.memo))
        except Exception:
            self.memo.clear()
            self.memo.update(before)
            raise

    def _plain_module(self, x: nn.Module) -> Any:
        twin = self._keep(x, object.__new__(type(x)))
        self._hooks(x)
        for name, value in vars(x).items():
            # Compiled in place (`module.compile()`), it would go on calling the original.
            if name != "_compiled_call_impl":
                vars(twin)[name] = self.copy(value)
        if (forward := getattr(type(x).forward, "_torchdynamo_orig_callable", None)) is not None:
            vars(twin)["forward"] = types.MethodType(forward, twin)
        return twin

    def _hooks(self, module: nn.Module) -> None:
        if self.every_hook:
            return
        for name, hooks in own_hooks(module).items():
            held = vars(module)[name]
            if id(held) not in self.memo:
                twin: OrderedDict[int, Any] = self._keep(held, OrderedDict())
                twin.update((n, self.copy(hook)) for n, hook in hooks.items())

    def _container(self, x: Any) -> Any:
        twin = self._keep(x, type(x)())
        if isinstance(x, dict):
            for key, value in list(x.items()):
                twin[self.copy(key)] = self.copy(value)
        else:
            twin.extend(self.copy(v) for v in list(x))
        return twin

    def _function(self, x: types.FunctionType) -> Any:
        """Copy a function that holds something of the model, so that it calls the copy's layers."""
        if (original := vars(x).get("_torchdynamo_orig_callable")) is not None:
            return self._keep(x, self.copy(original))
        modules = {
            name: x.__globals__[name]
            for name in _names(x.__code__)
            if id(x.__globals__.get(name)) in self._modules
        }
        if not modules and _is_found_by_name(x):
            return x  # the program's, not the model's
        cells = tuple(types.CellType() for _ in x.__closure__ or ())
        own_globals = x.__globals__
        if modules:
            own_globals = {**own_globals, **{n: self.copy(m) for n, m in modules.items()}}
        twin = types.FunctionType(x.__code__, own_globals, x.__name__, None, cells or None)
        self._keep(x, twin)
        changed = bool(modules)
        for cell, given in zip(cells, x.__closure__ or (), strict=True):
            try:
                contents = given.cell_contents
            except ValueError:  # an empty cell
                continue
            cell.cell_contents = self.copy(contents)
            changed |= cell.cell_contents is not contents
        twin.__defaults__ = self.copy(x.__defaults__)
        twin.__kwdefaults__ = self.copy(x.__kwdefaults__)
        twin.__qualname__ = x.__qualname__
        twin.__module__ = x.__module__
        vars(twin).update({n: self.copy(v) for n, v in vars(x).items()})
        changed |= not all(map(_is, twin.__defaults__ or (), x.__defaults__ or ()))
        changed |= bool(twin.__kwdefaults__)
        return twin if changed else self._keep(x, x)

    def _weak(self, x: Any) -> Any:
        """Point to the copy of a module; what else is pointed to may not live on in the copy."""
        if type(x) is weakref.ref:
            module = self._modules.get(id(x()))
            return x if module is None else self._keep(x, weakref.ref(self.copy(module)))
        try:
            module = self._by_contents.get(id(x.__dict__))
        except (ReferenceError, AttributeError):
            return x
        return x if module is None else self._keep(x, weakref.proxy(self.copy(module)))

    def _other(self, x: Any) -> Any:
        kind = type(x)
        try:
            if hasattr(kind, "__deepcopy__"):
                return self._own_way(x)
            reducer = copyreg.dispatch_table.get(kind)
            parts = reducer(x) if reducer else x.__reduce_ex__(4)
            if isinstance(parts, str):
                return x  # named, such as an enumeration's member
            return self._rebuilt(x, *parts)
        except Exception:  # whatever a foreign object raises when it is to be copied
            return self._keep(x, x)

    def _rebuilt(
        self,
        x: Any,
        make: Callable[..., Any],
        arguments: tuple[Any, ...],
        state: Any = None,
        items: Iterable[Any] | None = None,
        pairs: Iterable[tuple[Any, Any]] | None = None,
        set_state: Callable[[Any, Any], None] | None = None,
    ) -> Any:
        """Make an object anew from what `__reduce_ex__` tells of it."""
        twin = make(*[self.copy(a) for a in arguments])
        if id(x) in self.memo:  # it was met again among its own arguments
            return self.memo[id(x)]
        self._keep(x, twin)
        if state is not None:
            state = self.copy(state)
            if set_state is not None:
                set_state(twin, state)
            elif hasattr(twin, "__setstate__"):
                twin.__setstate__(state)
            else:
                plain, slots = state if isinstance(state, tuple) else (state, None)
                if plain:
                    vars(twin).update(plain)
                for name, value in (slots or {}).items():
                    setattr(twin, name, value)
        for item in items or ():
            twin.append(self.copy(item))
        for key, value in pairs or ():
            twin[self.copy(key)] = self.copy(value)
        return twin


def _is(a: Any, b: Any) -> bool:
    return a is b


def _is_parameter(x: Tensor) -> bool:
    # Also a tensor of another class that was made a parameter; a Buffer is none.
    return isinstance(x, nn.Parameter)


def _address(x: Tensor | None) -> int:
    """Return where a tensor's memory begins; 0 if there is none to be seen."""
    try:
        return 0 if x is None else x.untyped_storage().data_ptr()
    except Exception:  # sparse, meta and uninitialised tensors
        return 0


def _names(code: types.CodeType) -> set[str]:
    """Return the global names that a function may read, those of functions inside it too."""
    inner = [c for c in code.co_consts if isinstance(c, types.CodeType)]
    return set(code.co_names).union(*(_names(c) for c in inner))


def _is_found_by_name(x: types.FunctionType) -> bool:
    found: Any = sys.modules.get(x.__module__)
    for part in x.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is x
