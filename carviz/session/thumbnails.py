"""Images of the data as small pictures."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from carviz.evaluate import Images, Normalization

SIDE = 112
"""Pixels of the longer side: twice what is shown, for sharp screens."""


def rgb_image(
    number: int, images: Images, normalization: Normalization | None
) -> NDArray[np.float64]:
    """Return one image, by its number, as a picture (height, width, 3) in [0, 1]."""
    return rgb_picture(images.read([number])[0][0], normalization)


def rgb_picture(image: Any, normalization: Normalization | None) -> NDArray[np.float64]:
    """Return a picture (height, width, 3) in [0, 1] of one image tensor."""
    image = image.detach().cpu().float()
    if normalization is not None and len(normalization.mean) in (1, len(image)):
        image = normalization.to_rgb(image[None])[0]
    else:
        image = (image - image.min()) / (image.max() - image.min()).clamp_min(1e-9)
    array = image.numpy().astype(np.float64)
    array = np.repeat(array[:1], 3, axis=0) if len(array) < 3 else array[:3]
    return np.moveaxis(array, 0, -1)


def as_bytes(picture: NDArray[Any]) -> NDArray[np.uint8]:
    """Return a picture in [0, 1] as 0 to 255; one that is so already stays."""
    if picture.dtype == np.uint8:
        return picture
    return np.asarray((255 * np.clip(picture, 0, 1) + 0.5).astype(np.uint8))


def reduced(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Return a picture whose longer side is `side` pixels at most."""
    from PIL import Image

    image = Image.fromarray(picture)
    image.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=None)
    return np.asarray(image)


def png(picture: NDArray[Any]) -> bytes:
    """Encode a picture (height, width, 3), of bytes or in [0, 1]."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(as_bytes(picture)).save(buffer, format="PNG")
    return buffer.getvalue()
