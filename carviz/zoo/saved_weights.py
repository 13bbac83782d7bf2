"""Weights from a file: safetensors, or a state dict that torch saved. Nothing in it is run.

A network is filled whole or not at all, and only by a file whose every tensor has its place.
"""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

SUFFIXES = (".safetensors", ".pt", ".pth", ".ckpt", ".bin", ".tar", ".th", ".pkl", ".model")
"""How the name of a file of weights ends, where it is given as a string and is not there."""
LARGEST_HEADER = 100_000_000
"""Bytes of the header of a safetensors file, at most."""

WRAPPERS = ("state_dict", "model_state_dict", "model")
"""Under which names a checkpoint holds the state dict."""
PREFIXES = ("module.", "_orig_mod.", "model.", "net.")
"""What DataParallel, torch.compile and training frameworks put before each name."""
NAMED = 3
"""Tensors that an error names."""

_OLD_DENSENET = re.compile(r"(.*denselayer\d+\.(?:norm|conv))\.([12]\.\w+)$")
_WAY_OUT = (
    "Save a state dict with safetensors.torch.save_file(model.state_dict(), 'weights.safetensors')"
    ", or with torch.save(model.state_dict(), 'weights.pt')."
)


@dataclass(frozen=True)
class SavedWeights:
    """What a file of weights holds.

    Parameters
    ----------
    path
        The file.
    state
        A tensor for each name.
    classes
        Class names, one a logit; None where the file does not say.
    """

    path: Path
    state: dict[str, Tensor]
    classes: tuple[str, ...] | None = None


def read_weights(path: Path) -> SavedWeights:
    """Read a file of weights.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is damaged, or holds something else than tensors.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"Weights are read from a file ({', '.join(SUFFIXES[:3])}); there is none at "
            f"{str(path)!r}."
        )
    read = _read_safetensors if _is_safetensors(path) else _read_torch
    state, classes = read(path)
    for prefix in PREFIXES:
        if state and all(name.startswith(prefix) for name in state):
            state = {name.removeprefix(prefix): tensor for name, tensor in state.items()}
    state = {_OLD_DENSENET.sub(r"\1\2", name): tensor for name, tensor in state.items()}
    return SavedWeights(path, state, _class_names(classes, path))


def _is_safetensors(path: Path) -> bool:
    """Whether a file begins as safetensors do, whatever its name, with a header's size and "{"."""
    with path.open("rb") as file:
        begin = file.read(9)
    size = int.from_bytes(begin[:8], "little")
    torch_own = begin.startswith((b"PK", b"\x80"))
    named = path.suffix.lower() == ".safetensors"
    return (begin[8:] == b"{" and size <= LARGEST_HEADER) or (named and not torch_own)


def fill(network: nn.Module, saved: SavedWeights) -> None:
    """Set every parameter and buffer of a network from a file, each of the network's own type.

    Raises
    ------
    ValueError
        If a tensor is missing in the file, is not the network's, has another shape, or holds whole
        numbers (int8, say) where the network's are floating-point; the network is then as it was.
    """
    wanted, state = network.state_dict(), dict(saved.state)
    for name, tensor in wanted.items():  # older files do not count the batches
        if name.endswith("num_batches_tracked") and name not in state:
            state[name] = torch.zeros_like(tensor, device="cpu")
    faults = _faults(wanted, state)
    if faults:
        raise ValueError(
            f"A file of weights holds each tensor of the network; {str(saved.path)!r} does not fit "
            f"{type(network).__name__}: {'; '.join(faults)}. Name the network that was saved; one "
            "that was changed before is built as it was, filled by torch's load_state_dict, and "
            "given to carviz itself."
        )
    network.load_state_dict(state)


def _faults(wanted: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> list[str]:
    # load_state_dict finds the first three as well, but fills what fits before it tells, names all
    # tensors of a large network, and takes int8 as weights.
    missing = [name for name in wanted if name not in state]
    unexpected = [name for name in state if name not in wanted]
    shapes = [
        f"{name} is {tuple(state[name].shape)} and should be {tuple(tensor.shape)}"
        for name, tensor in wanted.items()
        if name in state and state[name].shape != tensor.shape
    ]
    kinds = [
        f"{name} is {_dtype(state[name])} and should be {_dtype(tensor)}"
        for name, tensor in wanted.items()
        if name in state
        and not name.endswith("num_batches_tracked")
        and _kind(state[name]) != _kind(tensor)
    ]
    told = (
        (missing, "missing"), (unexpected, "not the network's"), (shapes, "of another shape"),
        (kinds, "of another kind, quantised perhaps"),
    )  # fmt: skip
    return [f"{len(names)} {what} ({_some(names)})" for names, what in told if names]


def _kind(tensor: Tensor) -> str:
    """Return what kind of numbers a tensor holds: whole ones are never read as weights."""
    if tensor.is_floating_point():
        return "real"
    if tensor.is_quantized or tensor.is_complex() or tensor.dtype == torch.bool:
        return _dtype(tensor)
    return "whole"


def _dtype(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _some(names: list[str]) -> str:
    return ", ".join(names[:NAMED]) + (", …" if len(names) > NAMED else "")


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], Any]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            stated = (file.metadata() or {}).get("classes")
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ValueError(
            f"A .safetensors file holds tensors; {str(path)!r} cannot be read ({error}). "
            "Copy or download it again."
        ) from error
    try:
        return state, None if stated is None else json.loads(stated)
    except json.JSONDecodeError as error:
        raise ValueError(_classes_rule(path, stated)) from error


def _read_torch(path: Path) -> tuple[dict[str, Tensor], Any]:
    try:
        with path.open("rb") as file:  # by its path torch would go by its name
            content = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"A file of weights holds tensors and nothing that runs; {str(path)!r} holds more, a "
            f"whole network perhaps, and is not opened. {_WAY_OUT}"
        ) from error
    except Exception as error:  # torch's own reader fails in many ways on what it did not write
        raise ValueError(
            f"A file of weights is one that torch.save or safetensors wrote; {str(path)!r} cannot "
            f"be read ({str(error).splitlines()[0] if str(error) else type(error).__name__}). "
            f"Copy or download it again. {_WAY_OUT}"
        ) from error
    classes = content.get("classes") if isinstance(content, Mapping) else None
    return _state_in(content, path), classes if isinstance(classes, (list, tuple)) else None


def _state_in(content: Any, path: Path) -> dict[str, Tensor]:
    """Return the state dict that a file holds, or the one inside the checkpoint that it holds."""
    inside = [
        content[name] for name in WRAPPERS if isinstance(content, Mapping) and name in content
    ]
    for candidate in (content, *inside):
        if isinstance(candidate, Mapping) and candidate and _are_tensors(candidate):
            return {str(name): tensor for name, tensor in candidate.items()}
    kinds = (
        f"a dict of {_some([str(key) for key in content])}"
        if isinstance(content, Mapping)
        else f"a {type(content).__name__}"
    )
    raise ValueError(
        f"A file of weights holds a state dict, a tensor for each name, or a checkpoint with one "
        f"under {' or '.join(map(repr, WRAPPERS))}; {str(path)!r} holds {kinds}. {_WAY_OUT}"
    )


def _are_tensors(content: Mapping[Any, Any]) -> bool:
    return all(isinstance(value, Tensor) for value in content.values())


def _class_names(stated: Any, path: Path) -> tuple[str, ...] | None:
    if stated is None:
        return None
    if not isinstance(stated, (list, tuple)) or not all(isinstance(name, str) for name in stated):
        raise ValueError(_classes_rule(path, stated))
    return tuple(stated)


def _classes_rule(path: Path, stated: Any) -> str:
    return (
        'The metadata "classes" of a file of weights is a list of names, in JSON, one a logit; '
        f"{str(path)!r} has {str(stated)[:60]!r}. Save it with "
        'save_file(state, path, metadata={"classes": json.dumps(names)}).'
    )
