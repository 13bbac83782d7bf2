"""Find out that a network's weights change while they are measured."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Mapping
from concurrent.futures import Future

from torch import Tensor, nn

from carviz.evaluate.fingerprints import Identity, mark, places_of, read_state

NAMED = 3
"""Tensors that an error names."""


class Watch:
    """What a model's weights were; told apart from what they are whenever it is asked.

    The model is held weakly. When it is gone, those of its parameters and buffers that something
    else still holds, an optimizer for instance, are looked at.
    """

    def __init__(self, model: nn.Module) -> None:
        named = [
            *model.named_parameters(remove_duplicate=False),
            *model.named_buffers(remove_duplicate=False),
        ]
        self._model = weakref.ref(model)
        self._tensors = {name: weakref.ref(tensor) for name, tensor in named}
        identity = Identity(model)
        self._places, self._marks = identity.places, identity.marks
        self._digest: Future[str] = Future()
        if identity.known:
            self._digest.set_result(identity.known)
        else:
            # SHA-256 leaves Python to other threads: it runs while the caller traces the network.
            threading.Thread(target=_fulfil, args=(self._digest, identity)).start()

    @property
    def fingerprint(self) -> str:
        """The model's digest when the watch began, as `fingerprint_model` gives it."""
        return self._digest.result()

    def changed(self) -> bool:
        """Return whether the weights were written to, or are others than they were.

        A tensor that torch saw being written to counts as changed, whatever it holds now: what
        was measured between may have met other values. A move to another device or memory
        layout is no change.
        """
        state = self._state()
        return bool(self._written(state)) or bool(self._others(state))

    def soon_changed(self) -> bool:
        """Do as `changed`, and read no weights where torch has seen nothing being written.

        What is written past torch (`tensor.data`, NumPy) is not found so.
        """
        return places_of(self._state()) != self._places and self.changed()

    def changed_names(self) -> list[str]:
        """Return the tensors that were written to, or hold other values than they did."""
        state = self._state()
        return sorted(self._written(state) | self._others(state))

    def _written(self, state: Mapping[str, Tensor | str]) -> set[str]:
        now, before = places_of(state), self._places
        kept = [name for name in now if name in before and now[name][0] == before[name][0]]
        return {name for name in kept if now[name] != before[name]}

    def _others(self, state: Mapping[str, Tensor | str]) -> set[str]:
        before = self._marks
        # What is no longer there has changed, unless it went with the model.
        names = set(state) if self._model() is None else {*before, *state}
        return {n for n in names if n not in state or mark(state[n]) != before.get(n)}

    def check(self) -> None:
        """Raise what there is to say when the weights changed.

        Raises
        ------
        ValueError
            If the weights were written to, or are others than they were.
        """
        if names := self.changed_names():
            raise ValueError(weights_changed(names))

    def _state(self) -> Mapping[str, Tensor | str]:
        model = self._model()
        if model is not None:
            return read_state(model)
        return {
            name: tensor.detach()
            for name, known in self._tensors.items()
            if (tensor := known()) is not None and name in self._marks
        }


def watch_model(model: nn.Module) -> Watch:
    """Return an object that tells whether a model's weights are still what they are now.

    Its `fingerprint` is computed in a thread of its own, beside what the caller does next.

    Parameters
    ----------
    model
        The model as its owner has it. A copy shares parameters, but its buffers are its own.

    Raises
    ------
    ValueError
        If a tensor has no content to read, because it is on the meta device, or is no dense one.
    """
    return Watch(model)


def weights_changed(names: list[str]) -> str:
    """Return what to say when the weights of these names changed during a measurement."""
    listed = ", ".join(repr(name) for name in names[:NAMED])
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return (
        f"A network's weights must stay as they are while it is measured; {listed}{more} changed "
        "meanwhile. Train it, or load other weights, when the measurement is done; or measure a "
        "copy: copy.deepcopy(model)."
    )


def _fulfil(promised: Future[str], identity: Identity) -> None:
    try:
        promised.set_result(identity.digest())
    except BaseException as error:  # raised where the digest is asked for
        promised.set_exception(error)
