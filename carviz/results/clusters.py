"""Filters of a bank in clusters of siblings, and which of each cluster a pruning leaves."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from carviz.results.chance.whole_clusters import beside_law, whole_law
from carviz.results.filter_numbers import pruned_filters
from carviz.results.pruning_path import PruningPath

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclasses.dataclass(frozen=True, eq=False)
class Clusters:
    """A bank's filters in clusters of siblings, each filter in one of them.

    Parameters
    ----------
    layer
        The bank's name.
    by
        What makes two filters alike: "weights", "activation" or "classes".
    threshold
        The likeness at which the tree is cut.
    order
        (F,) filter numbers in the order of the tree's leaves, in which neighbours are as alike as
        the tree allows; filters without a likeness come last, by number.
    label
        (F,) number of each filter's cluster, from 1: in the order of the leaves those with two
        filters or more, then those with one. A filter without a likeness is alone, at the end.
    leaves
        (n,) the filters that have a likeness: the tree's leaves.
    linkage
        (n - 1, 4) the tree, as scipy writes it: leaf i is filter ``leaves[i]``, and a height is
        1 minus the mean likeness between the filters of the two branches.
    """

    layer: str
    by: str
    threshold: float
    order: Integers
    label: Integers
    leaves: Integers
    linkage: Floats

    def __post_init__(self) -> None:
        for name in ("order", "label", "leaves", "linkage"):
            values = np.array(getattr(self, name))
            values.setflags(write=False)
            object.__setattr__(self, name, values)

    def __repr__(self) -> str:
        return (
            f"<Clusters of {self.layer!r} by {self.by}: {len(self.order)} filters, "
            f"{len(self.shared())} clusters of two or more, {self.single} filters alone>"
        )

    @property
    def members(self) -> dict[int, list[int]]:
        """Filter numbers of each cluster by its number, each in the order of the leaves."""
        found: dict[int, list[int]] = {}
        for filter in self.order.tolist():
            found.setdefault(int(self.label[filter]), []).append(filter)
        return dict(sorted(found.items()))

    def shared(self) -> dict[int, list[int]]:
        """Return the clusters with two filters or more, as `members` does."""
        return {label: filters for label, filters in self.members.items() if len(filters) > 1}

    @property
    def single(self) -> int:
        """How many filters are alone in their cluster."""
        return int((np.bincount(self.label) == 1).sum())

    def likeness(self) -> dict[int, float]:
        """Return the mean likeness over all pairs of each cluster with two filters or more."""
        n = len(self.leaves)
        branches = {i: [filter] for i, filter in enumerate(self.leaves.tolist())}
        total: dict[int, float] = {}
        pairs: dict[int, int] = {}
        for i, (one, other, height, _) in enumerate(self.linkage.tolist()):
            a, b = branches[int(one)], branches[int(other)]
            branches[n + i] = a + b
            label = int(self.label[a[0]])
            if label == self.label[b[0]]:
                total[label] = total.get(label, 0.0) + (1 - height) * len(a) * len(b)
                pairs[label] = pairs.get(label, 0) + len(a) * len(b)
        return {label: total[label] / pairs[label] for label in sorted(total)}

    def to_frame(self) -> pd.DataFrame:
        """Return one row a cluster: cluster, filters, size, likeness (NaN for a filter alone)."""
        import pandas as pd

        likeness = self.likeness()
        members = self.members
        return pd.DataFrame(
            {
                "cluster": list(members),
                "filters": list(members.values()),
                "size": [len(filters) for filters in members.values()],
                "likeness": [likeness.get(label, np.nan) for label in members],
            }
        )

    def survivors(self, pruned: PruningPath | Iterable[int]) -> pd.DataFrame:
        """Return which filters of each cluster with two or more a pruning left.

        Parameters
        ----------
        pruned
            A `PruningPath` whose banks include this one, or numbers of the pruned filters in the
            order in which they went.

        Returns
        -------
        pandas.DataFrame
            One row a cluster: cluster; filters; pruned, in the order in which they went; left;
            until, how many filters of the bank were pruned when the last of the cluster went
            (missing where one is left, so that at any earlier number one was left too); chance,
            how likely as many filters drawn blindly from the whole bank leave one at least (the
            hypergeometric law).

        Raises
        ------
        TypeError, ValueError
            If `pruned` is not of this bank.
        """
        import pandas as pd
        from scipy.stats import hypergeom

        gone = pruned_filters(pruned, self.layer, len(self.order))
        place = {filter: i for i, filter in enumerate(gone, 1)}
        rows = []
        for label, filters in self.shared().items():
            its = sorted((i for i in filters if i in place), key=lambda i: place[i])
            left = [i for i in filters if i not in place]
            until = None if left else place[its[-1]]
            size = len(filters)
            chance = 1 - float(hypergeom.pmf(size, len(self.order), size, len(gone)))
            rows.append((label, filters, its, left, until, chance))
        columns = ["cluster", "filters", "pruned", "left", "until", "chance"]
        return pd.DataFrame(rows, columns=columns).astype({"until": "Int64"})

    def beside_chance(
        self, pruned: PruningPath | Iterable[int], counts: Sequence[int] | None = None
    ) -> pd.DataFrame:
        """Return how many clusters keep a filter as pruning goes on, beside blind draws.

        Where pruning leaves one filter of each kind, more clusters keep one than when as many
        filters are drawn blindly. Any pruning leaves one in most clusters as long as it is short,
        so that only the comparison says something.

        Parameters
        ----------
        pruned
            As in `survivors`.
        counts
            After how many pruned filters of this bank: a row each. None for each number.

        Returns
        -------
        pandas.DataFrame
            By "pruned": left, how many of the clusters with two filters or more keep one at least;
            share of them; chance, the share that blind draws keep on average; low and high,
            between which 95% of blind draws lie; p_value, how likely a blind draw keeps as many
            or more. The law of blind draws from the whole bank is exact, nothing is drawn.

        Raises
        ------
        TypeError, ValueError
            If `pruned` is not of this bank, fewer filters were pruned than a count, or no cluster
            has two filters.
        """
        import pandas as pd

        gone = pruned_filters(pruned, self.layer, len(self.order))
        counts = list(range(len(gone) + 1)) if counts is None else list(counts)
        wrong = [count for count in counts if not 0 <= count <= len(gone)]
        if wrong:
            raise ValueError(
                f"counts are 0 to {len(gone)}, the filters of {self.layer!r} that were pruned; "
                f"found {wrong[0]}."
            )
        shared = list(self.shared().values())
        if not shared:
            raise ValueError(
                "Clusters with two filters or more are set beside chance; found none at a likeness "
                f"of {self.threshold:g}. Cut at a lower threshold."
            )
        law = whole_law([len(filters) for filters in shared], len(self.order))
        rows = []
        for count in counts:
            lost = sum(set(filters) <= set(gone[:count]) for filters in shared)
            rows.append((len(shared) - lost, *beside_law(law[count], lost)))
        columns = ["left", "share", "chance", "low", "high", "p_value"]
        return pd.DataFrame(rows, index=pd.Index(counts, name="pruned"), columns=columns)
