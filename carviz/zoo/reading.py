"""Decoding images once: in threads, into memory where they fit, naming what cannot be read."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import torch
from torch import Tensor

from carviz.evaluate import TWICE, Progress, free_memory, random_step, telling
from carviz.zoo.loaded import LoadedImages
from carviz.zoo.sources import UnreadableError

Unreadable = Literal["raise", "skip"]

MOST = 2 * 2**30
"""Bytes of images that are kept by default, at most."""
SHARE = 4
"""What is free is divided by this: the network's maps, and other people, want memory too."""
THREADS = 4
"""Threads that decode, at most: decoders let go of the interpreter, transforms only in part."""
NAMED = 5
"""Unreadable files that are named."""


class _UnlikeError(Exception):
    """The transform gives images of more than one size."""


def read_images(
    images: LoadedImages,
    memory: int | None,
    unreadable: Unreadable,
    progress: Progress,
    stacklevel: int = 3,
) -> None:
    """Keep images in memory where they fit, and leave out what cannot be read where that is asked.

    Images that do not fit are decoded here only to leave out the unreadable ones.

    Raises
    ------
    ValueError
        If images cannot be read and `unreadable` is not "skip", or none can, or a transform fails.
    """
    budget = memory if memory is not None else min(MOST, free_memory() // SHARE)
    keep = _room(images, budget)
    if keep is None and unreadable != "skip":
        return
    with telling(progress, "Reading images") as tell:
        try:
            failed = _decode_all(images, keep, tell)
        except _UnlikeError:  # whoever measures says which image has another size
            return
    if failed and unreadable != "skip":
        raise ValueError(
            f"Every image must be readable; {_told(images, failed)}. Repair or remove them, or "
            'leave them out: carviz.load_data(…, unreadable="skip"), --unreadable skip.'
        )
    if len(failed) == len(images):
        raise ValueError(
            f"One image at least must be readable; {_told(images, failed)}. Look at what the "
            "files are, e.g. with the command file."
        )
    if keep is not None:
        images.keep(keep)
    if failed:
        warnings.warn(f"Left out: {_told(images, failed)}.", UserWarning, stacklevel=stacklevel)
        images.leave_out(list(failed))


def _room(images: LoadedImages, budget: int) -> Tensor | None:
    """Return an empty tensor for all images, or None where they do not fit, or cannot be kept.

    A random transform must not be frozen by keeping images: it is named, or shows in a few images
    that are decoded twice.
    """
    if random_step(images):
        return None
    first, tried = None, 0
    for index in range(len(images)):
        try:
            image = images.decode(index)
            again = images.decode(index)
        except UnreadableError:
            continue
        if not isinstance(image, Tensor) or not torch.equal(image, again):
            return None  # whoever measures refuses them, and says why
        first, tried = image, tried + 1
        if tried == TWICE or image.nbytes * len(images) > budget:
            break
    if first is None or first.nbytes * len(images) > budget:
        return torch.empty(len(images), 0) if first is None else None
    return torch.empty(len(images), *first.shape, dtype=first.dtype)


def _decode_all(
    images: LoadedImages, keep: Tensor | None, tell: Callable[[float], None]
) -> dict[int, str]:
    """Decode every image; return why, of those that cannot be."""

    def decode(index: int) -> str | None:
        try:
            image = images.decode(index)
        except UnreadableError as error:
            return str(error)
        if keep is not None:
            if image.shape != keep.shape[1:] or image.dtype != keep.dtype:
                raise _UnlikeError
            keep[index] = image
        return None

    failed, count = {}, len(images)
    step = max(1, count // 200)
    pool = ThreadPoolExecutor(max(1, min(THREADS, os.cpu_count() or 1)))
    try:
        for index, reason in enumerate(pool.map(decode, range(count))):
            if reason is not None:
                failed[index] = reason
            if (index + 1) % step == 0 or index + 1 == count:
                tell((index + 1) / count)
    finally:
        pool.shutdown(cancel_futures=True)
    return failed


def _told(images: LoadedImages, failed: dict[int, str]) -> str:
    """Name the first files that cannot be read, with the reason, and say how many there are."""
    samples = images.samples
    some = "; ".join(f"{samples[i][0]} ({failed[i]})" for i in sorted(failed)[:NAMED])
    more = f"; … and {len(failed) - NAMED:,} more" if len(failed) > NAMED else ""
    return f"{len(failed):,} of {len(images):,} cannot be read: {some}{more}"
