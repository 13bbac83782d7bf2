"""How a first bank is led to filters for luminance and filters for color, with nothing between.

Training alone leaves such filters mixed, even where the classes are not: any mixture of an edge and
a hue can be unmixed by the next bank. Three things keep them apart, and make pictures of them worth
looking at:

* half of the filters begin grey, half chromatic, and all of them smooth;
* `impurity` makes mixtures cost, whatever their size;
* `roughness` makes noise cost, whatever its size.

Weights are (filter, 3, height, width). The grey part of a filter is its mean over the three
channels, its chromatic part the rest.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def split_weights(weights: Tensor) -> tuple[Tensor, Tensor]:
    """Return the grey and the chromatic part of filters, both (filter, 3, height, width)."""
    grey = weights.mean(dim=1, keepdim=True).expand_as(weights)
    return grey, weights - grey


def color_index(weights: Tensor) -> Tensor:
    """Return the chromatic part's share of each filter's energy, in [0, 1], (filter,).

    0 is grey, 1 is chromatic.
    """
    _, chromatic = split_weights(weights)
    return _norm(chromatic).square() / _norm(weights).square()


def smooth_start(filters: int, size: int, *, spread: float, generator: torch.Generator) -> Tensor:
    """Draw initial weights of a first bank: half of the filters grey, then half chromatic.

    The two parts of `smooth_noise`, so that no filter has to unlearn the noise that it began with.

    Parameters
    ----------
    filters, size
        How many filters, and their height and width, in pixels.
    spread
        Standard deviation of the weights.
    generator
        Where the random numbers come from.

    Returns
    -------
    Tensor
        (filter, 3, size, size)
    """
    grey, chromatic = split_weights(smooth_noise(filters, size, generator=generator))
    pure = torch.cat([grey[: filters // 2], chromatic[filters // 2 :]])
    return pure * (spread / pure.std(dim=(1, 2, 3), keepdim=True))


def smooth_noise(filters: int, size: int, *, generator: torch.Generator) -> Tensor:
    """Draw normal noise (filter, 3, size, size), blurred by a 5 x 5 binomial, under a Hann window.

    Parameters are those of `smooth_start`.
    """
    noise = torch.randn(filters, 3, size + 4, size + 4, generator=generator)
    binomial = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
    kernel = torch.outer(binomial, binomial).expand(3, 1, 5, 5)
    window = torch.hann_window(size + 2, periodic=False)[1:-1]
    return functional.conv2d(noise, kernel, groups=3) * torch.outer(window, window)


def impurity(weights: Tensor) -> Tensor:
    """Return how mixed the filters are, whatever their size, mean over filters.

    0 where each is either grey or chromatic, at most sqrt(2) - 1.
    """
    grey, chromatic = split_weights(weights)
    return ((_norm(grey) + _norm(chromatic)) / _norm(weights) - 1).mean()


def roughness(weights: Tensor) -> Tensor:
    """Return how rough the filters are, whatever their size, mean over filters.

    Of each filter, squared differences between neighboring weights over its energy.
    """
    down = weights.diff(dim=2).square().sum(dim=(1, 2, 3))
    across = weights.diff(dim=3).square().sum(dim=(1, 2, 3))
    return ((down + across) / _norm(weights).square()).mean()


def _norm(weights: Tensor) -> Tensor:
    """Return the length of each filter (filter,), never quite 0: there it has no gradient."""
    return (weights.square().sum(dim=(1, 2, 3)) + 1e-12).sqrt()
