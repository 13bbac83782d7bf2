"""How to run: one frozen record that measuring, pruning and the explorer share."""

from __future__ import annotations

import dataclasses
import os
from concurrent.futures import Executor

import torch

from carviz.checks import check_whole
from carviz.evaluate import free_device_memory, free_memory

GIB = 2**30
PRECISIONS = ("float32", "tf32", "bf16")
MOST = 1 * GIB
"""No more than this by default on a CPU: a container is killed rather than told."""
LEAST = 16 * 2**20
"""No less than this: where a GPU has less, batches shrink as they run."""


@dataclasses.dataclass(frozen=True)
class Run:
    """How to run a measurement. The default serves a laptop.

    Parameters
    ----------
    batch_size
        Rows of the tail that run together; None for 128, or fewer where memory asks for it.
    memory
        Bytes that feature maps may take; None for a quarter of what is free: on a GPU of its own
        memory, else under the container's limit, MEM_LIMIT and the machine, and 1 GiB at most.
    precision
        "float32", which means float32 (cuDNN's TF32 is off), or "tf32" or "bf16" for speed on a
        GPU, audited: pairs of a filter and an image whose prediction is a close call are measured
        again in float32, and ``passport["precision_audit"]`` tells how many, what a sample of the
        others found, and by how much that leaves CAR open. bfloat16 leaves log p out. TF32 is
        float32 where there is none, on a CPU; pruning always decides in float32.
    executor
        Any `concurrent.futures.Executor` that runs functions in other processes, or on other
        machines; None for this process. Where a machine has several GPUs, its workers take them in
        turn (threads do as well: ``ThreadPoolExecutor(torch.cuda.device_count())``). Workers and
        scheduler must be trusted: they are sent the
        network and the images, run code on pickles, and a wrong answer of the right form is found
        only where it is one of the few that are measured again. What fails there, or gives no
        answer of the right form, is measured in this process.
    checkpoint
        A folder that keeps finished chunks: the same measurement resumes there.

    Raises
    ------
    TypeError, ValueError
        If a number is not a positive whole number, or a value is not of these.

    Examples
    --------
    >>> import tempfile
    >>> import carviz
    >>> model, data = carviz.load_model("shapes"), carviz.load_data("shapes", limit=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run = carviz.Run(batch_size=32, checkpoint=folder)  # runs once, then it is read
    ...     tables = [
    ...         carviz.measure_car(model, data, "features.0", run=run, progress=False)
    ...         for _ in range(2)
    ...     ]
    >>> tables[0] == tables[1]
    True
    """

    batch_size: int | None = None
    memory: int | None = None
    precision: str = "float32"
    executor: Executor | None = None
    checkpoint: str | os.PathLike[str] | None = None

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise ValueError(
                f"Run(precision=…) is one of {', '.join(PRECISIONS)}; found {self.precision!r}."
            )
        if self.executor is not None and not callable(getattr(self.executor, "submit", None)):
            raise TypeError(
                "Run(executor=…) is a concurrent.futures.Executor or None; found "
                f"{type(self.executor).__name__}. Dask's is Client(...).get_executor()."
            )
        if not isinstance(self.checkpoint, (str, os.PathLike, type(None))):
            raise TypeError(
                "Run(checkpoint=…) is a folder's path or None; found "
                f"{type(self.checkpoint).__name__}."
            )
        for name in ("batch_size", "memory"):
            value = getattr(self, name)
            if value is not None:
                check_whole(value, f"Run({name}=…)", or_none=True)

    def budget(self, device: torch.device) -> int:
        """Return the bytes that feature maps may take on a device."""
        if self.memory is not None:
            return self.memory
        if device.type == "cuda":
            return max(LEAST, free_device_memory(device) // 4)
        return min(MOST, free_memory() // 4)
