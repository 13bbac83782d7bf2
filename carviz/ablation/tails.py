"""Run the tail of a plan on many pairs of an image and what it loses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from carviz.ablation.batches import Batch, cut_into_batches, needed
from carviz.ablation.facts import Tick
from carviz.ablation.plan import GraphPlan, Plan, Values
from carviz.ablation.values import ZERO, Value
from carviz.ablation.workers import even_size, side_by_side
from carviz.evaluate import arithmetic, inference_mode


def pairs_that_run(
    plan: Plan, values: Values, sets: NDArray[np.int64], images: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the pairs that must run by what the head gave; see `needed`."""
    # Where rows are tied to one another, all images run for each set.
    active = plan.active(values) if plan.rows_independent else None
    return needed(active, sets, images)


def batches(
    plan: Plan, rows: NDArray[np.int64], sets: NDArray[np.int64], images: int, size: int,
    device: torch.device,
) -> Iterator[Batch]:  # fmt: skip
    """Yield pairs in batches as a plan can run them.

    Parameters
    ----------
    rows, sets
        (pair,) the image, and (pair, set) what it loses.
    images
        How many images there are.
    size
        Rows that run together.
    """
    if plan.rows_independent:
        yield from cut_into_batches(rows, sets, size, device)
        return
    # Where a row is no image a batch is all images in their order, and every row loses the same.
    for start in range(0, len(rows), images):
        yield Batch.together(sets[start].tolist(), device)


class PairPredictions(NamedTuple):
    """What pairs were found to be: (pair,) each.

    Parameters
    ----------
    predicted
        Class.
    log_p
        log p(true class), in nats.
    finite
        Whether all logits are.
    """

    predicted: NDArray[np.int32]
    log_p: NDArray[np.float32]
    finite: NDArray[np.bool_]


Read = Callable[[slice, Tensor | slice, Tensor], None]
"""Takes the answers of some pairs: which of all pairs they are, their images, and their logits."""


class Tail:
    """The tail on what the head gave for some images.

    Parameters
    ----------
    values
        What the head gave.
    targets
        (image,) true class, where the network is.
    batch_size
        Rows that run together, of all workers.
    """

    def __init__(self, plan: Plan, values: Values, targets: Tensor, batch_size: int) -> None:
        self._plan, self._values, self._targets = plan, values, targets
        self._device = targets.device
        self._workers = workers_of(plan, targets.device)
        self._size = max(1, batch_size // self._workers)

    @property
    def value(self) -> Value:
        """What stands in a channel's place."""
        return self._plan.value

    def ask(
        self, rows: NDArray[np.int64], sets: NDArray[np.int64], tick: Tick | None
    ) -> PairPredictions:
        """Run all pairs in float32; nothing is read from the device until the last has run.

        Parameters
        ----------
        rows, sets
            (pair,) the image, and (pair, set) what it loses.
        """
        count, device = len(rows), self._device
        predicted = torch.empty(count, dtype=torch.int32, device=device)
        log_p = torch.empty(count, dtype=torch.float32, device=device)
        finite = torch.empty(count, dtype=torch.bool, device=device)

        def read(part: slice, images: Tensor | slice, logits: Tensor) -> None:
            predicted[part], log_p[part], finite[part] = read_logits(logits, self._targets[images])

        self.run(rows, sets, read, tick)
        return PairPredictions(predicted.cpu().numpy(), log_p.cpu().numpy(), finite.cpu().numpy())

    def run(
        self, rows: NDArray[np.int64], sets: NDArray[np.int64], read: Read, tick: Tick | None,
        precision: str = "float32",
    ) -> None:  # fmt: skip
        """Run all pairs, and hand on what comes of them, maybe in several threads at a time.

        Parameters
        ----------
        rows, sets
            (pair,) the image, and (pair, set) what it loses.
        precision
            "float32", "tf32" or "bf16".
        """

        def run(job: tuple[slice, Batch]) -> int:
            part, batch = job
            length = int(part.stop - part.start)
            images = slice(None) if batch.rows is None else batch.rows[:length]
            read(part, images, self._plan.tail(self._values, batch)[:length])
            return length

        @contextmanager
        def modes() -> Iterator[None]:
            with inference_mode(), arithmetic(precision, self._device.type):
                yield

        asked = self._batches(rows, sets)
        with modes():
            side_by_side(asked, run, workers=self._workers, context=modes, tick=tick)

    def _batches(
        self, rows: NDArray[np.int64], sets: NDArray[np.int64]
    ) -> Iterator[tuple[slice, Batch]]:
        """Yield batches, and where their pairs are among all."""
        size, images, start = self._size, len(self._targets), 0
        if self._workers > 1:
            size = even_size(len(rows), size, self._workers)
        for batch in batches(self._plan, rows, sets, images, size, self._device):
            count = images if batch.count is None else batch.count
            yield slice(start, start := start + count), batch


def workers_of(plan: Plan, device: torch.device) -> int:
    """Return how many batches of a plan run side by side: on a CPU one a thread of torch's."""
    alone = device.type != "cpu" or not isinstance(plan, GraphPlan) or not plan.keeps_nothing
    return 1 if alone else torch.get_num_threads()


def read_logits(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return each row's predicted class, log p(true class), and whether its logits are finite."""
    log_p = torch.log_softmax(logits.float(), 1).gather(1, targets[:, None]).squeeze(1)
    return logits.argmax(1), log_p, torch.isfinite(logits).all(1)


def check_finite(
    finite: NDArray[np.bool_], numbers: NDArray[np.int64],
    filters: NDArray[np.int64] | None = None, value: Value = ZERO,
) -> None:  # fmt: skip
    """Raise ValueError where logits are not finite; the first pair is named.

    Parameters
    ----------
    finite
        (pair,) whether all logits are.
    numbers
        (pair,) the images' numbers in the data.
    filters
        (pair,) what was removed, where anything was.
    value
        What stands in its place.
    """
    if finite.all():
        return
    bad = int(np.argmin(finite))
    without, look = "", "Look at the image, and at the weights' range (half precision overflows)."
    if filters is not None and value.is_zero:
        without = f" without filter {int(filters[bad])}"
    elif filters is not None:
        without = f" with value={value.given!r} in the place of filter {int(filters[bad])}"
    if filters is not None and value.kind == "number":
        look = "Give a number nearer to what the channel has."
    raise ValueError(
        f"Logits must be finite; image {int(numbers[bad])} has NaN or infinity{without}. {look}"
    )
