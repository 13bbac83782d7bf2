"""torch's modes of a thread, which Ctrl-C cannot leave behind: entered and left wholly.

torch's own are left by a step of Python, before which SIGINT may be heard: then the user's next
network trains without gradients. Each of these is a decorator too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from carviz.interrupts import Whole, whole


def inference_mode(mode: bool = True) -> Whole[None]:
    """Compute as `torch.inference_mode` does."""
    return whole(lambda: torch.inference_mode(mode))


def no_grad() -> Whole[None]:
    """Compute as `torch.no_grad` does."""
    return whole(torch.no_grad)


def enable_grad() -> Whole[None]:
    """Compute as `torch.enable_grad` does."""
    return whole(torch.enable_grad)


def set_grad_enabled(mode: bool) -> Whole[None]:
    """Compute as `torch.set_grad_enabled` does."""
    return whole(lambda: torch.set_grad_enabled(mode))


def fork_rng(devices: Sequence[Any] = ()) -> Whole[None]:
    """Draw inside what leaves torch's random state as it was, of the CPU and of these devices."""
    return whole(lambda: torch.random.fork_rng(devices=list(devices)))
