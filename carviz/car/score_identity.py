"""By what a score of one's own is told from another: its name, and a digest of what decides it."""

from __future__ import annotations

import collections
import dis
import functools
import hashlib
import pickle
import sys
import types
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from carviz.evaluate import digest_of

UNKNOWN = "unknown"
"""Stands for the digest of what cannot be read."""
INSTALLED = ("site-packages", "dist-packages")
PLAIN = (bool, int, float, complex, str, bytes, np.generic, np.ndarray, Tensor)
CONTAINERS = (list, tuple, collections.deque, Mapping, set, frozenset)
ABC_CACHE = "_abc_impl"


def identity_of(score: Any) -> dict[str, str]:
    """Return by what a function goes, and a digest of what decides its numbers.

    That is its code and what it holds, every function of an object's class, and the global values
    and functions that any of these names, and so on. Of what is installed (torch, NumPy, …) the
    code alone is looked at; what a function imports while it runs is not. Where something cannot
    be read, the digest is "unknown".
    """
    try:
        found = hashlib.blake2b(digest_size=8)
        for part in _Reader().parts(score):
            found.update(b"%d:" % len(part) + part)
        code = found.hexdigest()
    except Exception:  # whatever pickle raises of what it cannot take, and RecursionError
        code = UNKNOWN
    return {"name": name_of(score), "code": code}


def code_of_sent(packed: bytes) -> str:
    """Return the digest of a function that was packed for a process, in that process."""
    return identity_of(pickle.loads(packed))["code"]


def name_of(score: Any) -> str:
    """Return by what a function, or an object that is called, goes."""
    if isinstance(score, functools.partial):
        return f"partial of {name_of(score.func)}"
    kind = score if hasattr(score, "__qualname__") else type(score)
    return f"{getattr(kind, '__module__', '')}.{kind.__qualname__}"


class _Reader:
    """Walks through what decides a function's numbers; each thing is read once."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[int, Any]] = {}  # holds it, so that its id stays its own

    def parts(self, value: Any, names: Iterable[str] = ()) -> Iterator[bytes]:
        """Yield what decides a value; `names` are what is asked of it, where it is a module."""
        if value is None or type(value) in PLAIN or isinstance(value, (np.ndarray, Tensor)):
            yield digest_of(value)
            return
        if isinstance(value, types.ModuleType):
            yield value.__name__.encode()
            if not _is_installed(value.__name__):
                own = vars(value)
                yield from self._named({x: own[x] for x in sorted(set(names)) if x in own})
            return
        if id(value) in self._seen:
            yield b"seen %d" % self._seen[id(value)][0]
            return
        self._seen[id(value)] = len(self._seen), value
        if isinstance(value, types.FunctionType):
            yield from self._function(value)
        elif isinstance(value, types.MethodType):
            yield from self.parts(value.__func__)
            yield from self.parts(value.__self__)
        elif isinstance(value, functools.partial):
            for x in (value.func, value.args, value.keywords):
                yield from self.parts(x)
        elif isinstance(value, types.BuiltinFunctionType):
            yield name_of(value).encode()
            yield from self.parts(value.__self__)
        elif isinstance(value, type):
            yield from self._class(value)
        elif "__wrapped__" in getattr(value, "__dict__", {}):  # functools.lru_cache makes such
            yield name_of(type(value)).encode()
            yield from self.parts(value.__wrapped__)
        else:
            yield from self._object(value)

    def _named(self, values: Mapping[Any, Any]) -> Iterator[bytes]:
        for key, value in values.items():
            yield from self.parts(key)
            yield from self.parts(value)

    def _function(self, function: types.FunctionType) -> Iterator[bytes]:
        codes = list(_codes(function.__code__))
        for code in codes:
            yield code.co_code
            yield repr(code.co_names).encode()
            for constant in code.co_consts:
                if not isinstance(constant, types.CodeType):
                    yield _constant(constant)
        for cell in function.__closure__ or ():
            yield from self.parts(cell.cell_contents)
        yield from self.parts(function.__defaults__)
        yield from self.parts(function.__kwdefaults__)
        yield from self._named(vars(function))
        if _is_installed(function.__module__):
            return
        names = [name for code in codes for name in code.co_names]
        own = function.__globals__
        for name in sorted({x for code in codes for x in _globals_of(code) if x in own}):
            yield name.encode()
            yield from self.parts(own[name], names)

    def _class(self, kind: type) -> Iterator[bytes]:
        yield name_of(kind).encode()
        for base in kind.__mro__:
            if base.__module__ == "builtins":
                continue
            installed = _is_installed(base.__module__)
            yield name_of(base).encode()
            for name, value in sorted(vars(base).items()):
                functions = list(_functions(value))
                held = not name.startswith("__") and name != ABC_CACHE and not installed
                if functions or held:
                    yield name.encode()
                for function in functions:
                    yield from self.parts(function)
                if held and not functions and not _is_slot(value):
                    yield from self.parts(value)

    def _object(self, value: Any) -> Iterator[bytes]:
        kind = type(value)
        yield name_of(kind).encode()
        if isinstance(value, PLAIN):
            yield digest_of(value)
        elif isinstance(value, (list, tuple, collections.deque)):
            for x in value:
                yield from self.parts(x)
        elif isinstance(value, Mapping):
            yield from self._named(value)
        elif isinstance(value, (set, frozenset)):
            yield from sorted(b"".join(_Reader().parts(x)) for x in value)  # in no order
        elif _is_installed(kind.__module__) and not isinstance(value, nn.Module):
            yield digest_of(value)
            return
        if kind.__module__ == "builtins":
            return
        yield from self.parts(kind)
        slots = {
            name: getattr(value, name)
            for base in kind.__mro__
            for name, x in vars(base).items()
            if isinstance(x, types.MemberDescriptorType) and hasattr(value, name)
        }
        held = getattr(value, "__dict__", None)
        if held is None and not slots and not isinstance(value, (*CONTAINERS, *PLAIN)):
            yield digest_of(value)
        yield from self._named(slots)
        yield from self._named(held or {})


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


def _globals_of(code: types.CodeType) -> set[str]:
    steps = dis.get_instructions(code)
    return {step.argval for step in steps if step.opname in ("LOAD_GLOBAL", "LOAD_NAME")}


def _constant(value: Any) -> bytes:
    """Return a constant of some code; the order of a set's members differs between processes."""
    if isinstance(value, frozenset):
        return b"{" + b",".join(sorted(map(_constant, value))) + b"}"
    return repr(value).encode()


def _functions(value: Any) -> Iterator[Any]:
    """Yield the functions that a class has under one of its names."""
    if isinstance(value, types.FunctionType):
        yield value
    elif isinstance(value, (staticmethod, classmethod)):
        yield value.__func__
    elif isinstance(value, property):
        yield from (x for x in (value.fget, value.fset) if x is not None)
    elif isinstance(value, functools.cached_property):
        yield value.func


def _is_slot(value: Any) -> bool:
    """Whether a class has this only to find what its objects hold."""
    return isinstance(value, (types.MemberDescriptorType, types.GetSetDescriptorType))


def _is_installed(module: str | None) -> bool:
    """Whether a module comes with Python, with an installed package, or with carviz."""
    root = (module or "").partition(".")[0]
    if root in sys.stdlib_module_names or root == "carviz":
        return True
    file = getattr(sys.modules.get(module or ""), "__file__", None) or ""
    return any(part in INSTALLED for part in Path(file).parts)
