"""A budget is kept: few images at once where maps are large."""

import subprocess
import sys

import pytest
import torch
from torch import nn

import carviz
from carviz.ablation.memory import ALIVE, CACHE, CORES, LEAST_ROWS, MOST_ROWS, ROWS, Needs
from carviz.car import prepare_car

IMAGES, LABELS = torch.rand(40, 3, 16, 16), torch.arange(40) % 2


def network():
    return nn.Sequential(
        nn.Conv2d(3, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(4), nn.Conv2d(64, 4, 3),
        nn.Flatten(), nn.Linear(16, 2),
    )  # fmt: skip


def test_the_largest_map_decides_even_where_little_is_kept():
    needs = prepare_car(network(), (IMAGES, LABELS), "3").needs
    assert needs.head >= ALIVE * 64 * 16 * 16 * 4  # the first bank's maps, in the head
    assert needs.tail < 1000


def test_a_large_weight_is_no_map():
    wide = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(784, 5000), nn.Linear(5000, 2)
    )
    needs = prepare_car(wide, (IMAGES, LABELS), "0").needs
    assert needs.tail <= 2 * ALIVE * 4 * 5000


def test_the_budget_is_shared_by_head_and_tail():
    assert Needs(head=100, tail=10).sizes(2000) == (10, 100)
    assert Needs(head=100, tail=10).sizes(1) == (1, 1)
    assert Needs(head=0, tail=0).sizes(64) == (32, 32)


def test_as_many_rows_run_together_as_a_cache_holds():
    assert Needs(head=1, tail=CACHE).best_rows == LEAST_ROWS
    assert Needs(head=1, tail=CACHE // 300).best_rows == 300
    assert Needs(head=1, tail=1).best_rows == MOST_ROWS
    assert Needs(head=1, tail=CACHE, batch=CORES).best_rows == CORES // CACHE


def test_large_weights_are_read_for_many_rows():
    assert Needs(head=1, tail=CACHE, weights=20 * CACHE // ALIVE).best_rows == 20
    assert Needs(head=1, tail=CACHE, weights=1000 * CACHE).best_rows == ROWS


def test_a_budget_bounds_the_blocks(monkeypatch):
    from carviz.ablation import run

    original, sizes = run.run_chunk, []

    def noted(plan, images, *args, **options):
        sizes.append((len(images), options["batch_size"]))
        return original(plan, images, *args, **options)

    monkeypatch.setattr(run, "run_chunk", noted)
    memory = 2**21
    carviz.measure_car(
        network(), (IMAGES, LABELS), "0", progress=False, run=carviz.Run(memory=memory)
    )
    assert max(images for images, _ in sizes) <= memory // (2 * ALIVE * 64 * 16 * 16 * 4)
    assert sum(images for images, _ in sizes) == 40


PEAK = """
import resource, sys, torch, torchvision, carviz
torch.set_num_threads(1)
name, layer = sys.argv[1:]
model = torchvision.models.get_model(name, weights=None)
weights = sum(p.nbytes for p in model.parameters())
images, labels = torch.rand(48, 3, 224, 224), torch.zeros(48, dtype=torch.int64)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
carviz.measure_car(model, (images, labels), layer, filters=[0, 1], progress=False)
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print((after - before - weights) / 2**30)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "layer"), [("vgg19_bn", "features.0"), ("vgg19_bn", "features.49"),
                        ("convnext_large", "features.7.2.block.0")],
)  # fmt: skip
def test_large_networks_run_within_two_gigabytes_beyond_their_weights(name, layer):
    words = [sys.executable, "-c", PEAK, name, layer]
    out = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert float(out) < 2
