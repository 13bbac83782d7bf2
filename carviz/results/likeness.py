"""How alike filters are, as square arrays: kept tidy, taken from class-wise CAR."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from carviz.results.car_table import CarTable

Floats = NDArray[np.float64]

LEAST_CLASSES = 3
"""Over two classes every correlation is 1 or -1, whatever the filters do."""


def tidy(similarity: Floats) -> Floats:
    """Return a similarity without what rounding did: symmetric, in [-1, 1], 1 with oneself."""
    similarity = np.clip((similarity + similarity.T) / 2, -1.0, 1.0)
    itself = np.diag_indices_from(similarity)
    similarity[itself] = np.where(np.isnan(similarity[itself]), np.nan, 1.0)
    return np.asarray(similarity)


def check_car(table: Any, layer: str, model: Any) -> CarTable:
    """Return `table` if it is the CarTable of a bank of the network with that fingerprint."""
    if not isinstance(table, CarTable):
        raise TypeError(
            "What filters do to the classes is read from a CarTable, which carviz.measure_car "
            f"returns or CarTable.load reads; found {type(table).__name__}."
        )
    if table.layer != layer:
        raise ValueError(
            f"The CarTable is of the same bank, {layer!r}; found one of {table.layer!r}. "
            f"carviz.measure_car(model, data, {layer!r}) gives it."
        )
    found = table.passport.get("model")
    if None not in (found, model) and found != model:
        raise ValueError(
            f"The CarTable is of the same network, {model}; found one that was measured on "
            f"another, {found}. Measure it on this network."
        )
    return table


def class_similarity(table: CarTable, count: int) -> tuple[Floats, Floats]:
    """Return how alike filters are in what they do to the classes, and how many they move.

    Parameters
    ----------
    table
        Of some or all filters of a bank.
    count
        How many filters the bank has, F.

    Returns
    -------
    similarity : numpy.ndarray
        (F, F) Pearson's correlation of the filters' class-wise CAR, over the classes with images;
        NaN for a filter that was not measured, or whose CAR is the same in every class.
    moved : numpy.ndarray
        (F,) in how many classes CAR is not zero; NaN for a filter that was not measured.

    Raises
    ------
    ValueError
        If a filter is none of the bank, or fewer than three classes have images.
    """
    if table.filters.min() < 0 or table.filters.max() >= count:
        raise ValueError(
            f"The CarTable is of the same bank, whose filters are 0 to {count - 1}; found filters "
            f"{table.filters.min()} to {table.filters.max()}."
        )
    rows = table.class_car[:, table.class_images > 0]
    if rows.shape[1] < LEAST_CLASSES:
        raise ValueError(
            "What filters do to the classes is compared over three classes or more, for over two "
            f"every correlation is 1 or -1; found {rows.shape[1]} with images in the CarTable. "
            "Measure it on images of more classes."
        )
    moved = np.full(count, np.nan)
    moved[table.filters] = (rows != 0).sum(axis=1)
    similarity = np.full((count, count), np.nan)
    differs = rows.max(axis=1) > rows.min(axis=1)
    if differs.any():
        known = table.filters[differs]
        similarity[np.ix_(known, known)] = np.corrcoef(rows[differs])
    return tidy(similarity), moved
