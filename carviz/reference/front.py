"""The reference: a model's own answers, whole and without some filters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from carviz.evaluate import AS_IS, Pick, arithmetic, inference_mode, shadow
from carviz.interrupts import Whole, whole
from carviz.reference.functions import CHANNEL, PLUS
from carviz.reference.placing import (
    Placer,
    PlaceWatcher,
    constants_put,
    noted,
    others_put,
)
from carviz.reference.removing import Remover, Replace, whole_sum
from carviz.reference.watching import Call, End, Watcher, end_of

Removals = Mapping[str, Sequence[int]]
"""Numbers of the filters that are gone, by bank."""


class NeverCalledError(ValueError):
    """The forward pass never calls the convolution."""


class Reference:
    """A model's own answers, whole and without some filters.

    Parameters
    ----------
    model
        The model; a copy of its structure is run, which shares its parameters.
    pick
        Finds the logits in what the model gives.

    Attributes
    ----------
    model
        The copy.
    passes
        Forward passes so far.
    """

    def __init__(self, model: nn.Module, pick: Pick = AS_IS) -> None:
        self.model = shadow(model)
        self.pick = pick
        self.passes = 0
        self._norms: dict[int, list[str]] = {}
        self._ends: dict[str, list[End]] = {}
        self._behind: dict[str, list[bool]] = {}

    def double(self) -> Reference:
        """Return the same in float64, with parameters of its own."""
        twin = Reference(self.model, self.pick)
        # New tensors first: shared parameters must not be rewritten where they lie.
        for parameter in twin.model.parameters():
            if parameter.is_floating_point():
                parameter.data = parameter.data.double()
        twin.model.double()
        return twin

    def answer(self, images: Tensor) -> Any:
        """Return what the model gives for images, as it gives it."""
        self.passes += 1
        # The images are cloned, for networks that normalise their input in place.
        with inference_mode(), _exactly(images):
            return self.model(images.clone())

    def logits(self, images: Tensor) -> Tensor:
        """Return the whole network's logits (image, class)."""
        with self._reading() as read:
            return read(self.answer(images))

    def answer_and_energies(self, images: Tensor, layer: str) -> tuple[Any, Tensor]:
        """Return what the model gives, and (filter,) how far from zero each channel is on the way.

        That is the mean absolute value at the ends of the bank's units; of a sum of branches that
        of its first convolution.
        """
        answer, calls = self._watch(images, self._convolutions(layer)[0])
        maps = [call.maps.movedim(CHANNEL, 0).flatten(1) for call in calls if call.maps is not None]
        return answer, torch.stack([m.double().abs().mean(1) for m in maps]).sum(0)

    def ends(self, images: Tensor, layer: str) -> list[End]:
        """Return where the unit of each call of a convolution ends, by watching one pass."""
        known = self._ends.get(layer)
        # Where all calls end alike it does not matter how many there are: a loop over images has
        # one each.
        if known is None or len(set(known)) > 1:
            self._watch(images, layer)
        return self._ends[layer]

    def behind(self, images: Tensor, layer: str) -> list[bool]:
        """Return for each call of a bank whether its channels are last alone behind an activation.

        Else that is where the unit ends.
        """
        known = self._behind.get(layer)
        if known is None or len(set(known)) > 1:
            watcher = PlaceWatcher()
            self._run(images, {layer: []}, watcher)
            self._behind[layer] = watcher.behind()
        return self._behind[layer]

    def maps(self, images: Tensor, layer: str) -> list[Tensor]:
        """Return for each call of a bank the maps in which its channels are last alone."""
        maps: dict[int, Tensor] = {}
        self._run(images, {layer: []}, Placer(self.behind(images, layer), noted(maps)))
        return [maps[call] for call in sorted(maps)]

    def without(
        self, images: Tensor, removals: Removals, *,
        constants: Tensor | None = None, partners: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        """Return the logits (image, class) of the network without some filters, of any banks.

        The channels become zero at the end of the unit of every call, in every row. Or, of one
        bank, they are set where they are last alone: behind the activation that alone reads the
        unit, else at the unit's end.

        Parameters
        ----------
        constants
            (call, filter) what they are set to; one row of them is for all calls.
        partners
            Images as many as `images`: a channel becomes what it is on these.
        """
        gone = {layer: list(filters) for layer, filters in removals.items() if len(filters)}
        remover = Remover()
        if gone and (constants is not None or partners is not None):
            (layer,) = gone
            if partners is not None:
                put = others_put(dict(enumerate(self.maps(partners, layer))))
            elif constants is not None:
                put = constants_put(constants)
            remover = Placer(self.behind(images, layer), put)
        logits: Tensor = self._run(images, gone, remover, self._reading())
        return logits

    def _run(
        self, images: Tensor, gone: Removals, remover: Remover,
        reading: AbstractContextManager[Callable[[Any], Any]] | None = None,
    ) -> Any:  # fmt: skip
        """Run the model once, with a remover at the ends of some banks' units."""
        parts = [part for layer in gone for part in self._convolutions(layer)]
        ends = {part: self.ends(images, part) for part in parts}
        self.passes += 1
        removing = whole(lambda: self._removing(gone, ends, remover))
        reading = reading or nullcontext(lambda answer: answer)
        with inference_mode(), _exactly(images), removing, reading as read:
            return read(self.model(images.clone()))

    def _reading(self) -> AbstractContextManager[Callable[[Any], Tensor]]:
        return self.pick.reading()

    # -- watching

    def _watch(self, images: Tensor, layer: str) -> tuple[Any, list[Call]]:
        watcher = Watcher()
        with self._hooked(layer, watcher.after_convolution, watcher.enter, watcher.leave):
            self.passes += 1
            with inference_mode(), _exactly(images), whole(lambda: watcher):
                answer = self.model(images.clone())
        if not watcher.calls:
            raise NeverCalledError(
                "layer names a convolution that the forward pass uses; "
                f"{layer!r} is in the model, but never called in evaluation mode."
            )
        self._ends[layer] = [end_of(call) for call in watcher.calls]
        return answer, watcher.calls

    @contextmanager
    def _hooked(self, layer: str, after: Any, enter: Any, leave: Any) -> Iterator[None]:
        """Put hooks on the convolution, and on modules that may normalise by hand."""
        hooks = [self.model.get_submodule(layer).register_forward_hook(after)]
        for name in self._own_norms(_filters(self.model, layer)):
            module = self.model.get_submodule(name)
            hooks.append(module.register_forward_pre_hook(lambda _m, args: enter(args)))
            hooks.append(module.register_forward_hook(lambda _m, _a, out, n=name: leave(n, out)))
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _own_norms(self, channels: int) -> list[str]:
        """Return modules that normalise by stored statistics and may do so by hand.

        They are tried: each channel of the output must be a straight line of the same channel.
        """
        if channels in self._norms:
            return self._norms[channels]
        found = self._norms[channels] = []
        for name, module in self.model.named_modules():
            mean = getattr(module, "running_mean", None)
            variance = getattr(module, "running_var", None)
            if not isinstance(mean, Tensor) or not isinstance(variance, Tensor):
                continue
            if mean.numel() == variance.numel() == channels and _is_straight(module, mean):
                found.append(name)
        return found

    def _convolutions(self, layer: str) -> list[str]:
        """Return the convolutions of a bank: itself, or those among the summands of a sum."""
        if PLUS not in layer:
            return [layer]
        known = dict(self.model.named_modules(remove_duplicate=False))
        return [n for n in layer.split(PLUS) if isinstance(known.get(n), nn.Conv2d)]

    # -- removing

    @contextmanager
    def _removing(
        self, gone: Removals, ends: Mapping[str, list[End]], remover: Remover
    ) -> Iterator[None]:
        hooks: list[Any] = []
        try:
            norms: dict[str, None] = {}
            for layer, filters in gone.items():
                total = layer.split(PLUS)
                replace: Replace = remover.at_end
                if len(total) > 1:
                    replace = whole_sum(remover, len(total))
                for part in self._convolutions(layer):
                    after = remover.hook(ends[part], list(filters), replace)
                    hooks.append(self.model.get_submodule(part).register_forward_hook(after))
                    norms |= dict.fromkeys(e.module for e in ends[part] if e.kind == "module")
            for name in norms:
                module = self.model.get_submodule(name)
                hooks.append(
                    module.register_forward_hook(
                        lambda _m, a, o, n=name: remover.after_norm(n, a, o)
                    )
                )
            with remover:
                yield
        finally:
            for hook in hooks:
                hook.remove()


def _filters(model: nn.Module, layer: str) -> int:
    return int(model.get_submodule(layer).out_channels)  # type: ignore[arg-type]


def _is_straight(module: nn.Module, like: Tensor) -> bool:
    """Whether a module maps each channel by itself, and along a straight line."""
    generator = torch.Generator().manual_seed(0)
    shape = (2, like.numel(), 2, 3)
    one, other = (
        (8 * torch.randn(shape, generator=generator, dtype=torch.float64)).to(like)
        for _ in range(2)
    )
    try:
        with inference_mode():
            a, b, middle = (module(x.clone()) for x in (one, other, (one + other) / 2))
            mixed = one.clone()
            mixed[:, ::2] = other[:, ::2]
            c = module(mixed)
    except Exception:  # a module that wants something else is no normalisation of maps
        return False
    if not isinstance(a, Tensor) or a.shape != one.shape:
        return False
    scale = max(float(a.abs().max()), float(b.abs().max()), 1e-12)
    straight = (middle - (a + b) / 2).abs().max() <= 1e-3 * scale
    apart = (c[:, ::2] - b[:, ::2]).abs().max() <= 1e-3 * scale
    apart_too = (c[:, 1::2] - a[:, 1::2]).abs().max() <= 1e-3 * scale if like.numel() > 1 else True
    return bool(straight and apart and apart_too)


def _exactly(images: Tensor) -> Whole[None]:
    return arithmetic("float32", images.device.type)
