"""What an explorer is about: a network opened for each device, and images to try it on."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from carviz.ablation import Run
from carviz.banks import Bank, Network, banks_of, open_network
from carviz.evaluate import (
    Images,
    Normalization,
    check_model,
    find_normalization,
    fingerprint_images,
    fingerprint_model,
)
from carviz.pictures import rgb_weights
from carviz.zoo import load_data, load_model

BUNDLED = "shapes"
IMAGES_A_CLASS = 50
"""Of the bundled images: the first bank is done within ten seconds on two quiet cores."""


@dataclasses.dataclass(frozen=True, eq=False)
class Subject:
    """A model and data, checked and traced in the caller's thread.

    Parameters
    ----------
    networks
        The opened network for each device that is offered; the first is where to begin.
    images
        The data.
    model_name, data_name
        What to call them.
    run
        How to run; None for the defaults.
    """

    networks: dict[str, Network]
    images: Images
    model_name: str
    data_name: str
    run: Run | None = None

    def __post_init__(self) -> None:
        network = self.network
        object.__setattr__(self, "model_digest", fingerprint_model(network.model))
        object.__setattr__(self, "data_digest", fingerprint_images(self.images))

    model_digest: str = dataclasses.field(init=False)
    data_digest: str = dataclasses.field(init=False)

    @property
    def network(self) -> Network:
        """The network where work begins."""
        return next(iter(self.networks.values()))

    def banks(self) -> list[Bank]:
        """Return the banks in forward order, gates among them."""
        return banks_of(self.network)

    def first_layer(self, measured: set[str]) -> str:
        """Return the bank to begin with: the first one that is measured, else the first one."""
        banks = self.banks()
        if not banks:
            raise ValueError(
                "An explorer shows the filters of a convolution (torch.nn.Conv2d); "
                f"{self.model_name} has none."
            )
        plain = [bank.layer for bank in banks if not bank.gate] or [bank.layer for bank in banks]
        return next((layer for layer in plain if layer in measured), plain[0])

    def normalization(self) -> Normalization | None:
        """Return the preprocessing's mean and std, or None where nothing says them."""
        return find_normalization(self.images, self.network.model)

    def normalize(self) -> tuple[Any, Any] | None:
        """Return them as the pair that pictures and selectivity take."""
        found = self.normalization()
        return None if found is None else (found.mean, found.std)

    def pictures(self, bank: Bank) -> np.ndarray[Any, Any] | None:
        """Return the pictures of a bank's filters; None for a bank that reads no RGB."""
        if not bank.reads_rgb:
            return None
        return rgb_weights(self.network, bank.layer, normalize=self.normalize())


def open_subject(model: Any, data: Any, device: Any, run: Any) -> Subject:
    """Check and open what `carviz.explore` was given; see there."""
    if run is not None and not isinstance(run, Run):
        raise TypeError(f"run is a carviz.Run or None; found {type(run).__name__}.")
    own = model is not None
    model_name = model if isinstance(model, str) else type(model).__name__
    if model is None:
        model, model_name = load_model(BUNDLED), BUNDLED
    elif isinstance(model, str):
        model = load_model(model)
    check_model(model)
    data, data_name = _find_data(model, data, own)
    networks = {name: open_network(model, name) for name in _devices(model, device)}
    return Subject(networks, Images(data), model_name, data_name, run)


def _find_data(model: Any, data: Any, own: bool) -> tuple[Any, str]:
    if data is None:
        data = load_data(BUNDLED, limit=IMAGES_A_CLASS)
        if own and tuple(getattr(model, "classes", ())) != tuple(data.classes):
            raise ValueError(
                "A model is tried on images of its own classes; without data= only the bundled "
                f"network is, on the bundled images. Give data: a Dataset, a DataLoader, a pair "
                f"of tensors or a folder of images. Found a {type(model).__name__} and no data."
            )
        return data, BUNDLED
    if isinstance(data, (str, Path)):
        if str(data) == BUNDLED:
            return load_data(BUNDLED, limit=IMAGES_A_CLASS), BUNDLED
        known = model if isinstance(model, nn.Module) else None
        return load_data(data, model=known), Path(data).name or str(data)
    if isinstance(data, (tuple, list)):
        return data, "given tensors"
    inner = getattr(data, "dataset", data)
    return data, type(inner).__name__


def _devices(model: Any, device: Any) -> list[str]:
    """Return the devices to offer, the one to begin with first: at most the CPU and one other.

    Each gets a trace of its own here, in the caller's thread, so there are few.
    """
    found = ["cpu"]
    if torch.cuda.is_available():
        found.insert(0, "cuda")
    elif torch.backends.mps.is_available():  # pragma: no cover - a Mac
        found.insert(0, "mps")
    if device is None:
        return found
    asked = str(device)
    return [asked, *(name for name in found if name.split(":")[0] != asked.split(":")[0])]
