"""Held-out images are others than those that chose an order, and their labels mean the same."""

from __future__ import annotations

from collections.abc import Callable

from carviz.evaluate import Images, digest_images, fingerprint_images
from carviz.wording import counted, other_classes_words

SPLIT = "Split them: torch.utils.data.Subset(data, numbers), once for each."


def check_held_out(
    images: Images, held_out: Images, tick: Callable[[], None] | None = None
) -> None:
    """Refuse held-out images that are among those that choose, or whose labels mean others.

    Every image is read once, unless the first look tells: an order flatters itself on a few of its
    own images as on all of them.

    Parameters
    ----------
    images
        Those that choose.
    held_out
        Those that are held out.
    tick
        Called as images are read; what it raises ends it.

    Raises
    ------
    ValueError
        If they share images, or the names of their classes differ.
    """
    if fingerprint_images(images) == fingerprint_images(held_out):
        raise ValueError(
            "held_out are other images than data, which rank the filters; found the same ones. "
            f"{SPLIT}"
        )
    chosen, held = images.classes, held_out.classes
    if chosen is not None and held is not None and chosen != held:
        raise ValueError(
            "held_out has the classes of data, so that labels mean the same; "
            f"{other_classes_words(held, chosen)}."
        )
    known = set(digest_images(images, tick))
    if shared := sum(digest in known for digest in digest_images(held_out, tick)):
        raise ValueError(
            "held_out are other images than data, which rank the filters; found "
            f"{counted(shared, 'image')} of {len(held_out):,} in both. {SPLIT} Leave out copies "
            "that the data holds."
        )
