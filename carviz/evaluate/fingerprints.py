"""Short names for a model and for data, so that a saved result says what it was measured on.

A model's digest is SHA-256 over every byte, which takes as long as preparing a bank; so it is
computed once and remembered, and taken from memory only while storages, versions and a checksum
over all bytes (`carviz.evaluate.checksums`) say that the weights are the same.
"""

from __future__ import annotations

import hashlib
import platform
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from carviz.evaluate.checksums import checksum
from carviz.evaluate.images import Images
from carviz.version import __version__

SAMPLE = 16
"""Images that enter a data fingerprint; reading all would cost as much as measuring."""
BATCH = 32
"""Images that are read at once where all of them are compared."""
SMALL = 2**15
"""Bytes up to which a tensor is told by its content alone: a copy made for each bank (the
statistics of a batch normalisation) is then the same tensor."""
REMEMBERED = 64
"""Digests that are remembered."""

_digests: dict[bytes, tuple[bytes, str]] = {}
"""By where a model's tensors are: a checksum of what they hold, and the digest. No tensor."""
_lock = threading.Lock()


def fingerprint_model(model: nn.Module) -> str:
    """Return a digest of the model's structure and of every parameter and buffer.

    The digest is computed once for a network; asked again, only a checksum of its bytes is, a
    quarter of the work, so that whatever has written to the weights meanwhile is seen.

    Raises
    ------
    ValueError
        If a tensor has no content to read, because it is on the meta device, or is no dense one.
    """
    return Identity(model).digest()


class Identity:
    """What a model is: marks of its tensors, taken at once, and its digest, taken when asked."""

    def __init__(self, model: nn.Module) -> None:
        # Whether a step works in place changes how it computes, not what: a traced copy is equal.
        self._structure = re.sub(r"(, )?inplace=\w+", "", repr(model))
        self._state = read_state(model)
        self.places = places_of(self._state)
        self.marks = {name: mark(value) for name, value in self._state.items()}
        self._place = self._find_place()
        self._content = hashlib.blake2b(b"".join(self.marks.values())).digest()

    def _find_place(self) -> bytes:
        """Return what identifies the model short of the content of its large tensors."""
        found = hashlib.blake2b(self._structure.encode())
        for name, value in self._state.items():
            found.update(f"\n{name}\n".encode())
            if isinstance(value, str) or value.nbytes <= SMALL:
                found.update(self.marks[name])
            else:
                found.update(_head(value) + repr(self.places[name]).encode())
        return found.digest()

    @property
    def known(self) -> str:
        """The digest, where it is remembered; else empty."""
        with _lock:
            content, digest = _digests.get(self._place, (b"", ""))
        return digest if content == self._content else ""

    def digest(self) -> str:
        """Return the digest; it is read in long steps that leave Python to other threads."""
        if known := self.known:
            return known
        read = hashlib.sha256(self._structure.encode())
        for name, value in self._state.items():
            read.update(name.encode())
            if isinstance(value, str):
                read.update(value.encode())
            else:
                _add(read, value)
        digest = read.hexdigest()[:16]
        # The checksum came first: had it come last, a write between would be remembered as read.
        if places_of(self._state) == self.places:
            with _lock:
                _digests.pop(self._place, None)
                _digests[self._place] = self._content, digest
                while len(_digests) > REMEMBERED:
                    del _digests[next(iter(_digests))]
        return digest


def places_of(state: Mapping[str, Tensor | str]) -> dict[str, tuple[str, int | None]]:
    """Return where each tensor is, and how often torch saw it being written to, if it counts."""
    return {
        name: (
            f"{value.device} {value.data_ptr()}",
            None if value.is_inference() else value._version,
        )
        for name, value in state.items()
        if isinstance(value, Tensor)
    }


def read_state(model: nn.Module) -> dict[str, Tensor | str]:
    """Return a model's tensors by name; what modules keep beside them (extra state) in words."""
    return dict(_entries("", dict(sorted(model.state_dict().items()))))


def _entries(name: str, value: Any) -> Iterator[tuple[str, Tensor | str]]:
    if isinstance(value, Tensor):
        _check_readable(name, value)
        yield name, value
    elif isinstance(value, np.ndarray) and value.dtype.kind in "biufc":
        yield name, torch.from_numpy(np.array(value))
    elif isinstance(value, (Mapping, list, tuple)):
        items = value.items() if isinstance(value, Mapping) else enumerate(value)
        for part, inner in items:
            yield from _entries(f"{name}.{part}" if name else str(part), inner)
    elif value is None or isinstance(value, (str, bytes, int, float, complex)):
        yield name, repr(value)
    else:  # an object's words may hold its address
        yield name, f"{type(value).__module__}.{type(value).__qualname__}"


def _check_readable(name: str, tensor: Tensor) -> None:
    if tensor.is_meta:
        raise ValueError(
            f"Weights must have values; {name!r} is on the meta device, which keeps none. "
            "Load the weights with load_state_dict(..., assign=True)."
        )
    if tensor.layout != torch.strided or tensor.is_nested:
        raise ValueError(
            f"Weights are dense tensors; {name!r} is {'nested' if tensor.is_nested else 'sparse'} "
            f"({tensor.layout}). Make it dense, e.g. with its to_dense()."
        )


def mark(value: Tensor | str) -> bytes:
    """Return a checksum of a tensor's type, shape and content."""
    if isinstance(value, str):
        return hashlib.blake2b(value.encode(), digest_size=16).digest()
    content = _bytes(value)
    if len(content) > SMALL:
        return _head(value) + checksum(content)
    return _head(value) + hashlib.blake2b(content.cpu().numpy().data, digest_size=16).digest()


def fingerprint_images(images: Images) -> str:
    """Return a digest of how many images there are, known labels, and `SAMPLE` of the images."""
    digest = hashlib.sha256(str(len(images)).encode())
    if images.hints is not None:
        digest.update(np.ascontiguousarray(images.hints).tobytes())
    numbers = np.unique(np.linspace(0, len(images) - 1, SAMPLE).astype(int)).tolist()
    for tensor in images.read(numbers):
        _add(digest, tensor)
    return digest.hexdigest()[:16]


def digest_images(images: Images, tick: Callable[[], None] | None = None) -> Iterator[bytes]:
    """Yield a digest of every image, its label left out; `tick` is called after each batch."""
    for _, batch, _ in images.in_batches(BATCH):
        for image in batch:
            digest = hashlib.blake2b(_head(image), digest_size=16)
            digest.update(_bytes(image.cpu()).numpy().data)
            yield digest.digest()
        if tick is not None:
            tick()


def versions() -> dict[str, str]:
    """Return the versions that a result depends on."""
    return {"carviz": __version__, "torch": torch.__version__, "python": platform.python_version()}


def _add(digest: hashlib._Hash, tensor: Tensor) -> None:
    digest.update(_head(tensor))
    digest.update(_bytes(tensor.cpu()).numpy().data)


def _head(tensor: Tensor) -> bytes:
    return f"{tensor.dtype}{tuple(tensor.shape)}".encode()


def _bytes(tensor: Tensor) -> Tensor:
    """Return a tensor's content in logical order, uint8 (byte,); a view where it can be."""
    plain = tensor.detach().resolve_conj().resolve_neg().contiguous()
    # Bytes, whatever the type: NumPy knows no bfloat16.
    return plain.reshape(-1).view(torch.uint8)
