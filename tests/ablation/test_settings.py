"""How to run is a frozen record that refuses nonsense."""

import pytest
import torch

import carviz
from carviz.ablation import settings

CPU = torch.device("cpu")


@pytest.mark.parametrize("name", ["batch_size", "memory"])
def test_nonsense_is_refused(name):
    with pytest.raises(ValueError, match=f"{name}=…. is 1 or more; found 0"):
        carviz.Run(**{name: 0})
    with pytest.raises(TypeError, match=r"a whole number or None; found 1\.5"):
        carviz.Run(**{name: 1.5})
    with pytest.raises(AttributeError):
        carviz.Run().memory = 3


def test_the_budget_heeds_every_limit(monkeypatch):
    assert carviz.Run(memory=5).budget(CPU) == 5
    assert 0 < carviz.Run().budget(CPU) <= settings.MOST
    monkeypatch.setenv("MEM_LIMIT", "1")
    assert carviz.Run().budget(CPU) == 16 * 2**20  # a quarter of the least that is assumed


def test_on_a_gpu_its_own_memory_is_shared_out(monkeypatch):
    gib = 2**30
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _device: (70 * gib, 80 * gib))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _device: 6 * gib)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _device: 2 * gib)
    monkeypatch.setenv("MEM_LIMIT", "1")
    assert carviz.Run().budget(torch.device("cuda")) == 74 * gib // 4
    assert carviz.Run(memory=5).budget(torch.device("cuda")) == 5
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _device: (0, 80 * gib))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _device: 2 * gib)
    assert carviz.Run().budget(torch.device("cuda")) == settings.LEAST


def test_precision_executor_and_checkpoint_are_checked():
    with pytest.raises(ValueError, match="one of float32, tf32, bf16; found 'fp8'"):
        carviz.Run(precision="fp8")
    with pytest.raises(TypeError, match="get_executor"):
        carviz.Run(executor="pool")
    with pytest.raises(TypeError, match="folder's path"):
        carviz.Run(checkpoint=3)
