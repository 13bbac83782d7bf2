"""The judge of compression: the whole network run with hooks that zero channels."""

import copy
from collections.abc import Mapping, Sequence

import torch
from support.woken import smooth_images, wake
from torch import Tensor, nn

from carviz.compression import compress


def ablated_logits(model: nn.Module, sites: Mapping[str, Sequence[int]], images: Tensor) -> Tensor:
    """Logits in float64 of the network with channels zeroed at the output of modules by name."""
    twin = copy.deepcopy(model).double().eval()
    for site, filters in sites.items():
        twin.get_submodule(site).register_forward_hook(_zeroing(filters))
    with torch.no_grad():
        return twin(images.double())


def _zeroing(filters: Sequence[int]):
    def zero(_module: nn.Module, _args: tuple[Tensor, ...], output: Tensor) -> Tensor:
        keep = torch.ones(output.shape[1], dtype=output.dtype)
        keep[list(filters)] = 0
        return output * keep.view(1, -1, *[1] * (output.ndim - 2))

    return zero


def logits(model: nn.Module, images: Tensor, dtype: torch.dtype = torch.float64) -> Tensor:
    twin = copy.deepcopy(model).to(dtype).eval()
    with torch.no_grad():
        return twin(images.to(dtype))


def relative(found: Tensor, expected: Tensor) -> float:
    """Largest difference, as a share of each image's largest logit."""
    assert found.shape == expected.shape
    difference = (found.double() - expected.double()).abs().amax(1)
    return float((difference / expected.double().abs().amax(1)).max())


def parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def awake(model: nn.Module, size: int = 12):
    """Return a network, awake, and images with labels."""
    images = smooth_images(10, size)
    wake(model, images)
    with torch.no_grad():
        return model, (images, model(images).argmax(1))


def sequence(*layers: nn.Module):
    torch.manual_seed(0)
    return awake(nn.Sequential(*layers))


def assert_equal(model, plan, sites, data):
    small = compress(model, plan, data)
    expected = ablated_logits(model, sites, data[0])
    assert relative(logits(small, data[0]), expected) < 1e-6
    assert relative(logits(model, data[0]), expected) > 1e-3, "the ablation moved nothing"
    return small
