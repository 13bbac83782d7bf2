"""Random pictures, and random patches of images."""

import numpy as np
from support.tables import NAMES

from carviz.pictures import TopPatches


def pictures_of(count, height=7, width=7):
    return np.random.default_rng(0).random((count, height, width, 3))


def patches_of(count=8, ranks=9, size=(7, 7), classes=NAMES, empty=(), few=(), filter=None):
    """Random patches of a bank; `empty` filters have none, `few` have two."""
    g = np.random.default_rng(1)
    labels = g.integers(0, len(classes), (count, ranks))
    labels[list(empty)] = -1
    labels[list(few), 2:] = -1
    missing = labels < 0
    pictures = g.random((count, ranks, *size, 3)).astype(np.float32)
    pictures[missing] = 0.5
    responses = np.where(missing, np.nan, np.sort(g.random((count, ranks)))[:, ::-1])
    one = slice(None) if filter is None else filter
    return TopPatches(
        "features.0", filter, pictures[one], np.where(missing, -1, labels)[one], labels[one],
        classes, responses[one], np.zeros((count, ranks, 4), np.int64)[one],
    )  # fmt: skip
