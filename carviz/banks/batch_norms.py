"""Which modules are batch normalisations by stored statistics, and what else they may do.

torch's own are known by their class. There are many others: torchvision's FrozenBatchNorm2d,
detectron2's, timm's BatchNormAct2d with an activation inside. They all carry `running_mean` and
`running_var`, and are told apart by trying them.
"""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor, nn

from carviz.evaluate import inference_mode

WHOLE_CLASSES = (nn.BatchNorm2d, nn.SyncBatchNorm)
"""What these do in evaluation mode is known, where a subclass has not written its own forward."""
LARGE = 8.0
"""Trials reach this far from zero: where activations bend, most of them have bent."""
SAME = 1e-3
"""Differences below this share of the scale are rounding."""


@dataclasses.dataclass(frozen=True)
class BatchNorm:
    """A module that normalises each channel by stored statistics.

    Parameters
    ----------
    channels
        How many channels it serves.
    plain
        Whether it does nothing besides: each channel is a straight line of the same channel.
    keeps_zero
        Whether what it does besides, an activation, maps 0 to 0: a channel is then zero behind it
        just when it is zero before it.
    """

    channels: int
    plain: bool
    keeps_zero: bool


def find_batch_norms(model: nn.Module) -> dict[str, BatchNorm]:
    """Return the batch normalisations of a model by name; they are tried in evaluation mode."""
    found = {}
    for name, module in model.named_modules():
        if (norm := _judge(module)) is not None:
            found[name] = norm
    return found


def gain_of(weight: Tensor | None, variance: Tensor, eps: float) -> Tensor:
    """Return by how much a normalisation multiplies each channel (channel,), in float64."""
    gain = (variance.detach().double() + eps).rsqrt()
    return gain if weight is None else gain * weight.detach().double()


def stored_gain(module: nn.Module) -> Tensor:
    """Return the gain (channel,) of a module that normalises, whatever activation is inside it."""
    variance = module.running_var
    assert isinstance(variance, Tensor)
    return gain_of(getattr(module, "weight", None), variance, float(getattr(module, "eps", 1e-5)))


def normalised(module: nn.Module, maps: Tensor) -> Tensor:
    """Return what a module that normalises makes of maps, without any activation inside it."""
    mean, bias, gain = module.running_mean, getattr(module, "bias", None), stored_gain(module)
    assert isinstance(mean, Tensor)
    shift = -mean.double() * gain
    if bias is not None:
        shift = shift + bias.detach().double()
    return maps * gain.to(maps)[:, None, None] + shift.to(maps)[:, None, None]


def _judge(module: nn.Module) -> BatchNorm | None:
    mean, variance = (getattr(module, name, None) for name in ("running_mean", "running_var"))
    if not isinstance(mean, Tensor) or not isinstance(variance, Tensor):
        return None
    if mean.ndim != 1 or mean.shape != variance.shape or not mean.is_floating_point():
        return None
    if any(type(module).forward is known.forward for known in WHOLE_CLASSES):
        return BatchNorm(len(mean), plain=True, keeps_zero=True)
    try:
        return _try(module, mean, variance)
    except Exception:  # it wants something else than maps: no normalisation of a convolution
        return None


@inference_mode()
def _try(module: nn.Module, mean: Tensor, variance: Tensor) -> BatchNorm | None:
    """Try a module on maps (2, channel, 2, 3) around its own statistics."""
    generator = torch.Generator().manual_seed(0)
    std = variance.double().clamp(min=0).sqrt() + 1e-3

    def maps() -> Tensor:
        noise = torch.randn((2, len(mean), 2, 3), generator=generator, dtype=torch.float64)
        around = noise.to(std.device) * LARGE * std[:, None, None] + mean.double()[:, None, None]
        return around.to(mean)

    one, other = maps(), maps()
    outputs = [module(x.clone()) for x in (one, other)]
    if any(not isinstance(out, Tensor) or out.shape != one.shape for out in outputs):
        return None
    scale = max(*(float(out.abs().max()) for out in outputs), 1e-12)
    for place in ((slice(None), slice(0, None, 2)), (slice(0, 1),), (..., slice(0, 1))):
        # Every second channel, one image, one column: what is changed stays where it is.
        mixed, expected = one.clone(), outputs[0].clone()
        mixed[place], expected[place] = other[place], outputs[1][place]
        if float((module(mixed) - expected).abs().max()) > SAME * scale:
            return None
    middle = module((one + other) / 2)
    plain = float((middle - (outputs[0] + outputs[1]) / 2).abs().max()) <= SAME * scale
    return BatchNorm(len(mean), plain, plain or _keeps_zero(module, mean, variance, scale))


def _keeps_zero(module: nn.Module, mean: Tensor, variance: Tensor, scale: float) -> bool:
    """Whether an activation inside maps 0 to 0: what is normalised to 0 comes out as 0."""
    eps = float(getattr(module, "eps", 1e-5))
    std = (variance.double() + eps).sqrt()
    gain, shift = (getattr(module, name, None) for name in ("weight", "bias"))
    gain = torch.ones_like(std) if gain is None else gain.detach().double()
    shift = torch.zeros_like(std) if shift is None else shift.detach().double()
    root = mean.double() - shift * std / torch.where(gain == 0, torch.inf, gain)
    out = module(root.to(mean).view(1, -1, 1, 1).expand(1, -1, 2, 2).clone()).flatten(2).abs()
    alive = (gain != 0) & (shift != 0)
    # A channel without gain answers its shift whatever it is given, and tells nothing.
    return bool(alive.any()) and float(out[0, alive].max()) <= SAME * scale
