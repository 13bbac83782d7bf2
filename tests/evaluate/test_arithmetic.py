"""float32 means float32, on a GPU too: whatever runs a network for the user switches TF32 off."""

import pytest
import torch
from small import random_images
from torch import Tensor, nn

import carviz
from carviz.evaluate import arithmetic


class Watched(nn.Conv2d):
    """A convolution that notes whether cuDNN may round to TF32 while it runs."""

    def forward(self, images: Tensor) -> Tensor:
        if not isinstance(images, torch.fx.Proxy):
            SEEN.append(torch.backends.cudnn.allow_tf32)
        return super().forward(images)


SEEN: list[bool] = []


@pytest.fixture
def network():
    SEEN.clear()
    layers = [nn.Conv2d(3, 4, 3), nn.ReLU(), Watched(4, 4, 1), nn.AdaptiveAvgPool2d(1)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(4, 5)).eval()


@pytest.mark.parametrize("allowed", [True, False])
def test_switches_are_put_back_also_after_an_error(allowed):
    with torch.backends.cudnn.flags(allow_tf32=allowed):
        with arithmetic("tf32", "cpu"):
            assert torch.backends.cudnn.allow_tf32
            assert torch.get_float32_matmul_precision() == "high"
        with arithmetic("float32", "cpu"):
            assert not torch.backends.cudnn.allow_tf32
        with pytest.raises(RuntimeError, match="channels"), arithmetic("float32", "cpu"):
            nn.Conv2d(1, 1, 1)(torch.zeros(1, 2, 3, 3))
        assert torch.backends.cudnn.allow_tf32 is allowed
        assert torch.get_float32_matmul_precision() == "highest"


@pytest.mark.parametrize(
    "ask",
    [
        lambda model, data: carviz.measure_car(model, data, "0", progress=False),
        lambda model, data: carviz.prune_filters(model, data, "0", count=2, progress=False),
        lambda model, data: carviz.measure_siblings(model, data, "2", progress=False),
        lambda model, data: carviz.measure_selectivity(model, "2", data=data),
        lambda model, data: carviz.rgb_weights(model, "2", data=data),
        lambda model, data: carviz.top_patches(model, data, "2"),
        lambda model, data: carviz.excite(model, "2", 0, data=data),
    ],
    ids=["car", "path", "siblings", "selectivity", "weights", "patches", "synthesis"],
)
def test_the_network_never_runs_in_tf32_unless_asked_for(network, ask):
    with torch.backends.cudnn.flags(allow_tf32=True):
        ask(network, random_images())
    assert SEEN
    assert not any(SEEN)


def test_a_run_in_tf32_does(network):
    run = carviz.Run(precision="tf32")
    carviz.measure_car(network, random_images(), "0", run=run, progress=False)
    assert any(SEEN)
