"""Measure pairs of filters: which do one another's work, told apart from chance."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Literal

import torch
from torch import nn

from carviz.ablation import Filters, Run
from carviz.banks import Model, find_layer, open_network
from carviz.car import prepare_banks
from carviz.evaluate import Data, Images, OutputKind, Progress, drive, telling
from carviz.joint.engine import check_classes, check_run, measure_sets
from carviz.joint.front import warn_of
from carviz.joint.given import check_sets
from carviz.results import PairTable, SiblingTable
from carviz.siblings import iter_siblings
from carviz.wording import counted

NEAREST = 1
"""Siblings of each filter that are proposed, by each measure."""
ALL = "all"


def measure_pairs(
    model: Model,
    data: Data,
    layer: str | nn.Module,
    *,
    pairs: Sequence[Sequence[int]] | Literal["all"] | None = None,
    device: str | torch.device | None = None,
    progress: Progress = True,
    run: Run | None = None,
    answers: OutputKind | None = None,
) -> PairTable:
    """Measure what two filters cost together beyond what each costs alone.

    Two filters that look alike may do the same work, or may not: only taking both away tells. Their
    interaction is CAR(i and j) - CAR(i) - CAR(j); above 0 one did the other's work (redundancy),
    below 0 losing one makes up for losing the other (compensation), where a q-value over all pairs
    of the call tells it apart from chance.

    Parameters
    ----------
    model, data, device, progress, run, answers
        As in `carviz.measure_car`; precision is float32.
    layer
        The bank: a convolution's name, or the module itself.
    pairs
        Lists of two filters; "all" for every pair of the bank, F(F - 1)/2 of them, each of which
        costs about as much as a filter does in `carviz.measure_car` (`carviz.plan_car` tells it).
        None for those that siblings propose: each filter with its nearest by weights, and by
        activation.

    Returns
    -------
    PairTable

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind, data has no one class an image, a pair is none, or the
        bank has none to propose; or if all pairs take more memory than there is: then their cost
        is told.

    Examples
    --------
    >>> import carviz
    >>> model, data = carviz.load_model("shapes"), carviz.load_data("shapes", limit=1)
    >>> table = carviz.measure_pairs(model, data, "features.0", pairs=[[0, 1]], progress=False)
    >>> table
    <PairTable of 'features.0': 1 pair of 2 filters, 16 images, accuracy 1.000>
    """
    check_classes(data)
    network = open_network(model, device, watch=True)
    check_run(run, network)
    name = find_layer(network, model, layer)
    count = network.convolution(name).out_channels
    if count < 2:
        raise ValueError(
            f"A pair has two filters; bank {name!r} has one. Choose another bank: "
            "carviz.list_banks(model) lists them."
        )
    how = "given"
    if pairs is None:
        # A function is told the share of what is measured, and of that nothing is done yet.
        told: Progress = (lambda _share: progress(0.0)) if callable(progress) else progress
        with telling(told, f"Siblings in {name}") as tell:
            siblings = drive(iter_siblings(network, Images(data), name), tell)
        chosen, how = proposed_pairs(siblings), "siblings"
    elif isinstance(pairs, str):
        if pairs != ALL:
            raise ValueError(
                f"pairs are lists of two filters, 'all', or None for siblings; found {pairs!r}."
            )
        chosen, how = all_pairs(count), ALL
        times = f"{len(chosen) / count:.0f} times the filters"
        what = f"{counted(len(chosen), 'pair')}, {times}, in {name}"
    else:
        chosen = check_sets(pairs, name, count, "pairs")
        if wrong := next((one for one in chosen if len(one) != 2), None):
            raise ValueError(
                f"A pair has two filters; found {list(wrong)}. carviz.measure_joint measures sets "
                "of any size."
            )
    if how != ALL:
        what = f"{counted(len(chosen), 'pair')} in {name}"
    banks = prepare_banks(network, data, [name], run=run, answers=answers)
    warn_of(banks)
    sets = [tuple((name, filter) for filter in pair) for pair in chosen]
    fields = measure_sets(banks, sets, name, progress, what)
    return PairTable(**{**fields, "passport": {**fields["passport"], "chosen": how}})


def all_pairs(count: int) -> list[Filters]:
    """Return every pair of a bank of so many filters."""
    return list(itertools.combinations(range(count), 2))


def proposed_pairs(table: SiblingTable) -> list[Filters]:
    """Return the pairs that siblings propose: each filter with its nearest, by each measure.

    Raises
    ------
    ValueError
        If no two filters of the bank have a similarity.
    """
    found = set()
    for by in table.measures:
        for filter in range(len(table)):
            near = table.nearest(filter, NEAREST, by=by)["filter"]  # type: ignore[arg-type]
            found |= {tuple(sorted((filter, int(other)))) for other in near}
    if not found:
        raise ValueError(
            f"Siblings propose pairs of filters that are alike; no two of {table.layer!r} have a "
            "similarity (none has weights and answers anything). Give pairs, or 'all'."
        )
    return sorted(found)
