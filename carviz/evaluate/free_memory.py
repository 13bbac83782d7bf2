"""How much memory is free, under every limit that can be seen."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

import psutil
import torch

LEAST = 64 * 2**20
"""What is taken to be free at least, in bytes: with less nothing can be measured at all."""


def free_memory() -> int:
    """Return the bytes that are free under the container's limit, MEM_LIMIT and the machine."""
    limits = [int(psutil.virtual_memory().available)]
    used = int(psutil.Process().memory_info().rss)
    group = Path("/sys/fs/cgroup")
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        limit = _number(group / name)
        if limit is not None:
            limits.append(max(0, limit - used))
    if (stated := os.environ.get("MEM_LIMIT", "")).isdigit():
        limits.append(max(0, int(stated) - used))
    return max(min(limits), LEAST)


def free_device_memory(device: torch.device) -> int:
    """Return the bytes that are free on a GPU; what torch holds there and does not use is free."""
    free, _ = torch.cuda.mem_get_info(device)
    held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return int(free) + int(held)


def return_memory() -> None:
    """Give memory that was freed back to the system, where the C library keeps it (glibc).

    What feature maps leave behind in its heaps is not always used again: after a measurement it is
    as much as the maps themselves were.
    """
    if sys.platform != "linux":
        return
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:  # musl has none
        trim(0)


def _number(path: Path) -> int | None:
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None
