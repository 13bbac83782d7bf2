"""Pictures by their names: what a browser asks for, encoded."""

from __future__ import annotations

import dataclasses
import io
import json
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from carviz.pictures import overlay
from carviz.screen.keys import SHEET
from carviz.session import (
    LARGE,
    SIDE,
    SIGHTS,
    OneImage,
    Snapshot,
    as_bytes,
    png,
    reduced,
    rgb_image,
    small,
)

SMALL = 96
"""Pixels of the longer side of a picture on a tab."""
VIEW = 448
"""Pixels of the longer side of an image that is looked at."""
QUALITY = 88
"""Of an image of the data, of 100."""


@dataclasses.dataclass(frozen=True)
class Made:
    """A picture, encoded.

    Parameters
    ----------
    mime
        Its type.
    data
        Its bytes.
    about
        Of a sheet: filters, width and height of one of them, and columns; else empty.
    """

    mime: str
    data: bytes
    about: dict[str, Any] = dataclasses.field(default_factory=dict)


def make_picture(shown: Snapshot, key: str) -> Made | None:
    """Return the picture of a name; None where there is none (any more).

    What reads the data raises what reading it raises.
    """
    try:
        subject, kind, *parts = json.loads(key)
    except (ValueError, TypeError):
        return None
    if subject != shown.subject:
        return None
    match kind, parts:
        case "image", [int(number)] if number >= 0:
            return _image(shown, number)
        case _, [layer, *_] if layer != shown.layer:
            return None
        case "sheet", [_, str(sort), int(first), int()] if sort in SIGHTS:
            return _sheet(shown, sort, first)
        case "small", [_, str(sort), int(filter), int()] if sort in SIGHTS:
            return _one(shown, sort, filter, SMALL)
        case "large", [_, str(sort), int(filter), int()] if sort in SIGHTS:
            return _one(shown, sort, filter, LARGE)
        case "view", [_, int(number), int(version)]:
            return _view(shown.one_image, number, version, on_map=False)
        case "map", [_, int(number), int(version), int(filter), str(strongest)]:
            one = shown.one_image
            here = one is not None and (one.filter, f"{one.strongest:.6g}") == (filter, strongest)
            return _view(one, number, version, on_map=True) if here else None
        case "patch", [_, int(filter), int(place), int()]:
            sheet = shown.seen.sheets.get(filter) or []
            return Made("image/png", sheet[place].png) if 0 <= place < len(sheet) else None
    return None


def _image(shown: Snapshot, number: int) -> Made:
    picture = reduced(as_bytes(rgb_image(number, shown.images, shown.normalization)), SIDE)
    return Made("image/webp", _webp(picture))


def _view(one: OneImage | None, number: int, version: int, *, on_map: bool) -> Made | None:
    """Return the image that is looked at, large, or where the filter answers on it."""
    if one is None or one.key != (number, version):
        return None
    picture = one.picture
    if on_map:
        if one.maps is None:
            return None
        risen = one.maps.on_images(above_zero=True)[0]
        picture = as_bytes(overlay(picture / 255, risen, one.strongest))
    return Made("image/png", png(reduced(picture, VIEW)))


def _pictures(shown: Snapshot, sort: str) -> dict[int, Any]:
    if sort == "weights" and shown.pictures is not None:
        return dict(enumerate(shown.pictures))
    return dict(shown.seen.pictures(sort))  # type: ignore[arg-type]


def _one(shown: Snapshot, sort: str, filter: int, side: int) -> Made | None:
    picture = _pictures(shown, sort).get(filter)
    return None if picture is None else Made("image/png", png(reduced(as_bytes(picture), side)))


def _sheet(shown: Snapshot, sort: str, first: int) -> Made | None:
    found = _pictures(shown, sort)
    filters = [n for n in range(first, first + SHEET) if n in found]
    if not filters:
        return None
    pictures = np.stack([small(found[n]) for n in filters])
    height, width = pictures.shape[1:3]
    columns = math.ceil(math.sqrt(len(filters)))
    about = {"filters": filters, "width": width, "height": height, "columns": columns}
    return Made("image/png", png(tiled(pictures, columns)), about)


def tiled(pictures: NDArray[Any], columns: int) -> NDArray[np.uint8]:
    """Return (F, height, width, 3) pictures as one, `columns` in a row."""
    F, height, width, _ = pictures.shape
    rows = math.ceil(F / columns)
    full = np.full((rows * columns, height, width, 3), 128, np.uint8)
    full[:F] = as_bytes(pictures)
    grid = full.reshape(rows, columns, height, width, 3).transpose(0, 2, 1, 3, 4)
    return grid.reshape(rows * height, columns * width, 3)


def _webp(picture: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="WEBP", quality=QUALITY)
    return buffer.getvalue()
