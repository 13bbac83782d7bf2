"""In which precision a network runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def arithmetic(precision: str, device: str) -> Iterator[None]:
    """Compute as asked for inside: float32 means float32, whatever the user's switches.

    Left alone, a GPU rounds more coarsely: cuDNN's TF32 is on by default. Deep networks then give
    an image other logits in another batch, by more than any check could let pass. TF32 of matrix
    products is off, unless somebody turned it on.

    Parameters
    ----------
    precision
        "float32", "tf32" or "bf16".
    device
        The kind of device that computes: "cpu", "cuda", …
    """
    products = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    with (
        torch.backends.cudnn.flags(
            enabled=torch.backends.cudnn.enabled,
            benchmark=torch.backends.cudnn.benchmark,
            deterministic=torch.backends.cudnn.deterministic,
            allow_tf32=precision == "tf32",
        ),
        torch.autocast(device, dtype=torch.bfloat16, enabled=precision == "bf16"),
    ):
        try:
            yield
        finally:
            torch.set_float32_matmul_precision(products)
