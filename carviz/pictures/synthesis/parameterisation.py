"""A picture as an optimiser holds it: a spectrum in opponent colours, at a given contrast."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import torch
from torch import Tensor

GREY = 0.5
CONTRAST = 1.35
"""Most that the root mean square of a picture may be before the sigmoid, which makes 0.79 of it."""
COLORS = (
    (1 / math.sqrt(3), 1 / math.sqrt(3), 1 / math.sqrt(3)),
    (1 / math.sqrt(2), 0.0, -1 / math.sqrt(2)),
    (1 / math.sqrt(6), -2 / math.sqrt(6), 1 / math.sqrt(6)),
)
"""Luminance, red against blue, magenta against green: orthonormal.

In photographs they hardly correlate, where red, green and blue do: these are the axes of Ohta,
Kanade and Sakai (Computer Graphics and Image Processing 13, 1980), and on 400 of Tiny-ImageNet's
images we measured correlations of 0.05 at most between them, and 0.73 to 0.89 between R, G and B.
"""
PACE = (1.0, 0.5, 0.5)
"""How fast each of `COLORS` moves: photographs vary most in luminance (on the same images 0.45,
0.15 and 0.07), but filters may well ask for more colour than photographs have.

The contrast is measured in pixels, where the axes count alike: what excites most does not depend on
the pace, only the way there does.
"""
START = 0.05
"""Root mean square of the first pixels, in their own unit: one step of an optimiser or so, so that
little of the noise stays. There the contrast is 0.7 of its limit; further out it comes up to it."""


@dataclasses.dataclass(frozen=True)
class Parameterisation:
    """Pictures as coefficients (image, color, frequency, frequency, 2) of a spectrum.

    Each coefficient is divided by its frequency, as the spectra of photographs fall (Olah et al.,
    "Feature visualization", Distill 2017), and colours are opponent ones: an optimiser that moves
    all coefficients alike then makes coarse and grey structure first. The pixels are kept below
    one contrast and squashed to 0 to 1 by a sigmoid. As contrast is limited, an optimiser spends
    it where it excites, and what a filter does not ask for goes to mid-grey. This is ours: what is
    published lets contrast grow.

    Parameters
    ----------
    size
        Height and width in pixels.
    share
        The share of the picture that the filter reads: contrast is counted over its area.
    channels
        3 for RGB, 1 for grey pictures.
    """

    size: tuple[int, int]
    share: float = 1.0
    channels: int = 3

    def start(self, seeds: Sequence[int]) -> Tensor:
        """Return random coefficients, one picture a seed, without torch's global generator."""
        height, width = self.size
        shape = (self.channels, height, width // 2 + 1, 2)
        drawn = [torch.randn(shape, generator=torch.Generator().manual_seed(s)) for s in seeds]
        return torch.stack(drawn) * START

    def pictures(self, coefficients: Tensor) -> Tensor:
        """Return pictures (image, channel, height, width) in [0, 1]."""
        spectrum = torch.view_as_complex(coefficients) * self._falloff(coefficients.device)
        opponent = torch.fft.irfft2(spectrum, s=self.size, norm="ortho")
        pixels = torch.einsum("nahw,ac->nchw", opponent, self._colors(coefficients.device))
        power = pixels.square().mean((1, 2, 3), keepdim=True)
        contrast = CONTRAST * math.sqrt(self.share)
        return torch.sigmoid(pixels * (contrast / (power + START**2).sqrt()))

    def _falloff(self, device: torch.device) -> Tensor:
        height, width = self.size
        rows, columns = torch.fft.fftfreq(height), torch.fft.rfftfreq(width)
        lowest = 1 / max(height, width)
        frequency = torch.hypot(rows[:, None], columns[None]).clamp_min(lowest)
        falloff = (lowest / frequency).to(device)
        return falloff / falloff.square().mean().sqrt()

    def _colors(self, device: torch.device) -> Tensor:
        """Return what each coefficient's color adds to the channels: (color, channel)."""
        if self.channels == 1:
            return torch.ones(1, 1, device=device)
        return torch.tensor(PACE, device=device)[:, None] * torch.tensor(COLORS, device=device)
