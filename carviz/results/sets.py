"""A set of filters as if it were one filter: its classes and images are told as a filter's."""

from __future__ import annotations

import numpy as np

from carviz.results.car_table import CarTable
from carviz.results.joint_table import JointTable


def as_one_filter(table: JointTable, row: int) -> CarTable:
    """Return the CAR table of a set that is removed as a whole; in it the set is filter 0.

    Parameters
    ----------
    table
        What was measured.
    row
        Which of its sets.
    """
    falls, targets = table.image_log_prob_drop[row], table.targets
    images = np.bincount(targets, minlength=len(table.classes))
    sums = np.bincount(targets, falls.astype(np.float64), minlength=len(table.classes))
    with np.errstate(invalid="ignore"):  # a class without images has no mean: NaN
        mean = sums / images
    return CarTable(
        table.layer or " + ".join(table.banks),
        filters=np.zeros(1, np.int64),
        classes=table.classes,
        images=table.images,
        total=len(table.images),
        targets=targets,
        baseline=table.baseline,
        predictions=table.predictions[row : row + 1],
        log_prob_drop=mean[None],
        image_log_prob_drop=falls[None],
        passport=table.passport,
    )
