"""Check everything, trace the network, and try the plan: what comes before a measurement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from carviz.ablation import (
    AUDITED_IMAGES,
    Audit,
    Plan,
    Run,
    choose_plan,
    find_needs,
    layout_of,
)
from carviz.banks import DEFINITION, Network, find_layer, open_network
from carviz.car.measurement import FEW_FILTERS, FEW_IMAGES, SEED, Measurement
from carviz.evaluate import (
    Images,
    check_answers,
    find_normalization,
    fingerprint_images,
    fingerprint_model,
    placed,
    placement,
    stratified_order,
    versions,
)


def prepare_car(
    model: Any,
    data: Any,
    layer: str | nn.Module,
    *,
    filters: Sequence[int] | None = None,
    device: str | torch.device | None = None,
    run: Run | None = None,
    tick: Callable[[], None] | None = None,
    answers: str | None = None,
) -> Measurement:
    """Check everything, trace, and try the plan on a few images; nothing is measured yet.

    What a reader should know of how it will run stands in the passport, under "remark".
    `model` may also be a network that `carviz.banks.open_network` opened, so that several banks
    share one trace. `tick` is called between two passes of the audit; what it raises ends it.
    """
    network = open_network(model, device, watch=True)
    name = find_layer(network, model, layer)
    chosen = _check_filters(filters, network.convolution(name).out_channels, name)
    if run is not None and not isinstance(run, Run):
        raise TypeError(f"run is a carviz.Run or None; found {type(run).__name__}.")
    check_answers(answers)
    images = Images(data)
    order = stratified_order(images.hints, len(images), SEED)
    sample = sample_of(images, order.tolist(), network)
    run = run or Run()
    plan, audit = choose_plan(
        network, name, sample, subtract=run.precision != "bf16", tick=tick,
        small=len(chosen) < FEW_FILTERS or len(images) < FEW_IMAGES, answers=answers,
    )  # fmt: skip
    classes = _class_names(images, model, network, plan.classes)
    one = sample[:1].contiguous(memory_format=layout_of(plan))
    return Measurement(
        network, plan, name, chosen, images, order, classes, run,
        find_needs(plan, one, chosen[0]),
        _passport(network, plan, images, data, run, audit),
        audit,
    )  # fmt: skip


def sample_of(images: Images, order: list[int], network: Network) -> Tensor:
    """Return the first images of an order where the network is, for its plan to be tried on."""
    # Few images are shown several times: the plan wants to see a batch.
    numbers = (order * AUDITED_IMAGES)[:AUDITED_IMAGES]
    return placed(images.read(numbers)[0], network.model)


def _check_filters(filters: Sequence[int] | None, count: int, layer: str) -> list[int]:
    if filters is None:
        return list(range(count))
    if isinstance(filters, (int, np.integer)):
        raise TypeError(f"filters is a list of numbers; found {filters!r}. Write [{filters}].")
    chosen = [int(i) for i in filters]
    if any(isinstance(i, bool) or int(i) != i for i in filters):
        raise TypeError(f"filters are whole numbers; found {list(filters)!r}.")
    outside = [i for i in chosen if not 0 <= i < count]
    if outside or not chosen:
        found = str(outside[0]) if outside else "an empty list"
        raise ValueError(
            f"A filter is a number in its bank; {layer!r} has filters 0 to {count - 1}; "
            f"found {found}."
        )
    if len(set(chosen)) < len(chosen):
        raise ValueError(f"Each filter is measured once; found {chosen} with a repetition.")
    return chosen


def _class_names(images: Images, model: Any, network: Network, count: int) -> tuple[str, ...]:
    if images.classes is not None:
        if len(images.classes) != count:
            raise ValueError(
                f"data.classes names the network's logits, one each; found {len(images.classes)} "
                f"names for {count} logits, so labels may mean other classes than logits do. "
                "carviz.load_data(folder, model=model) matches a folder's classes to the network."
            )
        return images.classes
    own = getattr(network.model if isinstance(model, Network) else model, "classes", None)
    if isinstance(own, (tuple, list)) and len(own) == count:
        return tuple(str(name) for name in own)
    return tuple(str(i) for i in range(count))


def _passport(
    network: Network, plan: Plan, images: Images, data: Any, run: Run, audit: Audit
) -> dict[str, Any]:
    found = find_normalization(data, network.model)
    device, dtype = placement(network.model)
    # Only what is not plain is told: parts kept by an earlier carviz say nothing of it.
    answers = plan.pick.answers
    return {
        "model": network.watch.fingerprint if network.watch else fingerprint_model(network.model),
        "data": fingerprint_images(images),
        "definition": DEFINITION,
        "ablation": plan.where,
        **({} if answers == "logits" else {"answers": answers}),
        "engine": plan.how,
        "remark": audit.remark,
        "audit": audit.passport(),
        "device": device.type,
        "dtype": str(dtype),
        "precision": run.precision,
        "normalization": None
        if found is None
        else {"mean": found.mean, "std": found.std, "source": found.source},
        "seed": SEED,
        "versions": versions(),
    }
