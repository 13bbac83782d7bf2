"""Which filters do one another's work: the record that `measure_pairs` returns."""

from __future__ import annotations

import dataclasses
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from carviz.results.ablations import Floats, Integers
from carviz.results.cluster_tree import cluster
from carviz.results.joint_table import JointTable
from carviz.results.statistics import SIGNIFICANT

if TYPE_CHECKING:
    import pandas as pd

REDUNDANCY, COMPENSATION, CHANCE = "redundancy", "compensation", "not told apart from chance"


@dataclasses.dataclass(frozen=True, eq=False)
class PairTable(JointTable):
    """What a network loses without two filters together, beside each alone.

    interaction = CAR(i and j) - CAR(i) - CAR(j). Above 0 the two are worse off together than the
    sum says: one did the other's work while that was gone (redundancy). Below 0 the loss of one
    makes up for the loss of the other, or both spoil the same images (compensation). What is told
    apart from chance has a q of 0.05 or below, over all pairs of the call; an interval may
    hold 0 there, as in `JointTable`, whose facts these are: of sets of two filters of one bank.

    Examples
    --------
    >>> table = PairTable("conv", banks=("conv",), bank=[0, 0], filters=[3, 5], members=[0, 1],
    ...     sizes=[2], classes=("cat", "dog"), images=[0, 1, 2], targets=[0, 1, 1],
    ...     baseline=[0, 1, 0], predictions=[[1, 0, 0]], image_log_prob_drop=[[1.0, 2.0, 0.0]],
    ...     single_predictions=[[0, 1, 0], [1, 1, 0]],
    ...     single_image_log_prob_drop=[[0.1, 0.0, 0.0], [0.8, 0.1, 0.0]])
    >>> table.pairs.tolist(), table.interaction.round(2).tolist(), table.kind.tolist()
    ([[3, 5]], [0.33], ['not told apart from chance'])
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.banks != (self.layer,):  # a network that is a convolution itself has the name ''
            raise self._reject("pairs are of one bank", f"{len(self.banks)} banks")
        if (self.sizes != 2).any():
            sizes = sorted(set(self.sizes.tolist()))
            raise self._reject("a pair has two filters", f"sets of {sizes}")

    def __repr__(self) -> str:
        return (
            f"<PairTable of {self.layer!r}: {len(self):,} pair{'s' * (len(self) > 1)} of "
            f"{len(self.filters)} filters, "
            f"{len(self.images):,} image{'s' * (len(self.images) != 1)}, "
            f"accuracy {self.accuracy:.3f}>"
        )

    @cached_property
    def pairs(self) -> Integers:
        """(P, 2) the filters' numbers."""
        return np.asarray(self.filters[self.members].reshape(-1, 2))

    @property
    def interaction(self) -> Floats:
        """(P,) CAR of both together less the CARs of each alone."""
        return self.excess

    @property
    def log_prob_interaction(self) -> Floats:
        """(P,) the same of the fall of log p, in nats."""
        return self.log_prob_excess

    @cached_property
    def kind(self) -> NDArray[np.str_]:
        """(P,) "redundancy", "compensation" or "not told apart from chance", by accuracy."""
        return _kinds(self.excess, self.q_value)

    @cached_property
    def log_prob_kind(self) -> NDArray[np.str_]:
        """(P,) the same by log p."""
        return _kinds(self.log_prob_excess, self.log_prob_q_value)

    def matrix(self, values: Floats) -> Floats:
        """Return (F, F) what is told of each pair, (P,) given; NaN where it was not measured."""
        square = np.full((len(self.filters), len(self.filters)), np.nan)
        one, other = self.members.reshape(-1, 2).T
        square[one, other] = square[other, one] = values
        return square

    def map_order(self, values: Floats) -> Integers:
        """Return places in `filters` in the order of a tree that joins the largest values first.

        Parameters
        ----------
        values
            (P,) what is told of each pair: the interaction.
        """
        square = self.matrix(values)
        most = float(np.nanmax(np.abs(square)))
        likeness = np.nan_to_num(square / most if most else square)
        np.fill_diagonal(likeness, 1.0)
        return cluster(self.layer, "interaction", likeness).order

    def to_frame(self) -> pd.DataFrame:
        """Return the numbers as a table, one row a pair.

        Returns
        -------
        pandas.DataFrame
            filter, other, kind, car_filter and car_other (of each alone), car (of both together),
            lost, gained, images, sum_of_cars, interaction, low, high, p_value, q_value (over all
            pairs), and for log p log_prob_drop, sum_of_log_prob_drops, log_prob_interaction,
            log_prob_low, log_prob_high, log_prob_p_value, log_prob_q_value, log_prob_kind.
        """
        import pandas as pd

        one, other = self.members.reshape(-1, 2).T
        return pd.DataFrame(
            {
                "filter": self.filters[one],
                "other": self.filters[other],
                "kind": self.kind,
                "car_filter": self.single_car[one],
                "car_other": self.single_car[other],
                **self._columns("interaction"),
                "log_prob_kind": self.log_prob_kind,
            }
        )


def _kinds(excess: Floats, q_value: Floats) -> NDArray[np.str_]:
    told = q_value <= SIGNIFICANT
    return np.where(
        told & (excess > 0), REDUNDANCY, np.where(told & (excess < 0), COMPENSATION, CHANCE)
    )
