"""What an explorer is about: a network opened for each device, and images to try it on."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import nn

from carviz.ablation import Run
from carviz.banks import Bank, Network, banks_of, open_network
from carviz.evaluate import (
    Images,
    Normalization,
    find_normalization,
    fingerprint_images,
    fingerprint_model,
    inference_mode,
)
from carviz.pictures import rgb_weights
from carviz.session.loading import PLAINLY, How, Loaded, by_name, load, usual_limit


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
    origin
        How the data was given: its name, its folder, or the object; None for that of `images`.
    limit
        Images a class at most that were loaded of it; None for all.
    model_digest, data_digest
        Their fingerprints; "" to take them here.
    given
        The model as it was given, whose weights may change; None for the opened copy.
    how
        How they were loaded, given by name or folder.
    """

    networks: dict[str, Network]
    images: Images
    model_name: str
    data_name: str
    run: Run | None = None
    origin: Any = None
    limit: int | None = None
    model_digest: str = ""
    data_digest: str = ""
    given: nn.Module | None = None
    how: How = PLAINLY

    def __post_init__(self) -> None:
        if self.origin is None:
            object.__setattr__(self, "origin", self.images.source)
        if not self.model_digest:
            object.__setattr__(self, "model_digest", fingerprint_model(self.network.model))
        if not self.data_digest:
            object.__setattr__(self, "data_digest", fingerprint_images(self.images))

    @property
    def digests(self) -> tuple[str, str]:
        """The fingerprints of the model and of the data."""
        return self.model_digest, self.data_digest

    @property
    def model(self) -> nn.Module:
        """The model as it was given."""
        return self.network.model if self.given is None else self.given

    @property
    def network(self) -> Network:
        """The network where work begins."""
        return next(iter(self.networks.values()))

    @property
    def data_asked(self) -> str:
        """How the data can be asked for again: its name or folder, else what it is called."""
        return str(self.origin) if by_name(self.origin) else self.data_name

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
        return rgb_weights(self.network, bank.layer, normalize=self.normalize(), progress=False)


def open_subject(
    model: Any, data: Any, device: Any, run: Any, opened: tuple[str, int | None] | None = None
) -> Subject:
    """Load, check and open what `carviz.explore` was given, in the caller's thread; see there.

    `opened` names data that is taken where it is there, and its limit, where none is given.
    """
    if run is not None and not isinstance(run, Run):
        raise TypeError(f"run is a carviz.Run or None; found {type(run).__name__}.")
    loaded = _load_named(model, opened) if data is None and opened is not None else None
    if loaded is None:
        loaded = load(model, data, usual_limit(data), lambda _words: True)
    return make_subject(open_networks(loaded.model, _devices(device)), loaded, run)


def _load_named(model: Any, opened: tuple[str, int | None]) -> Loaded | None:
    """Return a model with images of this name and limit; None where they are not at hand."""
    try:
        return load(model, *opened, lambda _words: True)
    except (FileNotFoundError, ValueError):
        return None


@inference_mode(False)  # else the copy's weights could not be pulled back through
def open_networks(model: nn.Module, devices: Iterable[str]) -> dict[str, Network]:
    """Trace a model, once a device. For the caller's thread: a worker traces nothing."""
    return {name: open_network(model, name, watch=True) for name in devices}


def make_subject(networks: dict[str, Network], loaded: Loaded, run: Run | None) -> Subject:
    """Return what was loaded, with its networks opened."""
    # The weights may have changed since they were loaded: the networks are of those of now.
    watch = next(iter(networks.values())).watch
    digest = loaded.model_digest if watch is None else watch.fingerprint
    return Subject(
        networks, loaded.images, loaded.model_name, loaded.data_name, run,
        loaded.origin, loaded.limit, digest, loaded.data_digest, loaded.model,
        loaded.how,
    )  # fmt: skip


def _devices(device: Any) -> list[str]:
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
