"""How to run is a frozen record that refuses nonsense."""

import pytest

import carviz
from carviz.ablation import settings


@pytest.mark.parametrize("name", ["batch_size", "memory"])
def test_nonsense_is_refused(name):
    with pytest.raises(ValueError, match=f"{name}=…. is 1 or more; found 0"):
        carviz.Run(**{name: 0})
    with pytest.raises(TypeError, match="found float"):
        carviz.Run(**{name: 1.5})
    with pytest.raises(AttributeError):
        carviz.Run().memory = 3


def test_the_budget_heeds_every_limit(monkeypatch):
    assert carviz.Run(memory=5).budget() == 5
    assert 0 < carviz.Run().budget() <= settings.MOST
    monkeypatch.setenv("MEM_LIMIT", "1")
    assert carviz.Run().budget() == 16 * 2**20  # a quarter of the least that is assumed


def test_precision_executor_and_checkpoint_are_checked():
    with pytest.raises(ValueError, match="one of float32, tf32, bf16; found 'fp8'"):
        carviz.Run(precision="fp8")
    with pytest.raises(TypeError, match="get_executor"):
        carviz.Run(executor="pool")
    with pytest.raises(TypeError, match="folder's path"):
        carviz.Run(checkpoint=3)
