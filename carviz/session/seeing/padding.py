"""What of a patch lies outside of its image, marked so that nobody takes it for a grey wall."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

SQUARES = 14
"""Squares along the longer side of a patch."""
DARK, LIGHT = 96, 160


def outside(shape: tuple[int, int], box: Any, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Return (height, width) which pixels of a patch lie outside of its image.

    Parameters
    ----------
    shape
        The patch's height and width, which may be reduced.
    box
        (4,) top, left, bottom and right of it in the image's pixels, the last two exclusive.
    size
        The image's height and width.
    """
    beyond = []
    for axis in (0, 1):
        first, last = int(box[axis]), int(box[axis + 2])
        middles = first + (np.arange(shape[axis]) + 0.5) * (last - first) / shape[axis]
        beyond.append((middles < 0) | (middles >= size[axis]))
    return np.asarray(beyond[0][:, None] | beyond[1])


def checkered(picture: NDArray[np.uint8], where: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return a picture (height, width, 3) with a board of grey squares where `where` says."""
    rows, columns = np.indices(where.shape) // max(1, round(max(where.shape) / SQUARES))
    board = np.where((rows + columns) % 2, LIGHT, DARK).astype(np.uint8)
    return np.asarray(np.where(where[..., None], board[..., None], picture))
