"""Short names for a model and for data, so that a saved result says what it was measured on."""

from __future__ import annotations

import hashlib
import platform
import re

import numpy as np
import torch
from torch import Tensor, nn

from carviz.evaluate.images import Images

SAMPLE = 16
"""Images that enter a data fingerprint; reading all would cost as much as measuring."""


def fingerprint_model(model: nn.Module) -> str:
    """Return a digest of the model's structure and of every parameter and buffer."""
    # Whether a step works in place changes how it computes, not what: a traced copy is the same.
    structure = re.sub(r"(, )?inplace=\w+", "", repr(model))
    digest = hashlib.sha256(structure.encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        _add(digest, tensor)
    return digest.hexdigest()[:16]


def fingerprint_images(images: Images) -> str:
    """Return a digest of how many images there are, known labels, and `SAMPLE` of the images."""
    digest = hashlib.sha256(str(len(images)).encode())
    if images.hints is not None:
        digest.update(np.ascontiguousarray(images.hints).tobytes())
    numbers = np.unique(np.linspace(0, len(images) - 1, SAMPLE).astype(int)).tolist()
    for tensor in images.read(numbers):
        _add(digest, tensor)
    return digest.hexdigest()[:16]


def versions() -> dict[str, str]:
    """Return the versions that a result depends on."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        own = version("carviz")
    except PackageNotFoundError:
        own = "unknown"
    return {"carviz": own, "torch": torch.__version__, "python": platform.python_version()}


def _add(digest: hashlib._Hash, tensor: Tensor) -> None:
    plain = tensor.detach().cpu().contiguous()
    digest.update(f"{plain.dtype}{tuple(plain.shape)}".encode())
    # Bytes, whatever the type: NumPy knows no bfloat16.
    digest.update(plain.reshape(-1).view(torch.uint8).numpy().data)
