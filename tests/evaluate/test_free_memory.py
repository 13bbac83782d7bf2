"""How much memory is taken to be free."""

import psutil

from carviz.evaluate import free_memory
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
