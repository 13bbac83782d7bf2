"""Several GPUs: each worker puts the plans on a card of its own.

Workers of one machine are numbered, processes as `multiprocessing` numbers them and threads as they
come, and take the cards in turn. A worker that sees one card only (CUDA_VISIBLE_DEVICES) takes it.
"""

from __future__ import annotations

import copy
import dataclasses
import itertools
import multiprocessing
import threading

import torch

from carviz.ablation.run import Work
from carviz.evaluate import inference_mode

_numbers = itertools.count()
_own = threading.local()


def card_of_worker() -> torch.device | None:
    """Return the card of this worker; None where there is no GPU."""
    count = torch.cuda.device_count()
    if count == 0:
        return None
    return torch.device("cuda", (_process_number() + _thread_number()) % count)


def _process_number() -> int:
    """Return this process's number among its parent's children; 0 for one that has no parent."""
    identity = multiprocessing.current_process()._identity
    return identity[-1] - 1 if identity else 0


def _thread_number() -> int:
    """Return this thread's number among those of its process that asked."""
    if not hasattr(_own, "number"):
        _own.number = next(_numbers)
    return int(_own.number)


def put_on(works: tuple[Work, ...], device: torch.device) -> tuple[Work, ...]:
    """Return works on another device: copies, which share among them what the works share.

    They are copied, and not pickled: to open a pickled graph is to trace it again, for which all
    other threads must stand still.
    """
    with inference_mode():
        copies = copy.deepcopy(works)
        for work in copies:
            for module in work.plan.modules():
                module.to(device)
    return tuple(dataclasses.replace(work, device=device) for work in copies)
