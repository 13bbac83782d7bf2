"""Numbers as a browser takes them: bytes, since JSON has no NaN and many digits."""

from __future__ import annotations

from typing import Any

import numpy as np


def floats(values: Any) -> bytes:
    """Return numbers as float64, little-endian, one after the other."""
    return np.ascontiguousarray(values, dtype="<f8").tobytes()


def flags(values: Any) -> bytes:
    """Return yes and no as bytes 1 and 0."""
    return np.ascontiguousarray(values, dtype=bool).astype(np.uint8).tobytes()
