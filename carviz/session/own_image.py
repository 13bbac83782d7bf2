"""A picture of the reader's own, and how it becomes what the network reads."""

from __future__ import annotations

import dataclasses
import io
import itertools
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from carviz.checks import found_words
from carviz.evaluate import Images, Normalization, layers

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
BYTES = 8_000_000
"""Of a file, at most; a browser sends one of 1 MB at most."""
PIXELS = 40_000_000
"""As its header says, at most: told before anything is decoded."""
KEPT = 1024
"""Pixels of the longer side that are kept."""
VERSIONS = itertools.count(1)


@dataclasses.dataclass(frozen=True, eq=False)
class OwnImage:
    """A picture as it was given.

    Parameters
    ----------
    picture
        (height, width, 3) uint8.
    name
        What it is called; "" for nothing.
    version
        A number that no other has.
    """

    picture: NDArray[np.uint8]
    name: str = ""
    version: int = dataclasses.field(default_factory=lambda: next(VERSIONS))


def read_picture(given: Any, name: str = "") -> OwnImage:
    """Return a picture that was given as a file, its bytes, a PIL image or an array.

    The first frame of several is taken, EXIF's turn is done, and what is transparent is white.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    TypeError, ValueError
        If it is no picture, or one of too many pixels.
    """
    from PIL import Image

    if isinstance(given, np.ndarray):
        given = Image.fromarray(_bytes_of(given))
    if isinstance(given, (str, os.PathLike)):
        path = Path(given)
        name = name or path.name
        if not path.is_file():
            raise FileNotFoundError(f"An image is a file; {str(path)!r} is not there.")
        size = path.stat().st_size
        given = path.read_bytes() if size <= BYTES else b" " * (BYTES + 1)
    if isinstance(given, (bytes, bytearray, memoryview)):
        given = _opened(bytes(given))
    if not isinstance(given, Image.Image):
        raise TypeError(
            "An image is a file, its bytes, a PIL image, or an array (height, width, 3); found "
            f"{found_words(given)}."
        )
    _check_pixels(given.size)
    return OwnImage(np.asarray(_plain(given)), name)


def _opened(data: bytes) -> Any:
    from PIL import Image, UnidentifiedImageError

    if len(data) > BYTES:
        raise ValueError(f"An image has {BYTES / 1e6:.0f} MB at most; this one has more.")
    try:
        opened = Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError:
        raise ValueError(_too_many("more than can be told")) from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError):
        raise ValueError(
            f"An image is a file of {', '.join(FORMATS[:-1])} or {FORMATS[-1]}; found something "
            "else."
        ) from None
    _check_pixels(opened.size)  # as the header says, before anything is decoded
    try:
        opened.load()
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise ValueError(f"The file is damaged, or not all there: {error}.") from None
    return opened


def _check_pixels(size: tuple[int, int]) -> None:
    width, height = size
    if width * height > PIXELS:
        raise ValueError(_too_many(f"{width:,} × {height:,}"))


def _too_many(found: str) -> str:
    return (
        f"An image has {PIXELS / 1e6:.0f} million pixels at most; found {found}. Make it smaller."
    )


def _bytes_of(picture: NDArray[Any]) -> NDArray[np.uint8]:
    """Return an array as 0 to 255; floats are in [0, 1]."""
    if picture.ndim == 2:
        picture = np.repeat(picture[..., None], 3, axis=2)
    if picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
        raise ValueError(
            "An array is a picture (height, width, 3), or (height, width); found one of shape "
            f"{picture.shape}."
        )
    if picture.dtype == np.uint8:
        return picture
    if picture.dtype.kind != "f" or not (picture.min() >= 0 and picture.max() <= 1):
        raise ValueError(
            "An array is uint8, or floats in [0, 1]; found "
            f"{picture.dtype} from {picture.min():.3g} to {picture.max():.3g}."
        )
    return np.asarray((255 * picture + 0.5).astype(np.uint8))


def _plain(given: Any) -> Any:
    """Return a PIL image as RGB, upright, and not larger than what is kept."""
    from PIL import Image, ImageOps

    picture = ImageOps.exif_transpose(given)
    if picture.mode.startswith(("I", "F")):  # 16 bits, or more: PIL would cut at 255
        values = np.asarray(picture, np.float64)
        top = 65535.0 if picture.mode.startswith("I") else max(float(values.max()), 1e-9)
        picture = Image.fromarray((255 * np.clip(values / top, 0, 1) + 0.5).astype(np.uint8))
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        ground = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(ground, picture)
    picture = picture.convert("RGB")
    picture.thumbnail((KEPT, KEPT), Image.Resampling.LANCZOS)
    return picture


def prepare(own: OwnImage, images: Images, normalization: Normalization | None) -> Tensor:
    """Return a picture as the network reads it: (1, channel, height, width), like the data's.

    The data's own transform is used where it has one that gives such an image; else the middle of
    the picture is scaled to the size of the data's images, and normalised as they are.

    Raises
    ------
    ValueError
        If nothing says how the data was preprocessed, or its images are neither RGB nor grey.
    """
    from PIL import Image

    like = images.read([0])[0][0].detach().cpu()
    picture = Image.fromarray(own.picture)
    found = _by_transform(picture, images, like)
    if found is not None:
        return found[None]
    channels, height, width = like.shape
    if channels not in (1, 3):
        raise ValueError(
            "A picture has three channels (RGB) or one (grey); the network reads images of "
            f"{channels}."
        )
    if normalization is None and not (float(like.min()) >= 0 and float(like.max()) <= 1):
        raise ValueError(
            "Nothing says how the data was preprocessed (mean and std), so that a picture of one's "
            "own cannot be. Give the data a `mean` and a `std`, or a transform."
        )
    fitted = _fitted(picture.convert("RGB" if channels == 3 else "L"), (width, height))
    raw = np.asarray(fitted, np.float32).reshape(height, width, channels) / 255
    tensor = torch.from_numpy(raw.transpose(2, 0, 1).copy()).to(like.dtype)
    if normalization is not None:
        mean, std = (
            torch.tensor(numbers, dtype=like.dtype).view(-1, 1, 1)
            for numbers in (normalization.mean, normalization.std)
        )
        tensor = (tensor - mean) / std
    return tensor[None]


def _by_transform(picture: Any, images: Images, like: Tensor) -> Tensor | None:
    """Return what the data's own transform makes of a picture; None where that is no such image."""
    for layer in layers(images.source):
        transform = getattr(layer, "transform", None)
        if not callable(transform):
            continue
        try:
            made = transform(picture)
        except Exception:  # it may take something else than a picture
            continue
        if isinstance(made, Tensor) and made.shape == like.shape and made.dtype == like.dtype:
            return made.detach().cpu()
    return None


def _fitted(picture: Any, size: tuple[int, int]) -> Any:
    """Return the middle of a picture, scaled to a size (width, height)."""
    from PIL import Image, ImageOps

    return ImageOps.fit(picture, size, Image.Resampling.BICUBIC)
