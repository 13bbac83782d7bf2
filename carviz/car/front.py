"""Measure CAR in one call, table by table, or not yet: only tell what it would cost."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, overload

import torch
from torch import nn

from carviz.ablation import (
    CarPlan,
    Run,
    Score,
    ValueName,
    check_value,
    count_costs,
    layout_of,
)
from carviz.banks import Model
from carviz.car.constants import looked_at
from carviz.car.measurement import FIRST_CHUNK, Measurement
from carviz.car.preparing import Layers, prepare_banks, prepare_car
from carviz.car.questions import Question
from carviz.car.together import iter_tables, measure_together
from carviz.evaluate import Data, OutputKind, Progress, placed, telling
from carviz.results import CarTable, CarTables, LabelTable, ScoreTable

REMARKS = 3
"""Different remarks on banks that one warning tells at most."""


@overload
def measure_car(
    model: Model,
    data: Data,
    layer: str | nn.Module,
    *,
    filters: Sequence[int] | None = ...,
    device: str | torch.device | None = ...,
    progress: Progress = ...,
    run: Run | None = ...,
    answers: OutputKind | None = ...,
    value: ValueName | float = ...,
    top: int = ...,
    score: None = ...,
) -> CarTable | Any: ...


@overload
def measure_car(
    model: Model,
    data: Data,
    layer: str | nn.Module,
    *,
    score: Score,
    filters: Sequence[int] | None = ...,
    device: str | torch.device | None = ...,
    progress: Progress = ...,
    run: Run | None = ...,
) -> ScoreTable: ...


@overload
def measure_car(
    model: Model,
    data: Data,
    layer: Layers,
    *,
    filters: Sequence[int] | None = ...,
    device: str | torch.device | None = ...,
    progress: Progress = ...,
    run: Run | None = ...,
    answers: OutputKind | None = ...,
    value: ValueName | float = ...,
    top: int = ...,
) -> CarTables: ...


def measure_car(
    model: Model,
    data: Data,
    layer: str | nn.Module | Layers,
    *,
    filters: Sequence[int] | None = None,
    device: str | torch.device | None = None,
    progress: Progress = True,
    run: Run | None = None,
    answers: OutputKind | None = None,
    value: ValueName | float = "zero",
    top: int = 1,
    score: Score | None = None,
) -> CarTable | CarTables | LabelTable | ScoreTable:
    """Measure the CAR of a bank's filters, whole and class by class.

    The ablation makes the filter's channel zero for every later layer, at each call of the
    convolution: at its output, or behind the batch normalisation that alone reads it, since
    removing a filter removes its normalisation (`carviz.banks.units` has the definition). The
    result's passport says where, and what the audit by the network itself found. See Abbasi-Asl
    and Yu, arXiv 1711.02329, section 2.

    Parameters
    ----------
    model
        Any `torch.nn.Module` that maps ``(image, channel, height, width)`` to logits
        ``(image, class)``. It is not touched, not even for a moment.
    data
        A map-style Dataset or DataLoader of (image tensor, integer label), or a pair of tensors.
        Class names come from ``data.classes``, else from ``model.classes``, else they are "0",
        "1", ….
    layer
        The bank: a convolution's name, or the module itself. Or several banks in one call, a list
        of these; None for every bank that is no gate and that the forward pass calls, in the order
        of `carviz.list_banks`. They share the traced network, the images as they are read and
        moved, one checkpoint and one executor, and find what single calls find. The facts of all
        of them, 4 bytes a filter and image, are held at once.
    filters
        Numbers of the filters to measure; None for the whole bank. Several banks are measured
        whole.
    device
        Where to run; None for where the model is.
    progress
        True for a progress bar; a function to be told the share done, 0 to 1, after every batch
        (what it raises ends the measurement); False for silence.
    run
        How to run; None for the defaults.
    answers
        What the model gives: "logits" or "probabilities"; None to find out. Where its last step
        is a softmax or a sigmoid, log p is taken of that step's input; other rows that sum to 1
        are probabilities. One number an image is the logit of class 1 against class 0 (class 1
        above 0) unless "probabilities" is said (class 1 above 0.5). What was taken stands in the
        passport.
    value
        What stands in the filter's channel. "zero": the filter is removed. Everything else is set
        where the channel is last alone, behind the activation that alone reads the unit, else at
        the unit's end: "mean", the channel's mean over all images and places, for which the data
        are passed once more; "resample", the same channel of another image of the chunk, by a
        seeded permutation; a number; "optimal", of nine quantiles of the channel the one with the
        lowest mean -log p, chosen on one seeded half of the images at nine times its price, and
        told on the other: the table holds that half only (Li and Janson, arXiv 2409.09951). The
        numbers stand in the table's `values`; what was done where, in its passport.
    top
        5 to know also of how many images the true class is among the five highest logits, and of
        how many without each filter: ``table.top_accuracy``, ``table.top_car``. Of equal logits
        those of lower classes come first.
    score
        A function of your own that judges answers in place of classes, for a detector or a
        segmenter say: ``score(outputs, target)`` gives a number from 0 to 1. ``outputs`` is what
        the model gives for one image, on the CPU: the image's row of every tensor, its member of a
        list. ``target`` is what the data gives with the image, anything. The function must give the
        same whenever it is asked the same; it is called once for each filter and image that it
        changes. Images are of one size. The processes of ``Run(executor=…)`` have the values that
        its module sets, not those that were set since: hand these by `functools.partial`.

    Returns
    -------
    CarTable
        Of several banks `CarTables`, a mapping from the bank's name to its `CarTable`. Of data with
        a row of labels an image, 0 or 1 each, a `LabelTable`; with `score` a `ScoreTable`.

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
    >>> measure_car(model, (images, labels), "0", progress=False).car.tolist()
    [0.0, 0.5, 0.0]
    >>> measure_car(model, (images, labels), None, progress=False)
    <CarTables of 1 bank: 3 filters, 4 images, 2 classes>
    >>> def right(outputs, target):
    ...     return float(outputs.argmax() == target)
    >>> measure_car(model, (images, labels), "0", score=right, progress=False).fall.tolist()
    [0.0, 0.5, 0.0]
    """
    asking: Any = iter_car  # of all its overloads at once
    tables: Iterator[Any] = asking(
        model, data, layer,
        filters=filters, device=device, progress=progress, run=run, answers=answers, value=value,
        top=top, score=score,
    )  # fmt: skip
    last: CarTable | CarTables | LabelTable | ScoreTable = deque(tables, maxlen=1).pop()
    return last


@overload
def iter_car(
    model: Model,
    data: Data,
    layer: str | nn.Module,
    *,
    filters: Sequence[int] | None = ...,
    device: str | torch.device | None = ...,
    progress: Progress = ...,
    run: Run | None = ...,
    answers: OutputKind | None = ...,
    value: ValueName | float = ...,
    top: int = ...,
    score: None = ...,
) -> Iterator[CarTable | Any]: ...


@overload
def iter_car(
    model: Model,
    data: Data,
    layer: str | nn.Module,
    *,
    score: Score,
    filters: Sequence[int] | None = ...,
    device: str | torch.device | None = ...,
    progress: Progress = ...,
    run: Run | None = ...,
) -> Iterator[ScoreTable]: ...


@overload
def iter_car(
    model: Model,
    data: Data,
    layer: Layers,
    *,
    filters: Sequence[int] | None = ...,
    device: str | torch.device | None = ...,
    progress: Progress = ...,
    run: Run | None = ...,
    answers: OutputKind | None = ...,
    value: ValueName | float = ...,
    top: int = ...,
) -> Iterator[CarTables]: ...


def iter_car(
    model: Model,
    data: Data,
    layer: str | nn.Module | Layers,
    *,
    filters: Sequence[int] | None = None,
    device: str | torch.device | None = None,
    progress: Progress = True,
    run: Run | None = None,
    answers: OutputKind | None = None,
    value: ValueName | float = "zero",
    top: int = 1,
    score: Score | None = None,
) -> Iterator[Any]:
    """Yield ever fuller tables, chunk by chunk; closing the iterator cancels.

    After the first chunk every filter has an estimate with an interval, and each further chunk
    narrows it: images are visited in a seeded order stratified by class. Of several banks all are
    measured on a chunk before the next one is read. Arguments and errors are those of
    `measure_car`; they are checked at once, before the first table is asked for.

    Examples
    --------
    >>> import carviz
    >>> model, data = carviz.load_model("shapes"), carviz.load_data("shapes", limit=1)
    >>> for table in carviz.iter_car(model, data, "features.0", filters=[0, 1], progress=False):
    ...     print(len(table.images), "of", table.total)
    16 of 16
    """
    several = layer is None or isinstance(layer, (list, tuple))
    question = Question(top, score, several, check_value(value))
    if layer is None or isinstance(layer, (list, tuple)):
        banks = _prepare_banks(
            model, data, layer, filters, device, progress, run, answers, question
        )
        _warn(banks)
        return _tables_of_banks(banks, progress)
    measurement = prepare_car(
        model, data, layer,
        filters=filters, device=device, run=run, answers=answers, question=question,
    )  # fmt: skip
    _warn([measurement])
    return _tables(measurement, progress)


def _prepare_banks(
    model: Model, data: Any, layers: Layers, filters: Sequence[int] | None,
    device: str | torch.device | None, progress: Progress, run: Run | None,
    answers: OutputKind | None, question: Question,
) -> list[Measurement]:  # fmt: skip
    """Prepare several banks, which takes a while where there are many: a bar of its own says so."""
    # A function is told the share of what is measured, and of that nothing is done yet.
    told: Progress = (lambda _share: progress(0.0)) if callable(progress) else progress
    with telling(told, "Preparing the banks") as tell:
        banks = prepare_banks(
            model, data, layers,
            filters=filters, device=device, run=run, tick=tell, answers=answers, question=question,
        )  # fmt: skip
        tell(1.0)
    return banks


def _warn(banks: list[Measurement]) -> None:
    """Warn of what a reader should know, in one warning for all banks."""
    remarks = list(dict.fromkeys(r for bank in banks if (r := bank.passport["remark"])))
    if len(remarks) > REMARKS:
        more = len(remarks) - REMARKS
        remarks[REMARKS:] = [f"({more} more: see passport['remark'] of each bank's table.)"]
    if remarks:
        warnings.warn(f"carviz: {' '.join(remarks)}", stacklevel=3)


def _tables(measurement: Measurement, progress: Progress) -> Iterator[Any]:
    with telling(progress, f"CAR of {measurement.layer}") as tell:
        yield from iter_tables(measurement, tell)


def _tables_of_banks(banks: list[Measurement], progress: Progress) -> Iterator[CarTables]:
    several = f"{len(banks)} bank{'s' if len(banks) > 1 else ''}"
    with telling(progress, f"CAR of {several}") as tell:
        for tables in measure_together(banks, tell):
            yield CarTables(tables)


def plan_car(
    model: Model,
    data: Data,
    layer: str | nn.Module,
    *,
    filters: Sequence[int] | None = None,
    device: str | torch.device | None = None,
    run: Run | None = None,
    answers: OutputKind | None = None,
    value: ValueName | float = "zero",
) -> CarPlan:
    """Tell how a bank will be measured and what that saves; nothing is measured yet.

    Arguments and errors are those of `measure_car`. Print the result: it tells in multiply-adds
    what runs once an image, what runs once a filter, and what a loop over the whole network would
    do.

    Examples
    --------
    >>> import carviz
    >>> model, data = carviz.load_model("shapes"), carviz.load_data("shapes", limit=1)
    >>> plan = carviz.plan_car(model, data, "features.0")
    >>> plan.how, plan.filters, plan.images, plan.plan_cost < plan.loop_cost
    ('graph', 32, 16, True)
    """
    measurement = prepare_car(
        model, data, layer,
        filters=filters, device=device, run=run, answers=answers,
        question=Question(value=check_value(value)),
    )  # fmt: skip
    numbers = measurement.order[:FIRST_CHUNK].tolist()
    sample = placed(
        measurement.images.read(numbers)[0],
        measurement.network.model,
        layout_of(measurement.plan),
    )
    return count_costs(
        measurement.network,
        measurement.plan,
        sample,
        layer=measurement.layer,
        filters=measurement.filters,
        images=len(measurement.order),
        looked_at=len(looked_at(measurement)),
        chosen_on=len(measurement.choosing),
    )
