"""The order in which filters were pruned, and what was left of the accuracy after each."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from carviz.checks import check_whole
from carviz.results.chance.color_count import count_color
from carviz.results.class_names import shown_names
from carviz.results.record import Record
from carviz.results.selectivity_table import SelectivityTable
from carviz.results.statistics import paired_columns

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclasses.dataclass(frozen=True, eq=False)
class PruningPath(Record):
    """The order in which filters were pruned, and what was left of the accuracy after each.

    Step s (from 1) prunes one filter more; place 0 of what has n+1 entries is the whole network.
    With criterion "car" each step takes the filter whose removal, from the network as pruned so
    far, leaves most accuracy; equal ones go by bank as given, then by the lowest number
    (Abbasi-Asl and Yu, arXiv 1711.02329, section 2).

    Parameters
    ----------
    criterion
        What ordered the filters: "car", or the name of a rival.
    banks
        B names of the banks that were pruned jointly, in the order given.
    bank_sizes
        (B,) how many filters each bank has.
    layers
        (n,) the bank of each pruned filter.
    order
        (n,) its number in that bank.
    classes
        K names, one a logit.
    targets
        (M,) true class of each image, in the data's own order.
    baseline
        (M,) class that the whole network predicts.
    predictions
        (n, M) class that the network predicts after each step.
    decided_by_tie
        (n,) whether another remaining filter would have left as many images right (criterion
        "car"), or has the same score (the rivals).
    evaluated
        (n,) how many (filter, image) pairs were run to find the step; 0 for the rivals, whose
        order is known beforehand.
    naive
        (n,) how many pairs a loop over every remaining filter would have run.

    Examples
    --------
    >>> path = PruningPath("car", banks=("conv",), bank_sizes=[3], layers=("conv", "conv"),
    ...     order=[2, 0], classes=("cat", "dog"), targets=[0, 1, 1], baseline=[0, 1, 0],
    ...     predictions=[[0, 1, 0], [0, 0, 0]], decided_by_tie=[False, True],
    ...     evaluated=[5, 4], naive=[9, 6])
    >>> path.accuracy.round(2).tolist(), path.lost(2).tolist()
    ([0.67, 0.67, 0.33], [0.0, 0.5])
    >>> path.at_or_above(0.5).pruned()
    {'conv': [2]}
    """

    criterion: str
    banks: tuple[str, ...]
    bank_sizes: Integers
    layers: tuple[str, ...]
    order: Integers
    classes: tuple[str, ...]
    targets: NDArray[np.int32]
    baseline: NDArray[np.int32]
    predictions: NDArray[np.int32]
    decided_by_tie: NDArray[np.bool_]
    evaluated: Integers
    naive: Integers

    _dtypes: ClassVar[Mapping[str, type]] = {
        "bank_sizes": np.int64,
        "order": np.int64,
        "targets": np.int32,
        "baseline": np.int32,
        "predictions": np.int32,
        "decided_by_tie": np.bool_,
        "evaluated": np.int64,
        "naive": np.int64,
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        n, M, K = len(self.order), len(self.targets), len(self.classes)
        if n == 0:  # an empty list has no second axis
            object.__setattr__(self, "predictions", np.zeros((0, M), np.int32))
        self._check_shapes(
            {
                "bank_sizes": (len(self.banks),), "order": (n,), "targets": (M,), "baseline": (M,),
                "predictions": (n, M), "decided_by_tie": (n,), "evaluated": (n,), "naive": (n,),
            }
        )  # fmt: skip
        if M == 0 or not self.banks:
            raise self._reject(
                "a path has an image and a bank at least", f"{M} and {len(self.banks)}"
            )
        for name in ("targets", "baseline", "predictions"):
            self._check_within("are classes", name, 0, K - 1)
        self._check_order()

    def _check_order(self) -> None:
        if len(set(self.banks)) < len(self.banks):
            raise self._reject("each bank is pruned once", str(list(self.banks)))
        self._check_within("are numbers of filters,", "bank_sizes", 1)
        sizes = dict(zip(self.banks, self.bank_sizes.tolist(), strict=True))
        if len(self.layers) != len(self.order):
            raise self._reject(f"`layers` has {len(self.order)} names", str(len(self.layers)))
        steps = self.steps
        wrong = [(bank, i) for bank, i in steps if not 0 <= i < sizes.get(bank, 0)]
        if wrong:
            raise self._reject("each pruned filter is one of its bank", str(wrong[0]))
        if len(set(steps)) != len(steps):
            raise self._reject("each filter is pruned once", "a repetition")
        naive = (self.filters - np.arange(len(steps))) * len(self.targets)
        if not np.array_equal(self.naive, naive):
            raise self._reject("`naive` is every image for every filter left", str(self.naive))
        if ((self.evaluated < 0) | (self.evaluated > naive)).any():
            raise self._reject("`evaluated` is from 0 to `naive`", str(self.evaluated))

    def __repr__(self) -> str:
        return (
            f"<PruningPath by {self.criterion} of {', '.join(map(repr, self.banks))}: "
            f"{len(self)} of {self.filters} filters, accuracy "
            f"{self.accuracy[0]:.3f} to {self.accuracy[-1]:.3f}>"
        )

    def __len__(self) -> int:
        """Return how many filters were pruned, n."""
        return len(self.order)

    @property
    def accuracy(self) -> Floats:
        """(n+1,) share of images that are right after each step."""
        return np.asarray(self._right.mean(axis=1))

    @property
    def class_accuracy(self) -> Floats:
        """(n+1, K) the same over the images of one class; NaN for a class without images."""
        member = self.targets[:, None] == np.arange(len(self.classes))
        count = member.sum(axis=0)
        with np.errstate(invalid="ignore"):
            return np.asarray(self._right.astype(float) @ member / count)

    @property
    def tie_share(self) -> float:
        """Share of the steps that a tie decided; NaN for a path without steps."""
        return float(self.decided_by_tie.mean()) if len(self) else float("nan")

    @property
    def _right(self) -> NDArray[np.bool_]:
        return np.asarray(np.vstack([self.baseline, self.predictions]) == self.targets)

    @property
    def filters(self) -> int:
        """How many filters the banks have together."""
        return int(self.bank_sizes.sum())

    @property
    def steps(self) -> list[tuple[str, int]]:
        """(n,) each pruned filter as (bank, number), in the order in which they went."""
        return list(zip(self.layers, self.order.tolist(), strict=True))

    @property
    def one_answer(self) -> float:
        """Accuracy of whoever answers the commonest class always, whatever the image."""
        return float(np.bincount(self.targets).max() / len(self.targets))

    def lost(self, count: int) -> Floats:
        """Return what each class has lost after `count` filters: (K,), NaN without images."""
        accuracy = self.class_accuracy
        return np.asarray(accuracy[0] - accuracy[self._checked(count)])

    def lost_classes(self, count: int, k: int | None = None) -> pd.DataFrame:
        """Return the classes by what they have lost after `count` filters, most first.

        Parameters
        ----------
        count
            How many filters are pruned.
        k
            How many classes at most; None for all that have images.

        Returns
        -------
        pandas.DataFrame
            class; car, what the class has lost, a fraction; before and after, its accuracies;
            lost, gained and images, the counts behind them; low and high, the 95% interval (Agresti
            and Min); p_value, the exact sign test, and q_value, adjusted over all classes with
            images; tied, whether another class has the same car; number, the class's. A name that
            several classes have is shown with the number. Ties keep the classes' order.
        """
        import pandas as pd

        frame = pd.DataFrame(self.lost_columns(count))
        return frame.head(len(frame) if k is None else k)

    def lost_columns(self, count: int) -> dict[str, NDArray[Any]]:
        """Return the columns of `lost_classes`, without pandas; all classes that have images."""
        right = self._right
        then, now = right[0], right[self._checked(count)]
        names = shown_names(self.classes)
        shown, images = np.unique(self.targets, return_counts=True)
        before, after, lost, gained = (
            np.bincount(self.targets[facts], minlength=len(self.classes))[shown]
            for facts in (then, now, then & ~now, now & ~then)
        )
        columns = paired_columns(lost, gained, images)
        car = columns.pop("car")
        _, place, times = np.unique(car, return_inverse=True, return_counts=True)
        found = {
            "class": np.array([names[c] for c in shown], dtype=object),
            "car": car,
            "before": before / images,
            "after": after / images,
            **columns,
            "tied": times[place] > 1,
            "number": shown,
        }
        order = np.argsort(-car, kind="stable")
        return {name: column[order] for name, column in found.items()}

    def color_counts(
        self,
        selectivity: SelectivityTable | Mapping[str, SelectivityTable],
        counts: Sequence[int],
        *,
        faint: bool = True,
    ) -> pd.DataFrame:
        """Return how many of the first pruned filters select colour, beside chance.

        Parameters
        ----------
        selectivity
            The bank's `SelectivityTable`; of several banks a mapping from the bank's name.
        counts
            How many filters are taken as the first: a row each.
        faint
            Whether filters that training hardly shaped are counted.

        Returns
        -------
        pandas.DataFrame
            By "first pruned": color, how many of them select colour; share of them; chance, the
            banks' own share; low and high, between which 95% of blind draws lie; p_value, how
            likely a blind draw holds as many or more (the tail of the hypergeometric law). Dead
            filters are counted nowhere.
        """
        import pandas as pd

        single = isinstance(selectivity, SelectivityTable)
        kinds = {self.banks[0]: selectivity} if single else selectivity
        found = [
            count_color(self.steps[: self._checked(n)], kinds, faint=faint)  # type: ignore[arg-type]
            for n in counts
        ]
        rows = [(c.color, c.share, c.chance, *c.likely, c.p_value) for c in found]
        index = pd.Index(list(counts), name="first pruned")
        columns = ["color", "share", "chance", "low", "high", "p_value"]
        return pd.DataFrame(rows, index=index, columns=columns)

    def prefix(self, count: int) -> PruningPath:
        """Return the path cut short after `count` filters."""
        self._checked(count)
        names = ("layers", "order", "predictions", "decided_by_tie", "evaluated", "naive")
        return dataclasses.replace(self, **{name: getattr(self, name)[:count] for name in names})

    def at_or_above(self, floor: float) -> PruningPath:
        """Return the longest prefix on which no step falls below an accuracy.

        Raises
        ------
        ValueError
            If the whole network is below it already.
        """
        below = np.flatnonzero(self.accuracy < floor)
        if len(below) and below[0] == 0:
            raise ValueError(
                f"The floor is an accuracy that the whole network reaches, {self.accuracy[0]:.3f}; "
                f"found {floor}."
            )
        return self.prefix(int(below[0]) - 1 if len(below) else len(self))

    def pruned(self, count: int | None = None) -> dict[str, list[int]]:
        """Return the filters that are gone after `count` steps (None: all), by layer."""
        count = len(self) if count is None else self._checked(count)
        gone: dict[str, list[int]] = {}
        for layer, filter in zip(self.layers[:count], self.order[:count].tolist(), strict=True):
            gone.setdefault(layer, []).append(filter)
        return {layer: sorted(filters) for layer, filters in gone.items()}

    def to_frame(self) -> pd.DataFrame:
        """Return one row a step: its filter, what is left after it, how it was found.

        Returns
        -------
        pandas.DataFrame
            step, layer, filter, accuracy; beside the whole network car, the accuracy lost, with the
            counts lost, gained and images, the 95% interval low and high, p_value and q_value (over
            all steps); decided_by_tie, evaluated, naive.
        """
        import pandas as pd

        right = self._right
        lost, gained = (
            facts.sum(axis=1) for facts in (right[0] & ~right[1:], ~right[0] & right[1:])
        )
        return pd.DataFrame(
            {
                "step": np.arange(1, len(self) + 1),
                "layer": list(self.layers),
                "filter": self.order,
                "accuracy": self.accuracy[1:],
                **paired_columns(lost, gained, np.full(len(self), len(self.targets))),
                "decided_by_tie": self.decided_by_tie,
                "evaluated": self.evaluated,
                "naive": self.naive,
            }
        )

    def _checked(self, count: int) -> int:
        return check_whole(count, "count", 0, len(self), note="the filters that were pruned")
