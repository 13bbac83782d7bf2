"""How much memory is taken to be free."""

import sys

import psutil
import pytest
import torch

from carviz.evaluate import free_memory, return_memory
from carviz.evaluate.free_memory import LEAST


def test_the_tightest_limit_counts(monkeypatch):
    monkeypatch.delenv("MEM_LIMIT", raising=False)
    free = free_memory()
    assert LEAST <= free <= psutil.virtual_memory().total
    used = psutil.Process().memory_info().rss
    monkeypatch.setenv("MEM_LIMIT", str(used + 2 * LEAST))
    assert abs(free_memory() - 2 * LEAST) < LEAST
    monkeypatch.setenv("MEM_LIMIT", "1")
    assert free_memory() == LEAST
    monkeypatch.setenv("MEM_LIMIT", "much")
    assert free_memory() > LEAST or free == LEAST


@pytest.mark.skipif(sys.platform != "linux", reason="other systems take freed memory themselves")
def test_freed_memory_is_given_back():
    def held() -> int:
        return int(psutil.Process().memory_info().rss)

    blocks = [torch.ones(2**14) for _ in range(2000)]  # 64 KiB each, from the C library's heap
    last = blocks[-1]  # what lies behind the freed ones keeps the heap as long as it was
    before = held()
    del blocks
    assert held() > before - 2**26
    return_memory()
    assert held() < before - 2**26
    assert last.sum() == 2**14
