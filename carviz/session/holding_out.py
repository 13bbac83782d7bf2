"""Images of a session in two parts: those that choose, and those that are held out."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch.utils.data import DataLoader, Subset

from carviz.checks import found_words, is_number
from carviz.evaluate import Images, stratified_order

SEED = 0
"""Of which images are held out."""


def check_share(share: Any) -> float:
    """Return the share of the images that is held out; 0.0 for None."""
    if share is None:
        return 0.0
    if not is_number(share):
        raise TypeError(
            "held_out is a number, the share of the images that is held out, or None; found "
            f"{found_words(share)}."
        )
    if not 0 <= share < 1:  # NaN too
        raise ValueError(
            "held_out is the share of the images that is held out, 0 or more and below 1; found "
            f"{share!r}."
        )
    return float(share)


def split_images(images: Images, share: float) -> tuple[Images, Images | None]:
    """Return the images that choose, and those that are held out, of each class alike.

    Raises
    ------
    ValueError
        If one of the two would have no image, or the images come from a DataLoader, which reads
        them as it was told.
    """
    if not share:
        return images, None
    order, held = stratified_order(images.hints, len(images), SEED), round(share * len(images))
    if not 0 < held < len(images):
        raise ValueError(
            f"Both the images that choose and those held out are one at least; {share} of "
            f"{len(images):,} images leaves none on one side."
        )
    if isinstance(images.source, DataLoader):
        raise ValueError(
            "Images are held out of a Dataset, or of a pair of tensors; found a DataLoader. Open "
            "the session on its Dataset."
        )
    # Classes come one after another in the order, so that any part of it has them all.
    return _part(images, order[held:]), _part(images, order[:held])


def _part(images: Images, order: np.ndarray[Any, Any]) -> Images:
    numbers = np.sort(order).tolist()
    source = images.source
    if isinstance(source, (tuple, list)) and len(source) == 2:
        return Images((source[0][numbers], source[1][numbers]))
    return Images(Subset(source, numbers))
