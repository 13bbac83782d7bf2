"""The classes that a filter matters to, at both ends, and how much can be said of the rest."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from carviz.checks import check_whole
from carviz.results.filter_summary import ClassSummary, class_columns, make_classes
from carviz.results.statistics import SIGNIFICANT

FEW = 10
"""With a median of fewer images a class, one image that changes looks like a large change."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClassEnds:
    """Which classes a filter matters to; those without images count nowhere.

    Parameters
    ----------
    hurt
        Classes of CAR above 0, the highest first.
    helped
        Classes of CAR below 0, the lowest first.
    least
        Where every class is hurt, those that are hurt least, the lowest CAR first; else none.
    careful
        Whether few or no classes can be told from chance, so that each end goes by that end of the
        interval that is nearer to zero: a CAR of 1 over one image says less than 0.5 over ten.
    sure
        Classes of q ≤ 0.05.
    unchanged, balanced
        Classes of CAR 0: without an image lost or gained, and with as many lost as gained.
    fewest, most
        Images a class.
    """

    hurt: tuple[ClassSummary, ...]
    helped: tuple[ClassSummary, ...]
    least: tuple[ClassSummary, ...]
    careful: bool
    sure: int
    unchanged: int
    balanced: int
    fewest: int
    most: int


def class_ends(table: Any, filter: int, k: int) -> ClassEnds:
    """Return the classes that one filter of a `CarTable` matters to, `k` at each end at most."""
    k = check_whole(k, "k", what="the number of classes wanted")
    columns = class_columns(table, filter)
    images, car = columns["images"], columns["car"]
    counted = images > 0
    sure = int((columns["q_value"][counted] <= SIGNIFICANT).sum())
    careful = sure == 0 or bool(np.median(images[counted]) < FEW)
    still = counted & (columns["lost"] == 0) & (columns["gained"] == 0)
    balanced = int((counted & ~still & (car == 0)).sum())

    def end(sign: int, among: Any) -> tuple[ClassSummary, ...]:
        return make_classes(table, columns, sign, k, among, careful=careful)

    all_hurt = bool((car[counted] > 0).all())
    return ClassEnds(
        hurt=end(1, car > 0),
        helped=end(-1, car < 0),
        least=end(-1, car > 0) if all_hurt else (),
        careful=careful,
        sure=sure,
        unchanged=int(still.sum()),
        balanced=balanced,
        fewest=int(images[counted].min()),
        most=int(images[counted].max()),
    )
