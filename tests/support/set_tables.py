"""Records of sets and pairs of filters, drawn at random."""

import itertools

import numpy as np

from carviz.results import JointTable, PairTable


def _facts(draw, filters, rows, images):
    """Return what sets and single filters do to images, some of which are no chance."""
    alone = draw.random((filters, images)) < 0.02
    together = np.zeros((len(rows), images), bool)
    for row, members in enumerate(rows):
        together[row] = alone[list(members)].any(0)
        if len(members) == 1:
            continue
        if row % 5 == 0:
            together[row] |= draw.random(images) < 0.08  # redundancy
        elif row % 7 == 0:
            together[row] = False  # compensation
    return together, alone


def _fields(layer, rows, filters, images, seed):
    draw = np.random.default_rng(seed)
    together, alone = _facts(draw, len(filters), rows, images)
    wrong = draw.random(images) < 0.1
    targets, fall = np.where(wrong, 1, 0), 2 * draw.random(images)
    return {
        "layer": layer, "filters": filters, "members": [m for row in rows for m in row],
        "sizes": [len(row) for row in rows], "classes": ("cat", "dog", "$ x"),
        "images": range(images), "targets": targets, "baseline": np.zeros(images),
        "predictions": np.where(together, 2, 0), "single_predictions": np.where(alone, 2, 0),
        "image_log_prob_drop": together * fall,
        "single_image_log_prob_drop": alone * fall,
    }  # fmt: skip


def random_pairs(filters=8, count=None, images=400, layer="conv", seed=0) -> PairTable:
    """Return pairs of a bank: all, or `count` of them."""
    pairs = list(itertools.combinations(range(filters), 2))
    if count is not None:
        chosen = np.random.default_rng(seed).permutation(len(pairs))[:count]
        pairs = [pairs[i] for i in sorted(chosen.tolist())]
    held = sorted({f for pair in pairs for f in pair})
    rows = [[held.index(f) for f in pair] for pair in pairs]
    fields = _fields(layer, rows, held, images, seed)
    return PairTable(banks=(layer,), bank=[0] * len(held), **fields)


def random_sets(sets=6, filters=20, images=400, banks=("conv",), seed=0) -> JointTable:
    """Return sets of filters, of one bank or of several."""
    draw = np.random.default_rng(seed)
    of = np.sort(draw.integers(0, len(banks), filters)) if len(banks) > 1 else np.zeros(filters)
    numbers = [int((of[:i] == of[i]).sum()) for i in range(filters)]
    rows: list[list[int]] = [[0]]
    while len(rows) < sets:
        size = int(draw.integers(2, filters))
        row = sorted(draw.permutation(filters)[:size].tolist())
        rows += [row] if row not in rows else []
    layer = banks[0] if len(banks) == 1 else ""
    fields = _fields(layer, rows, numbers, images, seed)
    return JointTable(banks=banks, bank=of, **fields)
