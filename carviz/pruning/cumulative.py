"""Cumulative curves: filters removed by their importance, up and down, beside random orders."""

from __future__ import annotations

import dataclasses
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from carviz.ablation import Run
from carviz.banks import Model
from carviz.car import SEED
from carviz.checks import check_whole, is_whole
from carviz.evaluate import Data, OutputKind, Progress, telling
from carviz.pruning.following import Follower, Order, RightImages
from carviz.pruning.front import Layers, check_count, check_seed, prepare_pruning
from carviz.pruning.given import GIVEN
from carviz.pruning.held_out import check_held_out
from carviz.pruning.kept import Baseline
from carviz.pruning.pruning import Pruning
from carviz.results import CumulativeTable, PruningPath, RandomBand

DRAWS, MOST_DRAWS = 20, 1000
"""Random orders: how many are drawn, and how many at most."""
BLIND = ("l1", "l2", "random")
"""Criteria that look at no image."""
RANKING = 0.3
"""The share of the progress that ranking the filters takes; greedy CAR takes more of the work."""


def measure_cumulative(
    model: Model,
    data: Data,
    layer: Layers,
    *,
    criterion: str = "car-once",
    draws: int = DRAWS,
    seed: int = SEED,
    count: int | None = None,
    order: PruningPath | Sequence[int] | None = None,
    held_out: Data | None = None,
    device: str | torch.device | None = None,
    progress: Progress = True,
    run: Run | None = None,
    answers: OutputKind | None = None,
) -> CumulativeTable:
    """Remove a bank's filters one after another by their importance: up, down, and at random.

    All filters are ranked once, by the criterion. Up removes the least important first, down the
    most important first, which is the same order backwards, and `draws` random orders show what no
    ranking at all does (Morcos and others, arXiv 1803.06959). Each order begins with the whole
    network, whose feature maps are computed once for all of them.

    It costs about as much as (draws + 2) × `count` filters of `carviz.plan_car`, with the held-out
    images as many more, and the ranking beside it.

    Parameters
    ----------
    model
        A `torch.nn.Module` that maps ``(image, channel, height, width)`` to logits. It is never
        touched.
    data
        A map-style Dataset or DataLoader of (image tensor, integer label), or a pair of tensors.
    layer
        The bank: a convolution's name, or the module itself. Of a list of them the filters are
        ranked, and go, jointly.
    criterion
        Any of `carviz.prune_filters`. "car" is greedy: up is its path, which is found step by step
        to its end whatever `count` says, and down goes that path backwards.
    draws
        How many random orders, 2 to 1,000. One more of them lies from lowest to highest at a step
        with (draws − 1)/(draws + 1): 90% where 20 are drawn, 82% for the ten of the explorer,
        where somebody waits for them.
    seed
        Of the random orders, and of the criterion "random".
    count
        How many filters go on each curve; None for all.
    order
        All filters, the least important first, instead of ranking any: numbers, of a single bank,
        or a path of `carviz.prune_filters`, as one that was chosen on other images.
    held_out
        Other images, on which the very same orders are followed; the ranking is `data`'s. Each is
        compared with those of `data`: any in both is refused. Without
        them a ranking that looks at images is told on those that it was chosen on, which flatters
        it: `CumulativeTable.chosen_on` says so, and so do the figures.
    device
        Where to run; None for where the model is.
    progress
        True for a progress bar; a function to be told the share done, 0 to 1, after every batch
        (what it raises ends it); False for silence.
    run
        How to run; None for the defaults. With `run.checkpoint` the ranking and every finished
        curve are kept: the same call resumes there, and so does one with more draws, or by another
        criterion, whose random orders are the same. It decides in float32, as pruning does.
    answers
        What the model gives, as in `carviz.measure_car`.

    Returns
    -------
    CumulativeTable

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind, or has a value that cannot be measured: the message
        says the rule, what was found, and the way out.

    Examples
    --------
    >>> import carviz
    >>> model, data = carviz.load_model("shapes"), carviz.load_data("shapes", limit=2)
    >>> table = carviz.measure_cumulative(
    ...     model, data, "features.0", criterion="l2", draws=2, count=4, progress=False
    ... )
    >>> table.order[:4].tolist(), table.random.shape, table.chosen_on
    ([0, 23, 17, 28], (2, 5), 'no images')
    """
    work = prepare_cumulative(
        model, data, layer, criterion=criterion, draws=draws, seed=seed, count=count, order=order,
        held_out=held_out, device=device, run=run, answers=answers,
    )  # fmt: skip
    remarks = dict.fromkeys(r for p in work.sets if (r := p.passport["remark"]))
    if remarks:
        warnings.warn(f"carviz: {' '.join(remarks)}", stacklevel=2)
    with telling(progress, work.words) as tell:
        return work.table(tell)


def prepare_cumulative(
    model: Model,
    data: Data,
    layer: Layers,
    *,
    criterion: str = "car-once",
    draws: int = DRAWS,
    seed: int = SEED,
    count: int | None = None,
    order: PruningPath | Sequence[int] | None = None,
    held_out: Data | None = None,
    device: str | torch.device | None = None,
    run: Run | None = None,
    answers: OutputKind | None = None,
) -> Cumulative:
    """Check everything, trace, and try the plans on a few images; nothing is removed yet.

    Arguments and errors are those of `measure_cumulative`. Tracing belongs into the caller's
    thread; `Cumulative.table` may run in any.
    """
    if order is not None and criterion == "car-once":
        criterion = "car"  # what `prune_filters` has where nothing is asked for
    pruning = prepare_pruning(
        model, data, layer, criterion=criterion, order=order, seed=seed, device=device, run=run,
        answers=answers,
    )  # fmt: skip
    filters = sum(len(bank.filters) for bank in pruning.banks)
    if pruning.count < filters:
        raise ValueError(
            "order names every filter of the banks, the least important first, since the curve "
            f"down begins at its end; found {pruning.count} of {filters}. Give a whole path or "
            "order, and stop the curves early by count=."
        )
    check_count(count, filters)
    count = filters if count is None else count
    check_draws(draws, count, len(pruning.banks[0].images))
    other = None
    if held_out is not None:
        layers = [bank.layer for bank in pruning.banks]
        other = prepare_pruning(
            pruning.network, held_out, layers, criterion="l1" if criterion == "l1" else "random",
            device=device, run=run, answers=answers,
        )  # fmt: skip
        _check_held_out(pruning, other)
    return Cumulative(pruning, other, count, draws, seed)


@dataclasses.dataclass(eq=False)
class Cumulative:
    """Cumulative curves that are ready to be measured, in any thread.

    Parameters
    ----------
    pruning
        What ranks the filters, and the images that it is told on.
    other
        The held-out images; None for none.
    count
        How many filters go.
    draws, seed
        How many random orders are followed, and what they are drawn by.
    """

    pruning: Pruning
    other: Pruning | None
    count: int
    draws: int
    seed: int

    @property
    def sets(self) -> list[Pruning]:
        """Each set of images, ready to be pruned on."""
        return [self.pruning] + ([self.other] if self.other is not None else [])

    @property
    def words(self) -> str:
        """What is done, and how much."""
        layers = ", ".join(bank.layer for bank in self.pruning.banks)
        images = " + ".join(f"{len(p.banks[0].images):,}" for p in self.sets)
        return (
            f"Removing {layers} by {self.pruning.criterion}: {self.draws + 2} orders × "
            f"{self.count} filters × {images} images"
        )

    def table(self, progress: Callable[[float], None]) -> CumulativeTable:
        """Rank the filters, follow all orders on all images, and return the table."""
        up = rank_filters(self.pruning, lambda share: progress(RANKING * share))
        filters = len(up)
        drawn = random_orders(filters, self.draws, self.seed)[:, : self.count]
        orders = [up[: self.count], up[::-1][: self.count], *drawn]
        told: list[tuple[Baseline, NDArray[np.int64]]] = []
        for place, pruning in enumerate(self.sets):

            def tell(share: float, place: int = place) -> None:
                part = (place + share) / len(self.sets)
                progress(RANKING + (1 - RANKING) * part)

            follower = Follower(pruning, "held out" if place else "")
            whole = follower.whole(lambda: tell(0.0))
            curves = [curve.right for curve in follow(follower, orders, tell)]
            told.append((whole, np.asarray(curves)))
        progress(1.0)
        return self._table(up, drawn, told)

    def _table(
        self, up: Order, drawn: NDArray[np.int64], told: list[tuple[Baseline, NDArray[np.int64]]]
    ) -> CumulativeTable:
        banks = self.pruning.banks
        every = [(bank.layer, i) for bank in banks for i in bank.filters]
        steps = [every[place] for place in up.tolist()]
        held: dict[str, Any] = {}
        if self.other is not None:
            whole, right = told[1]
            held = {
                "held_targets": whole.targets, "held_up": right[0], "held_down": right[1],
                "held_random": right[2:],
            }  # fmt: skip
        whole, right = told[0]
        return CumulativeTable(
            self.pruning.criterion,
            banks=tuple(bank.layer for bank in banks),
            bank_sizes=np.asarray([len(bank.filters) for bank in banks]),
            layers=tuple(bank for bank, _ in steps),
            order=np.asarray([i for _, i in steps], np.int64),
            seed=self.seed,
            targets=whole.targets.astype(np.int32),
            right_up=right[0],
            right_down=right[1],
            random_orders=drawn.astype(np.int32),
            right_random=right[2:],
            passport=self._passport(),
            **held,
        )

    def _passport(self) -> dict[str, Any]:
        more: dict[str, Any] = {"draws": self.draws, "seed": self.seed, "count": self.count}
        more["chosen_on"] = chosen_on(self.pruning)
        if self.other is not None:
            found = self.other.passport
            more["held_out"] = {name: found[name] for name in ("data", "images") if name in found}
        return {**self.pruning.passport, **more}


def follow(
    follower: Follower, orders: Sequence[Order], tell: Callable[[float], None]
) -> Iterator[RightImages]:
    """Yield the curve of each order; the reference looks at the first three, half-way.

    `tell` is told the share of all orders that is done.
    """
    for place, order in enumerate(orders):

        def part(share: float, place: int = place) -> None:
            tell((place + share) / len(orders))

        yield follower.curve(np.ascontiguousarray(order), part, check=place < 3)


def iter_bands(
    pruning: Pruning, count: int, draws: int, seed: int, tell: Callable[[float], None]
) -> Iterator[RandomBand]:
    """Yield the band of two random orders, and then of ever more; closing the iterator cancels.

    `tell` is told the share done, 0 to 1, after every batch; what it raises ends it.
    """
    filters = sum(len(bank.filters) for bank in pruning.banks)
    orders = random_orders(filters, draws, seed)[:, :count]
    right = []
    for curve in follow(Follower(pruning), list(orders), tell):
        right.append(curve.right)
        if len(right) > 1:
            yield RandomBand(np.asarray(right), len(pruning.banks[0].images), seed)


def measure_band(
    model: Model,
    data: Data,
    layer: Layers,
    *,
    count: int | None = None,
    draws: int = DRAWS,
    seed: int = SEED,
    device: str | torch.device | None = None,
    progress: Progress = True,
    run: Run | None = None,
) -> RandomBand:
    """Return the band of random orders alone, those of `measure_cumulative`, for paths to stand in.

    Arguments and errors are those of `measure_cumulative`.
    """
    pruning = prepare_pruning(model, data, layer, criterion="random", device=device, run=run)
    filters, images = sum(len(bank.filters) for bank in pruning.banks), len(pruning.banks[0].images)
    steps = check_count(count, filters)
    check_draws(draws, steps, images)
    seed = check_seed(seed)
    with telling(progress, f"Removing {draws} × {steps} filters on {images:,} images") as tell:
        return deque(iter_bands(pruning, steps, draws, seed, tell), maxlen=1).pop()


def rank_filters(pruning: Pruning, tell: Callable[[float], None]) -> Order:
    """Return all filters as places among them, the least important first."""
    if pruning.criterion == "car" and pruning.given is None:
        path = deque(pruning.paths(tell), maxlen=1).pop()
        starts = dict(zip(path.banks, np.cumsum([0, *path.bank_sizes]).tolist(), strict=False))
        return np.asarray([starts[bank] + i for bank, i in path.steps], np.int64)
    return np.argsort(pruning.scores(pruning.kept(), tell), kind="stable").astype(np.int64)


def random_orders(filters: int, draws: int, seed: int) -> NDArray[np.int64]:
    """Return (draw, filter) seeded random orders; more draws begin with the same ones."""
    every = [np.random.default_rng([seed, d]).permutation(filters) for d in range(draws)]
    return np.asarray(every, np.int64).reshape(draws, filters)


def chosen_on(pruning: Pruning) -> str:
    """Return whose images ranked the filters: see `CumulativeTable.chosen_on`."""
    criterion, passport = pruning.criterion, pruning.passport
    if criterion in BLIND:
        return "no images"
    if pruning.given is None:
        return "these images"
    _, _, origin = str(passport.get("order", "")).partition(" of ")
    if criterion == GIVEN or not origin:
        return "unknown"
    return "these images" if origin == passport.get("data") else "other images"


def check_draws(draws: Any, count: int | None = None, images: int = 1) -> None:
    """Refuse a number of random orders; of `count` filters on `images` the message tells more."""
    note = "random orders"
    if count is not None and is_whole(draws) and draws > MOST_DRAWS:
        pairs = (draws + 2) * count * images
        note = f"random orders; these would run up to {pairs:,} filters × images"
    check_whole(draws, "draws", 2, MOST_DRAWS, note=note)


def _check_held_out(pruning: Pruning, other: Pruning) -> None:
    """Refuse held-out images that chose the order, or whose labels mean other classes."""
    if f" of {other.passport['data']}" in str(pruning.passport.get("order", "")) and (
        other.passport["data"] != pruning.passport["data"]
    ):
        raise ValueError(
            "held_out are images that had no part in the order; found those that it was chosen on. "
            "Give them as data, and others as held_out."
        )
    check_held_out(pruning.banks[0].images, other.banks[0].images)
