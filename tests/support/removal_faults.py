"""What carviz says wrongly of random networks, by the truth that is built into them."""

from __future__ import annotations

import collections
import random
import warnings
from typing import Any

import numpy as np
import torch
from support.random_networks import UNTRACEABLE, Sample, random_network
from torch import Tensor

import carviz
from carviz.ablation.plan import RowsError
from carviz.ablation.planning import plan_by_hooks
from carviz.ablation.run import run_chunk
from carviz.banks import OutOfReachError, open_network
from carviz.evaluate import find_logits


def faults_of(seed: int, banks: int = 2) -> tuple[list[str], collections.Counter[str]]:
    """Return what carviz says wrongly of the network of a seed, and how it was measured."""
    sample = random_network(seed)
    draw = random.Random(seed + 1)
    faults: list[str] = []
    how: collections.Counter[str] = collections.Counter()
    for bank in draw.sample(sample.model.banks, min(banks, len(sample.model.banks))):
        if " + " in bank and any(k in str(sample.model.kinds) for k in UNTRACEABLE):
            continue  # a sum is seen in a graph only
        with warnings.catch_warnings():
            # A network that torch.fx cannot trace is told to be measured otherwise.
            warnings.filterwarnings("ignore", message="carviz: ")
            try:
                faults += _faults_of_bank(sample, bank, how)
            except Exception as error:
                faults.append(f"{bank}: {type(error).__name__}: {error}")
    return [f"seed {seed}, {sample.model.kinds}: {fault}" for fault in faults], how


def _faults_of_bank(sample: Sample, bank: str, how: collections.Counter[str]) -> list[str]:
    model, images, targets = sample
    data = images.clone(), targets
    table = carviz.measure_car(model, data, bank, progress=False)
    how[table.passport["engine"]] += 1
    whole = sample.truth("", [])
    expected = torch.stack([sample.truth(bank, [i]) for i in table.filters.tolist()])
    how["moved"] += int(((expected - whole).abs().amax((1, 2)) > 1e-3).sum())
    how["filters"] += len(expected)
    drop = (own(whole, targets) - own(expected, targets)).numpy()
    found = [] if torch.equal(data[0], images) else [f"{bank}: the data was changed"]
    found += _compare("measure_car", bank, expected, table.predictions)
    there = [c for c in range(model.classes) if (targets == c).any()]
    by_class = np.stack([drop[:, targets.numpy() == c].mean(1) for c in there], 1)
    off = np.abs(table.log_prob_drop[:, there] - by_class).max()
    if off > 1e-3 * max(1.0, float(expected.abs().max())):
        found.append(f"{bank}: log p falls otherwise, by {off:.3g}")
    found += _hooks(sample, bank, expected, how)
    path = carviz.prune_filters(model, data, bank, count=3, progress=False)
    for step in range(1, len(path.order) + 1):
        logits = sample.truth(bank, path.order[:step].tolist())
        found += _compare(
            f"pruning, step {step}", bank, logits[None], path.predictions[step - 1 : step]
        )
    return found


def _hooks(sample: Sample, bank: str, expected: Tensor, how: collections.Counter[str]) -> list[str]:
    """Judge the engine of hooks by itself, where hooks reach the units."""
    network = open_network(sample.model)
    with torch.inference_mode():
        try:
            plan = plan_by_hooks(network, bank, sample.images[:3].clone())
        except OutOfReachError:
            how["out of hooks' reach"] += 1
            return []
        plan.pick = find_logits(sample.model(sample.images.clone()), len(sample.images))
        filters = list(range(expected.shape[0]))

        def run() -> Any:
            return run_chunk(
                plan, sample.images.clone(), sample.targets, filters,
                numbers=range(len(sample.images)), batch_size=7,
            ).predictions  # fmt: skip

        if "flipped batch" in str(sample.model.kinds):
            plan.rows_independent = False  # the audit finds that rows are other images
        try:
            predictions = run()
        except RowsError:
            plan.rows_independent = False
            predictions = run()
    how["hooks judged"] += 1
    return _compare("hooks", bank, expected, predictions)


def _compare(what: str, bank: str, expected: Tensor, predictions: Any) -> list[str]:
    best = expected.topk(2, -1)
    sure = best.values[..., 0] - best.values[..., 1] > 1e-4 * expected.abs().amax(-1)
    wrong = (torch.as_tensor(np.array(predictions)) != best.indices[..., 0]) & sure
    return [f"{bank}: {what}: {int(wrong.sum())} of {wrong.numel()} wrong"] if wrong.any() else []


def own(logits: Tensor, targets: Tensor) -> Tensor:
    """Return log p of each image's own label."""
    return logits.log_softmax(-1)[..., torch.arange(len(targets)), targets]
