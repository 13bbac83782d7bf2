"""What the bundled networks share: an empty one, random weights, and weights from the package."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch
from safetensors.torch import load_file
from torch import nn

from carviz.interrupts import whole

WEIGHTS = Path(__file__).with_name("weights")
"""The folder of the bundled weights (half precision) and their cards."""

Network = TypeVar("Network", bound=nn.Module)


def load_bundled(name: str, make: Callable[[], Network], weights: str | None) -> Network:
    """Load a bundled network, in evaluation mode, float32.

    Parameters
    ----------
    name
        The network's name, and that of its file of weights.
    make
        Makes the network.
    weights
        "DEFAULT" for the bundled weights, None for random ones: the same on every call, and drawn
        without touching torch's global generator.

    Raises
    ------
    TypeError
        If `weights` is neither a string nor None.
    ValueError
        If `weights` is another string.
    FileNotFoundError
        If the bundled weights are not where they were installed.
    """
    rule = 'weights must be "DEFAULT" (the bundled ones), None (random ones) or a file'
    if weights is not None and not isinstance(weights, str):
        raise TypeError(f"{rule}, found a {type(weights).__name__}; use one of these")
    if weights not in ("DEFAULT", None):
        raise ValueError(f"{rule}, found {weights!r}; use one of these")
    network = empty(make)
    if weights is None:
        randomise(network, seed=0)
    else:
        _fill(network, name)
    return network.eval()


def empty(make: Callable[[], Network]) -> Network:
    """Make a network without setting its weights, nor touching torch's global generator."""
    with whole(lambda: torch.device("meta")):
        network = make()
    # Not to_empty: of a meta tensor it asks torch's Python reference, which imports SymPy, 40 MiB.
    for module in network.modules():
        for name, weight in list(module.named_parameters(recurse=False)):
            room = torch.empty(weight.shape, dtype=weight.dtype)
            setattr(module, name, nn.Parameter(room, weight.requires_grad))
        for name, buffer in list(module.named_buffers(recurse=False)):
            setattr(module, name, torch.empty(buffer.shape, dtype=buffer.dtype))
    return network


def randomise(network: nn.Module, *, seed: int) -> None:
    """Set every weight to He's normal initial values, and every bias to 0, in place."""
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def _fill(network: nn.Module, name: str) -> None:
    path = WEIGHTS / f"{name}.safetensors"
    if not path.is_file():
        raise FileNotFoundError(
            f"the weights of the network {name} belong at {path}, found no file there; "
            f"install carviz again, or train it anew in a clone of carviz: python -m recipes.train "
            f"{name}"
        )
    network.load_state_dict({name: tensor.float() for name, tensor in load_file(path).items()})
