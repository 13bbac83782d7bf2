"""The peers of the benchmark give carviz's answers; nothing is timed."""

import torch
from benchmarks import compare
from torch import nn
from woken import wake


def test_the_peers_of_the_benchmark_agree():
    images = torch.randn(20, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    network = nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 8, 3), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5),
    )  # fmt: skip
    case = compare.Case("tiny", wake(network, images).eval(), images, ["0", "3"])
    assert compare.site_of(case, "0") == "1"
    for layer in case.banks:
        found, logits = compare.ours(case, layer)(), compare.hook_loop(case, layer)()
        assert len(found.unique()) > 1
        compare.agree(case, layer, found, logits)
        compare.agree(case, layer, compare.cached_head(case, layer)(), logits)
