"""Where the units of a bank end in a network without a graph: at the outputs of modules.

One run of the network is watched. What forward hooks can reach later is noted: the convolution, or
the normalisation that alone reads it, and of which of the module's calls. A normalisation that is
no module (`F.batch_norm` in a forward pass) cannot be reached so; such a network is left to
`carviz.reference`, which is slower and sees functions too.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from carviz.banks.batch_norms import BatchNorm, normalised
from carviz.banks.sums import PLUS
from carviz.banks.units import ASKING_ATTRIBUTES, ASKING_METHODS, HANDING_METHODS
from carviz.interrupts import whole

DROPOUTS = {"dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout",
            "feature_alpha_dropout", "feature_dropout", "stochastic_depth"}  # fmt: skip

Replace = Callable[[Tensor], Tensor]
Call = tuple[str, int]
"""A module's name, and which of its calls in a pass."""
Put = Callable[[Tensor, Call], Tensor]
Arguments = tuple[Any, Any, float]
"""Of a batch normalisation that is no module: weight, running variance, eps."""


class OutOfReachError(ValueError):
    """A unit does not end where a forward hook could reach it; the message says where."""


@dataclasses.dataclass(frozen=True)
class HookedEnds:
    """The modules at whose outputs the units of a bank end.

    Parameters
    ----------
    layer
        The bank.
    ends
        For each call of the convolution, the module and which of its calls it is.
    counts
        How often each of these modules is called in a pass.
    """

    layer: str
    ends: tuple[tuple[str, int], ...]
    counts: dict[str, int]

    @property
    def modules(self) -> list[str]:
        """The modules, each once."""
        return list(dict.fromkeys(name for name, _ in self.ends))

    def serves_alone(self, module: str) -> bool:
        """Whether each call of a module is the end of a unit of this bank."""
        return sum(name == module for name, _ in self.ends) == self.counts[module]

    @contextmanager
    def replacing(self, model: nn.Module, replace: Replace) -> Iterator[None]:
        """Let `replace` change what leaves the units, for the length of one pass."""
        with self._hooked(model, lambda _call, _module, _args, output: replace(output)):
            yield

    @contextmanager
    def placing(self, model: nn.Module, put: Put) -> Iterator[None]:
        """Let `put` change what leaves the modules, told of which call of which module it is."""
        with self._hooked(model, lambda call, _module, _args, output: put(output, call)):
            yield

    @contextmanager
    def noting(
        self, model: nn.Module, norms: dict[str, BatchNorm], note: Callable[[Tensor], None]
    ) -> Iterator[None]:
        """Let `note` see what the units give, for the length of one pass.

        A normalisation with an activation inside can be reached behind the activation only; a
        unit ends before it, so what it gives is computed anew from what the module reads.
        """

        def seen(_call: Call, module: nn.Module, args: Any, output: Tensor) -> Tensor:
            norm = norms.get(names.get(module, ""))
            note(output if norm is None or norm.plain else normalised(module, args[0]))
            return output.clone()  # for what works in place behind the unit

        names = {model.get_submodule(name): name for name in self.modules}
        with self._hooked(model, seen):
            yield

    @contextmanager
    def _hooked(
        self, model: nn.Module, change: Callable[[Call, nn.Module, Any, Tensor], Tensor]
    ) -> Iterator[None]:
        with ExitStack() as hooks:
            for name in self.modules:
                handle = model.get_submodule(name).register_forward_hook(self._hook(name, change))
                hooks.callback(handle.remove)
            yield

    def _hook(self, name: str, change: Callable[[Call, nn.Module, Any, Tensor], Tensor]) -> Any:
        always, called = self.serves_alone(name), 0

        def after(module: nn.Module, args: Any, output: Tensor) -> Tensor | None:
            nonlocal called
            called += 1
            call = name, called - 1
            if always:  # however many there are: a loop over images calls once for each
                return change(call, module, args, output)
            if called > self.counts[name]:
                raise OutOfReachError(
                    f"{name!r} serves {self.layer!r} and others, and was called more often than "
                    f"when it was watched ({self.counts[name]} times): whose call it is, is "
                    "not known."
                )
            return change(call, module, args, output) if call in self.ends else None

        return after


def hooked_ends(
    model: nn.Module, layer: str, images: Tensor, norms: dict[str, BatchNorm]
) -> HookedEnds:
    """Return where the units of a bank end, as forward hooks can reach them.

    Parameters
    ----------
    model
        A copy in evaluation mode that nobody else runs now.
    images
        A few images ``(image, channel, height, width)``.
    norms
        The model's batch normalisations.

    Raises
    ------
    OutOfReachError
        If a unit ends behind a normalisation that is no module, or inside a module.
    ValueError
        If the forward pass never calls the convolution.
    """
    if PLUS in layer:
        raise OutOfReachError(f"{layer!r} is a sum, which is no module's output")
    watcher = _watch(model, layer, images, norms)
    ends = tuple(_end(watcher, place, norms) for place in range(len(watcher.readers)))
    return HookedEnds(layer, ends, dict(watcher.counts))


def watched_norms(
    model: nn.Module, layer: str, images: Tensor, norms: dict[str, BatchNorm]
) -> list[str | Arguments | None]:
    """Return for each call of a bank the normalisation in its unit, whether hooks reach it or not.

    It is the module's name, or what was given to `F.batch_norm`: (weight, running variance, eps);
    None where the unit has none. Arguments and errors are those of `hooked_ends`.
    """
    watcher = _watch(model, layer, images, norms)
    found: list[str | Arguments | None] = []
    for place, readers in enumerate(watcher.readers):
        alone = readers[0] if len(readers) == 1 else None
        found.append(None if alone is None else alone[0] or watcher.functions[place])
    return found


def _watch(
    model: nn.Module, layer: str, images: Tensor, norms: dict[str, BatchNorm]
) -> ReaderWatcher:
    """Run a network once and note who reads the convolution's calls."""
    convolution = model.get_submodule(layer)
    channels = int(convolution.out_channels)  # type: ignore[arg-type]
    watcher = ReaderWatcher(layer)
    with ExitStack() as hooks:
        for name, norm in norms.items():
            if norm.channels == channels:
                module = model.get_submodule(name)
                for handle in (
                    module.register_forward_pre_hook(lambda _m, a, n=name: watcher.enter(n, a)),
                    module.register_forward_hook(lambda _m, _a, _o, n=name: watcher.leave(n)),
                ):
                    hooks.callback(handle.remove)
        handle = convolution.register_forward_hook(lambda _m, _a, out: watcher.called(out))
        hooks.callback(handle.remove)
        with whole(lambda: watcher):
            model(images.clone())
    if not watcher.readers:
        raise ValueError(
            "layer names a convolution that the forward pass uses; "
            f"{layer!r} is in the model, but never called in evaluation mode."
        )
    return watcher


def _end(watcher: ReaderWatcher, place: int, norms: dict[str, BatchNorm]) -> tuple[str, int]:
    readers = watcher.readers[place]
    if len(readers) == 1 and isinstance(readers[0], tuple):
        name, count = readers[0]
        if not name:
            raise OutOfReachError(
                f"the unit of {watcher.layer!r} ends behind a call of batch_norm that is no module"
            )
        if not norms[name].keeps_zero:
            raise OutOfReachError(
                f"the unit of {watcher.layer!r} ends inside {name!r}, before its activation"
            )
        return name, count
    return watcher.layer, place


class ReaderWatcher(TorchFunctionMode):
    """Note who reads what the convolution gives: a list for each of its calls.

    A reader is the normalisation module and which of its calls it was, ("", 0) for a
    normalisation that is no module (`known` functions), or None for anything else.
    """

    def __init__(self, layer: str, known: Collection[str] = ("batch_norm",)) -> None:
        super().__init__()
        self.layer, self.known = layer, known
        self.readers: list[list[tuple[str, int] | None]] = []
        self.counts: collections.Counter[str] = collections.Counter()
        self.functions: dict[int, Arguments] = {}
        self._names: list[tuple[Tensor, int]] = []
        self._inside: list[int] = []

    def called(self, output: Tensor) -> None:
        """Take in what a call of the convolution gives."""
        self._names.append((output, len(self.readers)))
        self.readers.append([])
        self.counts[self.layer] += 1

    def enter(self, name: str, args: Any) -> None:
        """Note that a normalisation begins; what it does to its input is one reading."""
        place = self._place(args[0]) if args else None
        if place is not None:
            self.readers[place].append((name, self.counts[name]))
        self.counts[name] += 1
        self._inside.append(-1 if place is None else place)

    def leave(self, _name: str) -> None:
        """Note that a normalisation ends."""
        self._inside.pop()

    def forget(self, output: Any) -> None:
        """Take what worked in place for what it made: it is no longer what was given."""
        self._names = [(tensor, place) for tensor, place in self._names if tensor is not output]

    def _place(self, value: Any) -> int | None:
        return next((place for tensor, place in self._names if tensor is value), None)

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        output = func(*args, **kwargs)
        name = getattr(func, "__name__", str(func))
        if name == "__get__":  # an attribute: torch hands over its getter
            name = getattr(getattr(func, "__self__", None), "__name__", name)
        if name in ASKING_METHODS | ASKING_ATTRIBUTES or name.startswith("is_"):
            return output
        places = {self._place(leaf) for leaf in tree_leaves((args, kwargs))} - {None}
        first = self._place(args[0] if args else kwargs.get("input"))
        for place in places - set(self._inside):
            assert place is not None
            if place == first and name in HANDING_METHODS | DROPOUTS:
                self._names.append((output, place))
            elif place == first and name.rstrip("_") in self.known:
                self.readers[place].append(("", 0))
                if name == "batch_norm":
                    self.functions[place] = _arguments(args, kwargs)
                self.forget(output)
            else:
                self.readers[place].append(None)
        return output


def _arguments(args: Any, kwargs: Any) -> Arguments:
    """Return what `F.batch_norm` or `torch.batch_norm` was given; they order it differently."""
    tensors = dict(enumerate(args))
    # torch.batch_norm: (input, weight, bias, mean, var, training, momentum, eps, …);
    # F.batch_norm: (input, mean, var, weight, bias, training, momentum, eps).
    builtin = len(args) > 8 or "cudnn_enabled" in kwargs
    weight, variance = (1, 4) if builtin else (3, 2)
    return (
        kwargs.get("weight", tensors.get(weight)),
        kwargs.get("running_var", tensors.get(variance)),
        float(kwargs.get("eps", tensors.get(7, 1e-5))),
    )
