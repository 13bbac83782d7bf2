"""Filters removed one after another by their importance: up, down, and in random orders."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from carviz.results.random_band import RandomBand
from carviz.results.record import Record

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
HELD = ("held_up", "held_down", "held_random")


def _none(axes: int = 1) -> NDArray[Any]:
    """Return an array without entries: of images where none were held out."""
    return np.zeros((0,) * axes, np.int32)


@dataclasses.dataclass(frozen=True, eq=False)
class Curves:
    """The three curves on one set of images.

    Parameters
    ----------
    up, down
        (n+1,) accuracy after each step, the least important filters first, and the most important.
    band
        The same in random orders.
    one_answer
        Accuracy of whoever answers the commonest class always, whatever the image.
    """

    up: Floats
    down: Floats
    band: RandomBand
    one_answer: float

    @property
    def images(self) -> int:
        """How many images there are."""
        return self.band.images

    @property
    def random(self) -> Floats:
        """(D, n+1) accuracy after each step of each random order."""
        return self.band.accuracy

    @property
    def area_up(self) -> float:
        """Area under the curve up: its mean accuracy over all places."""
        return float(self.up.mean())

    @property
    def area_down(self) -> float:
        """Area under the curve down: its mean accuracy over all places."""
        return float(self.down.mean())

    def above(self, area: float) -> int:
        """Return how many of the random orders have a smaller area than this."""
        return int((self.band.areas < area - 1e-12).sum())


@dataclasses.dataclass(frozen=True, eq=False)
class CumulativeTable(Record):
    """Filters removed one after another by their importance: up, down, and in random orders.

    The filters were ranked once. Up removes the least important first, down goes the same order
    backwards, and random orders are drawn beside them (Morcos and others, arXiv 1803.06959).
    A good measure of importance holds the accuracy up above the band of random orders, and lets it
    fall below the band down. Place 0 of what has n+1 entries is the whole network.

    Parameters
    ----------
    criterion
        What ranked the filters.
    banks
        B names of the banks whose filters go.
    bank_sizes
        (B,) how many filters each bank has.
    layers
        (F,) the bank of each filter, the least important first.
    order
        (F,) its number in that bank.
    seed
        Of the random orders; see `RandomBand`.
    targets
        (M,) true class of each image.
    right_up, right_down
        (n+1,) how many images are right after each step.
    random_orders
        (D, n) the filters that go in each random order, as places among all filters, bank after
        bank as in `banks`.
    right_random
        (D, n+1) how many images are right after each of their steps.
    held_targets
        (H,) true class of each held-out image; empty where none were held out.
    held_up, held_down, held_random
        The counts of right images among those, in the very same orders.

    Examples
    --------
    >>> table = CumulativeTable("l1", banks=("conv",), bank_sizes=[2], layers=("conv", "conv"),
    ...     order=[1, 0], seed=0, targets=[0, 0, 1, 1], right_up=[4, 4, 2],
    ...     right_down=[4, 2, 2], random_orders=[[0, 1], [1, 0]],
    ...     right_random=[[4, 2, 2], [4, 4, 2]])
    >>> table.up.tolist(), table.lowest.tolist()
    ([1.0, 1.0, 0.5], [1.0, 0.5, 0.5])
    >>> table.areas()[["area", "above", "draws"]].round(2).to_dict("index")["up"]
    {'area': 0.83, 'above': 1, 'draws': 2}
    """

    criterion: str
    banks: tuple[str, ...]
    bank_sizes: Integers
    layers: tuple[str, ...]
    order: Integers
    seed: int
    targets: NDArray[np.int32]
    right_up: Integers
    right_down: Integers
    random_orders: NDArray[np.int32]
    right_random: Integers
    held_targets: NDArray[np.int32] = dataclasses.field(default_factory=_none)
    held_up: Integers = dataclasses.field(default_factory=_none)
    held_down: Integers = dataclasses.field(default_factory=_none)
    held_random: Integers = dataclasses.field(default_factory=lambda: _none(2))

    _dtypes: ClassVar[Mapping[str, type]] = {
        "bank_sizes": np.int64,
        "order": np.int64,
        "targets": np.int32,
        "right_up": np.int64,
        "right_down": np.int64,
        "random_orders": np.int32,
        "right_random": np.int64,
        "held_targets": np.int32,
        "held_up": np.int64,
        "held_down": np.int64,
        "held_random": np.int64,
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        F, n, D = len(self.order), len(self.right_up) - 1, len(self.random_orders)
        M, H = len(self.targets), len(self.held_targets)
        held = (n + 1, D) if H else (0, 0)
        self._check_shapes(
            {
                "bank_sizes": (len(self.banks),), "order": (F,), "targets": (M,),
                "right_up": (n + 1,), "right_down": (n + 1,), "random_orders": (D, n),
                "right_random": (D, n + 1), "held_targets": (H,), "held_up": held[:1],
                "held_down": held[:1], "held_random": held[::-1],
            }
        )  # fmt: skip
        if M == 0 or D == 0:
            raise self._reject("there are an image and a random order at least", f"{M} and {D}")
        if not 0 <= n <= F:
            raise self._reject(f"curves have 1 to {F + 1} places, of {F} filters", str(n + 1))
        self._check_order()
        self._check_counts(("right_up", "right_down", "right_random"), M)
        if H:
            self._check_counts(HELD, H)

    def _check_order(self) -> None:
        F = len(self.order)
        sizes = dict(zip(self.banks, self.bank_sizes.tolist(), strict=True))
        every = {(bank, i) for bank, size in sizes.items() for i in range(size)}
        if len(self.layers) != F or len(every) != F or set(self.filters_up) != every:
            raise self._reject("the order names each filter of the banks once", f"{F} names")
        self._check_within("are places of filters,", "random_orders", 0, F - 1)
        if any(len(set(drawn)) < len(drawn) for drawn in self.random_orders.tolist()):
            raise self._reject("a random order names a filter once", "a repetition")

    def _check_counts(self, names: tuple[str, ...], images: int) -> None:
        for name in names:
            self._check_within("are counts of images,", name, 0, images)
        up, down, drawn = (getattr(self, name) for name in names)
        if {up[0], down[0], *drawn[:, 0].tolist()} != {up[0]}:
            raise self._reject("all curves begin with the same network", "others")

    def __repr__(self) -> str:
        curves = self.curves
        held = f", {len(self.held_targets)} held-out images" if self.held_out else ""
        return (
            f"<CumulativeTable by {self.criterion} of {', '.join(map(repr, self.banks))}: "
            f"{len(self)} of {len(self.order)} filters, area up {curves.area_up:.3f}, down "
            f"{curves.area_down:.3f}, random {curves.band.areas.mean():.3f} "
            f"({len(curves.band)} draws){held}>"
        )

    def __len__(self) -> int:
        """Return how many filters each curve removes, n."""
        return len(self.right_up) - 1

    @property
    def filters_up(self) -> list[tuple[str, int]]:
        """(F,) each filter as (bank, number), the least important first."""
        return list(zip(self.layers, self.order.tolist(), strict=True))

    @cached_property
    def curves(self) -> Curves:
        """The curves on the images that the ranking comes from, where it comes from images."""
        return self._curves(self.targets, self.right_up, self.right_down, self.right_random)

    @cached_property
    def held_out(self) -> Curves | None:
        """The curves on images that were held out; None where none were."""
        if not len(self.held_targets):
            return None
        return self._curves(self.held_targets, self.held_up, self.held_down, self.held_random)

    def _curves(
        self, targets: NDArray[np.int32], up: Integers, down: Integers, drawn: Integers
    ) -> Curves:
        M = len(targets)
        one = float(np.bincount(targets).max() / M)
        return Curves(up / M, down / M, RandomBand(drawn, M, self.seed), one)

    @property
    def up(self) -> Floats:
        """(n+1,) accuracy after each step, the least important filters first."""
        return self.curves.up

    @property
    def down(self) -> Floats:
        """(n+1,) accuracy after each step, the most important filters first."""
        return self.curves.down

    @property
    def random(self) -> Floats:
        """(D, n+1) accuracy after each step of each random order."""
        return self.curves.random

    @property
    def mean(self) -> Floats:
        """(n+1,) mean of the random orders at each step."""
        return self.curves.band.mean

    @property
    def lowest(self) -> Floats:
        """(n+1,) lowest of the random orders at each step."""
        return self.curves.band.lowest

    @property
    def highest(self) -> Floats:
        """(n+1,) highest of the random orders at each step."""
        return self.curves.band.highest

    @property
    def chosen_on(self) -> str:
        """Whose images ranked the filters: "these images", "other images", "no images", "unknown".

        Where it is "these images", the curves of `up` and `down` are told on the very images that
        the ranking was chosen on, and are better than on others; `held_out` has them on others.
        """
        return str(self.passport.get("chosen_on", "unknown"))

    def areas(self) -> pd.DataFrame:
        """Return the area under each curve, and where it lies among the random orders.

        Returns
        -------
        pandas.DataFrame
            By curve, "up", "down", and where images are held out "up, held out" and "down, held
            out": area, the mean accuracy over all places; random, the mean of the random orders'
            areas, with lowest and highest; above, how many of them have a smaller area; draws, how
            many there are; images.
        """
        import pandas as pd

        sets = [("", self.curves)] + ([(", held out", self.held_out)] if self.held_out else [])
        rows: dict[str, dict[str, Any]] = {}
        for more, curves in sets:
            drawn = curves.band.areas
            for name, area in (("up", curves.area_up), ("down", curves.area_down)):
                rows[name + more] = {
                    "area": area,
                    "random": float(drawn.mean()),
                    "lowest": float(drawn.min()),
                    "highest": float(drawn.max()),
                    "above": curves.above(area),
                    "draws": len(drawn),
                    "images": curves.images,
                }
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("curve")

    def to_frame(self) -> pd.DataFrame:
        """Return one row a place: the filter that went, and what is left on each curve.

        Returns
        -------
        pandas.DataFrame
            step; layer_up, filter_up, layer_down, filter_down, what went last (none at step 0);
            up, down; of the random orders mean, lowest, highest, and low and high, their 5% and 95%
            quantiles; where images are held out the seven again as "held_out_up" and so on.
        """
        import pandas as pd

        n = len(self)
        steps = self.filters_up
        frame: dict[str, Any] = {"step": np.arange(n + 1)}
        for name, gone in (("up", steps[:n]), ("down", steps[::-1][:n])):
            frame[f"layer_{name}"] = ["", *(bank for bank, _ in gone)]
            frame[f"filter_{name}"] = pd.array([None, *(i for _, i in gone)], dtype="Int64")
        frame |= _columns(self.curves, "")
        if self.held_out is not None:
            frame |= _columns(self.held_out, "held_out_")
        return pd.DataFrame(frame)


def _columns(curves: Curves, before: str) -> dict[str, Floats]:
    band = curves.band
    names = ("mean", "lowest", "highest", "low", "high")
    found = {"up": curves.up, "down": curves.down, **{n: getattr(band, n) for n in names}}
    return {before + name: column for name, column in found.items()}
