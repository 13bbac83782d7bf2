"""Climb: move the pictures' coefficients so that an objective rises, each picture for itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from carviz.evaluate import arithmetic, enable_grad, inference_mode, no_grad
from carviz.pictures.synthesis.parameterisation import GREY, Parameterisation
from carviz.pictures.synthesis.transforms import Change, moved

Worth = Callable[[Tensor], Tensor]
"""Maps pictures (image, channel, height, width) to what each is worth: (image,)."""

STEP = 0.05
KEPT = (0.9, 0.99)
"""How much of the running means of the gradient and of its square a step keeps."""
TRIES = 4
"""Starts that are tried until the objective has a gradient."""


class Ascent:
    """Pictures on their way up: each climbs for itself, so that they can be many at a time.

    The steps are Adam's (Kingma and Ba, 2015), on the gradient at length 1: a filter and the same
    filter ten times as strong get one picture.

    Parameters
    ----------
    worth
        What is made large; pictures must not depend on one another.
    parameters
        How a picture is written.
    change
        Drawn anew before every step; None to leave pictures as they are.
    seeds
        One for each picture.
    seed
        Of the changes.
    device
        Where to compute.

    Attributes
    ----------
    pictures : Tensor
        (image, channel, height, width): the best so far of those that were looked at. Mid-grey
        where nothing moves the objective.
    values, starts : Tensor
        (image,) what `pictures`, and the first ones, are worth as they are, without a change.
    still : Tensor
        (image,) whether no start had a gradient: nothing that was tried moves the objective.
    """

    @inference_mode(False)
    def __init__(
        self,
        worth: Worth,
        parameters: Parameterisation,
        change: Change | None,
        seeds: Sequence[int],
        *,
        seed: int,
        device: torch.device,
    ) -> None:
        self._worth = worth
        self._parameters = parameters
        self._change = change
        self._generator = torch.Generator().manual_seed(seed)
        self._steps = 0
        self._coefficients, self.still = self._begin(seeds, device)
        self._mean = torch.zeros_like(self._coefficients)
        self._square = torch.zeros_like(self._coefficients)
        self.pictures, self.starts = self._see()
        self.values = self.starts

    def _begin(self, seeds: Sequence[int], device: torch.device) -> tuple[Tensor, Tensor]:
        """Return the first coefficients; where they have no gradient, those of another seed."""
        coefficients = self._parameters.start(seeds).to(device)
        still = torch.ones(len(seeds), dtype=torch.bool, device=device)
        for attempt in range(TRIES):
            drawn = self._parameters.start([s + attempt for s in seeds]).to(device)
            coefficients[still] = drawn[still]
            still = self._gradient(coefficients, None).abs().amax((1, 2, 3, 4)) == 0
            if not still.any():
                break
        return coefficients, still

    @inference_mode(False)
    def climb(self, steps: int) -> None:
        """Take some steps, then look at the pictures."""
        for _ in range(steps):
            self._step()
        seen, values = self._see()
        better = values > self.values
        self.values = torch.where(better, values, self.values)
        self.pictures = torch.where(better[:, None, None, None], seen, self.pictures)

    def _step(self) -> None:
        matrix = None if self._change is None else self._change(self._generator)
        gradient = self._gradient(self._coefficients, matrix)
        length = gradient.square().mean((1, 2, 3, 4), keepdim=True).sqrt()
        gradient = gradient / torch.where(length > 0, length, 1.0)
        # By hand: the first optimiser of torch.optim in a process imports torch._dynamo, 156 MiB.
        self._steps += 1
        self._mean.lerp_(gradient, 1 - KEPT[0])
        self._square.lerp_(gradient.square(), 1 - KEPT[1])
        mean = self._mean / (1 - KEPT[0] ** self._steps)
        square = self._square / (1 - KEPT[1] ** self._steps)
        self._coefficients += STEP * mean / (square.sqrt() + 1e-8)

    @enable_grad()
    def _gradient(self, coefficients: Tensor, matrix: Tensor | None) -> Tensor:
        given = coefficients.detach().requires_grad_()
        pictures = self._parameters.pictures(given)
        if matrix is not None:
            pictures = moved(pictures, matrix)
        # A sum: no picture has a part in another's gradient.
        worth = self._worth(pictures)
        if not worth.requires_grad:  # a step of the network that gradients do not pass
            return torch.zeros_like(given)
        with arithmetic("float32", given.device.type):
            return torch.autograd.grad(worth.sum(), given)[0]

    @no_grad()
    def _see(self) -> tuple[Tensor, Tensor]:
        pictures = self._parameters.pictures(self._coefficients)
        pictures[self.still] = GREY
        return pictures, self._worth(pictures)
