"""A set of filters: as if it were one filter, and which images it costs beyond its members."""

from __future__ import annotations

import dataclasses

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


@dataclasses.dataclass(frozen=True)
class Beyond:
    """Images that make the excess of a set: what it does to them beyond its members, one by one.

    ``excess`` × images is stood_in + too_much - shared - made_up - won_together. An image counts as
    often as the set does more, or less, to it than its members do, summed up; of those of
    `stood_in` that is once.

    Parameters
    ----------
    stood_in
        Lost without the set, and without none of its members alone: another one did the work.
    too_much
        Gained without members, and less often without the set: they spoil the same images, or the
        network does without the one but not without all.
    shared
        Lost without several members, and so only once with the set.
    made_up
        Lost without a member, and not without the set: the others' loss makes up for it.
    won_together
        Gained without the set, and less often without its members.
    """

    stood_in: int
    too_much: int
    shared: int
    made_up: int
    won_together: int

    @property
    def more(self) -> str:
        """Which of the two makes a set cost more, mostly: "stood_in" or "too_much"."""
        return "stood_in" if self.stood_in >= self.too_much else "too_much"

    @property
    def less(self) -> str:
        """Which of the three makes a set cost less, mostly."""
        return max(("shared", "made_up", "won_together"), key=lambda name: getattr(self, name))


def beyond(table: JointTable, row: int) -> Beyond:
    """Return which images make the excess of one of a table's sets.

    Parameters
    ----------
    table
        What was measured.
    row
        Which of its sets.

    Examples
    --------
    >>> table = JointTable("conv", banks=("conv",), bank=[0, 0], filters=[3, 5], members=[0, 1],
    ...     sizes=[2], classes=("cat", "dog"), images=[0, 1], targets=[0, 1], baseline=[0, 1],
    ...     predictions=[[1, 0]], image_log_prob_drop=[[1.0, 1.0]],
    ...     single_predictions=[[0, 0], [0, 1]],
    ...     single_image_log_prob_drop=[[0.0, 1.0], [0.0, 0.0]])
    >>> beyond(table, 0)
    Beyond(stood_in=1, too_much=0, shared=0, made_up=0, won_together=0)
    """
    right = (table.baseline == table.targets).astype(np.int64)
    together = right - (table.predictions[row] == table.targets)
    members = table.rows[row]
    alone = right - (table.single_predictions[members] == table.targets)
    contrast = together - alone.sum(axis=0)
    above, below = np.maximum(contrast, 0), np.maximum(-contrast, 0)
    return Beyond(
        stood_in=int(above[together == 1].sum()),
        too_much=int(above[together < 1].sum()),
        shared=int(below[together == 1].sum()),
        made_up=int(below[together == 0].sum()),
        won_together=int(below[together == -1].sum()),
    )
