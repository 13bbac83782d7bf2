"""What a picture is worth to a filter: preprocessing, the network up to its bank, objective."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from carviz.banks import Network, answers
from carviz.evaluate import Normalization, find_normalization, inference_mode, placement
from carviz.pictures.synthesis.ascent import TRIES, Ascent, Worth
from carviz.pictures.synthesis.framing import Frame, channels_of
from carviz.pictures.synthesis.objectives import OBJECTIVES
from carviz.pictures.synthesis.parameterisation import Parameterisation
from carviz.pictures.synthesis.transforms import Change, compose, jitter, turn, zoom

ZOOM = 0.1
"""By what share of its size a picture may grow or shrink."""
TURN = 5.0
"""By how many degrees it may turn."""
SEEDS = 2**20
"""Pictures that one seed is for: more than a bank has filters."""


@dataclasses.dataclass(frozen=True, eq=False)
class Synthesis:
    """What is the same for all filters of a call.

    Parameters
    ----------
    network, layer
        The bank.
    objective
        A name in `OBJECTIVES`.
    frame
        How large pictures are.
    normalization
        The network's preprocessing; None for none.
    seed
        Of the first pictures and of the changes.
    """

    network: Network
    layer: str
    objective: str
    frame: Frame
    normalization: Normalization | None
    seed: int

    @inference_mode(False)
    def ascent(self, filters: Sequence[int]) -> Ascent:
        """Return a picture for each of some filters, at its start."""
        return Ascent(
            self.worth(filters),
            Parameterisation(self.frame.size, self.frame.share, channels_of(self.network)),
            self.change(),
            # A filter starts alike whoever is made beside it, and its further tries are its own.
            [(self.seed * SEEDS + number) * TRIES % 2**63 for number in filters],
            seed=self.seed % 2**63,
            device=placement(self.network.model)[0],
        )

    def change(self) -> Change | None:
        """Return the changes that pictures are to put up with; None for a first bank."""
        if not self.frame.reach:
            return None
        return compose(jitter(self.frame.reach), zoom(ZOOM), turn(TURN))

    def worth(self, filters: Sequence[int]) -> Worth:
        """Return what maps a picture for each of some filters to what the objective is there."""
        device, dtype = placement(self.network.model)
        channels = channels_of(self.network)
        sample = torch.zeros(1, channels, *self.frame.size, device=device, dtype=dtype)
        answer = answers(self.network, self.layer, sample)
        objective = OBJECTIVES[self.objective]
        own = torch.arange(len(filters), device=device), torch.tensor(filters, device=device)

        def worth(pictures: Tensor) -> Tensor:
            images = self._preprocess(pictures).to(dtype, memory_format=torch.channels_last)
            values = objective(answer(images)[0][own])
            if not torch.isfinite(values).all():
                self._refuse(filters, values.detach())
            return values

        return worth

    def _preprocess(self, pictures: Tensor) -> Tensor:
        if self.normalization is None:
            return pictures
        mean = torch.tensor(self.normalization.mean, device=pictures.device).view(-1, 1, 1)
        std = torch.tensor(self.normalization.std, device=pictures.device).view(-1, 1, 1)
        return (pictures - mean) / std

    def _refuse(self, filters: Sequence[int], values: Tensor) -> None:
        bad = int((~torch.isfinite(values)).nonzero()[0])
        raise ValueError(
            "What a filter answers must be a finite number, and its gradient too; filter "
            f"{filters[bad]} of {self.layer!r} gave {values[bad].item()}. Look for a step before "
            "the bank that divides by zero or overflows (half precision does so early)."
        )


def find_preprocessing(network: Network, data: Any, normalize: Any) -> Normalization | None:
    """Return the network's preprocessing, None where nothing says it."""
    found = find_normalization(data, network.model, normalize)
    channels = channels_of(network)
    if found is not None and len(found.mean) not in (1, channels):
        raise ValueError(
            f"The preprocessing has one mean and one std a channel; the network reads {channels}, "
            f"found {len(found.mean)} ({found.source}). Give normalize=(mean, std)."
        )
    return found
