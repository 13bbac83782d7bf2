"""A checksum over all bytes of a tensor, several times as fast as a cryptographic digest.

Each 64-bit word is mixed, multiplied with an odd random weight of its place, and summed over a
block modulo 2**64. Mixing (the upper half of a word is laid over its lower half) is one to one,
and puts a changed bit, whichever it is, among the lower 32: so one word that changes always shows,
and any other change stays unseen with a chance below 2**-31. Without it, sums modulo 2**64 forget
what happens at the top of a word: two weights whose signs flip would cancel.
"""

from __future__ import annotations

import functools
import hashlib

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

BLOCK = 2**15
"""Words of a block: with its products it stays in a core's cache."""
STEP = 64
"""Blocks that a GPU takes at once."""


def checksum(content: Tensor) -> bytes:
    """Return the checksum of flat bytes, computed where they are; equal on every device.

    Parameters
    ----------
    content
        Any bytes, uint8 (byte,); zeros at the end do not count, so their number must be known.
    """
    if content.device.type == "cpu":
        sums = _on_cpu(content.numpy())
    else:
        sums = _elsewhere(content).cpu().numpy()
    return hashlib.blake2b(sums.tobytes(), digest_size=16).digest()


def _on_cpu(content: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the sum of each block.

    NumPy, whose einsum makes one pass of two, and which stays on one core: torch's threads meet
    after every step, and wait long where another process has their cores.
    """
    if content.ctypes.data % 8:
        content = content.copy()  # words begin at multiples of 8
    whole = len(content) // (8 * BLOCK) * (8 * BLOCK)
    rest = np.zeros(_padded(len(content) - whole), np.uint8)
    rest[: len(content) - whole] = content[whole:]
    blocks = [*content[:whole].view(np.int64).reshape(-1, BLOCK), rest.view(np.int64)]
    sums, products = np.empty(len(blocks), np.int64), np.empty(BLOCK, np.int64)
    for place, words in enumerate(blocks):
        mixed = products[: len(words)]
        np.right_shift(words, 32, out=mixed)
        np.bitwise_xor(mixed, words, out=mixed)
        sums[place] = np.einsum("i,i->", mixed, _weights()[: len(words)])
    return sums


def _elsewhere(content: Tensor) -> Tensor:
    """Return the sum of each block, where the bytes are."""
    if content.data_ptr() % 8 or content.storage_offset() % 8:
        content = content.clone()
    whole = len(content) // (8 * BLOCK) * (8 * BLOCK)
    rest = content.new_zeros(_padded(len(content) - whole))
    rest[: len(content) - whole] = content[whole:]
    blocks = content[:whole].view(torch.int64).view(-1, BLOCK)
    weights = torch.from_numpy(_weights()).to(content.device)
    sums = []
    for words in [*torch.split(blocks, STEP), rest.view(torch.int64)[None]]:
        mixed = (words >> 32).bitwise_xor_(words)
        sums.append(mixed.mul_(weights[: words.shape[1]]).sum(1))
    return torch.cat(sums)


def _padded(count: int) -> int:
    return -(-count // 8) * 8


@functools.lru_cache(maxsize=1)
def _weights() -> NDArray[np.int64]:
    return np.random.default_rng(0).integers(-(2**63), 2**63, BLOCK, dtype=np.int64) | 1
