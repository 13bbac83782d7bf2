"""Measure CAR in one call, table by table, or not yet: only tell what it would cost."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import torch
from torch import nn

from carviz.ablation import CarPlan, Run, count_costs, layout_of
from carviz.car.measurement import FIRST_CHUNK, Measurement
from carviz.car.preparing import prepare_car
from carviz.evaluate import Progress, placed, telling
from carviz.results import CarTable


def measure_car(
    model: Any,
    data: Any,
    layer: str | nn.Module,
    *,
    filters: Sequence[int] | None = None,
    device: str | torch.device | None = None,
    progress: Progress = True,
    run: Run | None = None,
    answers: Literal["logits", "probabilities"] | None = None,
) -> CarTable:
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
        The bank: a convolution's name, or the module itself.
    filters
        Numbers of the filters to measure; None for the whole bank.
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

    Returns
    -------
    CarTable

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
    """
    tables = iter_car(
        model, data, layer,
        filters=filters, device=device, progress=progress, run=run, answers=answers,
    )  # fmt: skip
    return deque(tables, maxlen=1).pop()


def iter_car(
    model: Any,
    data: Any,
    layer: str | nn.Module,
    *,
    filters: Sequence[int] | None = None,
    device: str | torch.device | None = None,
    progress: Progress = True,
    run: Run | None = None,
    answers: Literal["logits", "probabilities"] | None = None,
) -> Iterator[CarTable]:
    """Yield ever fuller tables, chunk by chunk; closing the iterator cancels.

    After the first chunk every filter has an estimate with an interval, and each further chunk
    narrows it: images are visited in a seeded order stratified by class. Arguments and errors are
    those of `measure_car`; they are checked at once, before the first table is asked for.
    """
    measurement = prepare_car(
        model, data, layer, filters=filters, device=device, run=run, answers=answers
    )
    if remark := measurement.passport["remark"]:
        warnings.warn(f"carviz: {remark}", stacklevel=2)
    return _tables(measurement, progress)


def _tables(measurement: Measurement, progress: Progress) -> Iterator[CarTable]:
    with telling(progress, f"CAR of {measurement.layer}") as tell:
        yield from measurement.tables(tell)


def plan_car(
    model: Any,
    data: Any,
    layer: str | nn.Module,
    *,
    filters: Sequence[int] | None = None,
    device: str | torch.device | None = None,
    run: Run | None = None,
    answers: Literal["logits", "probabilities"] | None = None,
) -> CarPlan:
    """Tell how a bank will be measured and what that saves; nothing is measured yet.

    Arguments and errors are those of `measure_car`. Print the result: it tells in multiply-adds
    what runs once an image, what runs once a filter, and what a loop over the whole network would
    do.
    """
    measurement = prepare_car(
        model, data, layer, filters=filters, device=device, run=run, answers=answers
    )
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
        images=len(measurement.images),
    )
