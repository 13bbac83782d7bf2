"""The front door of pruning: check what was asked for, and run it."""

from __future__ import annotations

import dataclasses
import warnings
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from carviz.ablation import Run
from carviz.banks import Model, Network, find_layer, open_network
from carviz.car import SEED, Measurement, prepare_car, sample_of
from carviz.checks import check_fraction, check_whole, did_you_mean
from carviz.evaluate import Data, Images, OutputKind, Progress, telling
from carviz.pruning.criteria import CRITERIA
from carviz.pruning.given import read_order
from carviz.pruning.pruning import Pruning
from carviz.results import PruningPath

MOST_SEED = 2**63 - 1
Layers = str | nn.Module | Sequence[str | nn.Module]


def prune_filters(
    model: Model,
    data: Data,
    layer: Layers,
    *,
    count: int | None = None,
    floor: float | None = None,
    criterion: str = "car",
    order: PruningPath | Sequence[int] | None = None,
    seed: int = SEED,
    device: str | torch.device | None = None,
    progress: Progress = True,
    run: Run | None = None,
    answers: OutputKind | None = None,
) -> PruningPath:
    """Prune the filters of a bank one after another, and tell what is left of the accuracy.

    Criterion "car" is greedy: each step takes the filter whose loss, in the network as pruned so
    far, leaves most images right; equal ones go by bank as given, then by the lowest number
    (Abbasi-Asl and Yu, arXiv 1711.02329). The order is exactly that of a loop over every remaining
    filter; only what it has to evaluate is found by a best-first search. The other criteria rank
    the filters once, beforehand.

    Parameters
    ----------
    model
        A `torch.nn.Module` that maps ``(image, channel, height, width)`` to logits. It is never
        touched: the filters are silenced in a copy of its structure.
    data
        A map-style Dataset or DataLoader of (image tensor, integer label), or a pair of tensors.
    layer
        The bank: a convolution's name, or the module itself. A list of them is pruned jointly.
    count
        How many filters go; None for all. The last step leaves a bank without a filter: its
        channels are all zero, and the network still answers.
    floor
        The path ends before the first step that would fall below this accuracy, a fraction.
    criterion
        "car", or a rival: "car-once" (CAR measured once), "l1", "l2" (norms of the weights),
        "taylor" (first-order change of the loss), "apoz" (zeros at the output), "random" (seeded),
        "log-prob" (mean fall of log p of the true class, measured once).
    order
        Filters to prune one after another, instead of choosing any: numbers, of a single bank, or a
        path. A path that was chosen on other images shows on `data` what its choice is worth.
    seed
        Of the criterion "random", 0 or more; the others draw nothing.
    device
        Where to run; None for where the model is.
    progress
        True for a progress bar; a function to be told the share done, 0 to 1, after every batch
        (what it raises ends the pruning); False for silence.
    answers
        What the model gives, as in `carviz.measure_car`.
    run
        How to run; None for the defaults. With `run.checkpoint` every finished step is kept: the
        same call resumes there, and so does one for a longer path. Whatever `run.precision` says,
        pruning decides in float32: a step follows from all those before it, so a prediction that
        is wrong once may turn all that follow. The passport says so.

    Returns
    -------
    PruningPath

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind, or has a value that cannot be measured: the message
        says the rule, what was found, and the way out.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> conv = nn.Conv2d(1, 3, 1, bias=False)  # filter 2 does nothing
    >>> head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2, bias=False))
    >>> _ = conv.weight.data.copy_(torch.tensor([1.0, -1.0, 0.0]).view(3, 1, 1, 1))
    >>> _ = head[2].weight.data.copy_(torch.tensor([[1.0, 0, 0], [0, 1.0, 0]]))
    >>> images = torch.tensor([1.0, 2.0, -1.0, -2.0]).view(4, 1, 1, 1)
    >>> model, labels = nn.Sequential(conv, nn.ReLU(), head), torch.tensor([0, 0, 1, 1])
    >>> path = prune_filters(model, (images, labels), "0", progress=False)
    >>> path.order.tolist(), path.accuracy.tolist()
    ([0, 2, 1], [1.0, 1.0, 1.0, 0.5])
    """
    pruning = prepare_pruning(
        model, data, layer, count=count, floor=floor, criterion=criterion, order=order,
        seed=seed, device=device, run=run, answers=answers,
    )  # fmt: skip
    if remark := pruning.passport["remark"]:
        warnings.warn(f"carviz: {remark}", stacklevel=2)
    layers = ", ".join(bank.layer for bank in pruning.banks)
    with telling(progress, f"Pruning {layers} by {pruning.criterion}") as tell:
        return deque(pruning.paths(tell), maxlen=1).pop()


def prepare_pruning(
    model: Model,
    data: Data,
    layer: Layers,
    *,
    count: int | None = None,
    floor: float | None = None,
    criterion: str = "car",
    order: PruningPath | Sequence[int] | None = None,
    seed: int = SEED,
    device: str | torch.device | None = None,
    run: Run | None = None,
    tick: Callable[[], None] | None = None,
    answers: OutputKind | None = None,
) -> Pruning:
    """Check everything, trace, and try the plans on a few images; nothing is pruned yet.

    Arguments and errors are those of `prune_filters`. Tracing belongs into the caller's thread;
    `Pruning.paths` may run in any. `tick` is called between two passes of the audit; what it
    raises ends it.
    """
    _check_criterion(criterion)
    seed = check_seed(seed)
    if run is not None and not isinstance(run, Run):
        raise TypeError(f"run is a carviz.Run or None; found {type(run).__name__}.")
    run = run or Run()
    if run.executor is not None:
        raise ValueError(
            "Run(executor=…) is for carviz.measure_car, whose chunks are independent; a pruning's "
            "steps follow from one another and run in this process. Leave executor out."
        )
    asked, run = run.precision, dataclasses.replace(run, precision="float32")
    network = open_network(model, device, watch=True)
    names = _find_layers(network, model, layer)
    images = Images(data)
    # The data is checked once, not once a bank.
    banks = [
        prepare_car(network, images, name, run=run, tick=tick, answers=answers) for name in names
    ]
    given = None if order is None else read_order(order, banks, criterion)
    if given is None:
        filters, chosen = sum(len(bank.filters) for bank in banks), criterion
    else:
        filters, chosen = len(given.steps), given.criterion
    return Pruning(
        network, banks, sample_of(images, banks[0].order.tolist(), network),
        check_count(count, filters), _check_floor(floor), chosen, run,
        _passport(banks, chosen, asked, seed) | ({} if given is None else {"order": given.words}),
        None if given is None else given.scores,
        seed,
    )  # fmt: skip


def _find_layers(network: Network, model: Any, layer: Layers) -> list[str]:
    if isinstance(layer, (str, nn.Module)):
        return [find_layer(network, model, layer)]
    if not isinstance(layer, Sequence):
        raise TypeError(
            "layer is a bank's name, the module itself, or a list of them; found "
            f"{type(layer).__name__}."
        )
    names = [find_layer(network, model, one) for one in layer]
    if not names:
        raise ValueError("layer names one bank at least; found an empty list.")
    if len(set(names)) < len(names):
        raise ValueError(f"Each bank is pruned once; found {names} with a repetition.")
    return names


def _check_criterion(criterion: Any) -> None:
    if not isinstance(criterion, str):
        raise TypeError(f"criterion is a name; found {type(criterion).__name__}.")
    if criterion not in CRITERIA:
        raise ValueError(
            f"criterion is one of {', '.join(CRITERIA)}; found {criterion!r}."
            f"{did_you_mean(criterion, CRITERIA)}"
        )


def check_count(count: Any, filters: int) -> int:
    """Return how many filters go; TypeError or ValueError if it is no such number."""
    if count is None:
        return filters
    what, note = "how many filters go", "all of them"
    return check_whole(count, "count", 0, filters, what=what, note=note, or_none=True)


def check_seed(seed: Any) -> int:
    """Return a seed; TypeError or ValueError if it is no such number, or no record holds it."""
    return check_whole(seed, "seed", 0, MOST_SEED, note="what a saved record can hold")


def _check_floor(floor: Any) -> float | None:
    if floor is None:
        return None
    return check_fraction(floor, "floor", "an accuracy, a fraction", or_none=True)


def _passport(
    banks: list[Measurement], criterion: str, precision: str, seed: int
) -> dict[str, Any]:
    """Return the first bank's passport, with what each bank has of its own.

    Parameters
    ----------
    precision
        The one that was asked for.
    """
    remarks = list(dict.fromkeys(b.passport["remark"] for b in banks if b.passport["remark"]))
    if precision != "float32":
        remarks.append(f"Pruning decides in float32, whatever is asked for ({precision}).")
    return {
        **banks[0].passport,
        "ablation": {bank.layer: bank.plan.where for bank in banks},
        "engine": {bank.layer: bank.plan.how for bank in banks},
        "remark": " ".join(remarks),
        "audit": {bank.layer: bank.passport["audit"] for bank in banks},
        "criterion": criterion,
        "seed": seed if criterion == "random" else SEED,
    }
