"""Check everything, trace the network, and try the plan: what comes before a measurement."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from carviz.ablation import (
    AUDITED_IMAGES,
    Audit,
    Folded,
    Plan,
    Run,
    find_needs,
    layout_of,
)
from carviz.banks import DEFINITION, Network, banks_of, find_layer, open_network
from carviz.car.measurement import FEW_FILTERS, FEW_IMAGES, SEED, Measurement
from carviz.car.questions import PLAIN, Question
from carviz.car.valuing import check_measurable, halves, value_passport, value_remark
from carviz.checks import check_filters
from carviz.evaluate import (
    Images,
    OutputKind,
    check_answers,
    find_normalization,
    fingerprint_images,
    fingerprint_model,
    is_coarser,
    placed,
    placement,
    stratified_order,
    versions,
)
from carviz.reference import NeverCalledError

Layers = list[str] | list[nn.Module] | list[str | nn.Module] | tuple[str | nn.Module, ...] | None
"""Several banks; None for every bank that is no gate."""


def prepare_car(
    model: Any,
    data: Any,
    layer: str | nn.Module,
    *,
    filters: Sequence[int] | None = None,
    device: str | torch.device | None = None,
    run: Run | None = None,
    tick: Callable[[], None] | None = None,
    answers: OutputKind | None = None,
    question: Question = PLAIN,
) -> Measurement:
    """Check everything, trace, and try the plan on a few images; nothing is measured yet.

    What a reader should know of how it will run stands in the passport, under "remark".
    `model` may also be a network that `carviz.banks.open_network` opened, so that several banks
    share one trace. `tick` is called between two passes of the audit; what it raises ends it.
    """
    network = open_network(model, device, watch=True)
    name = find_layer(network, model, layer)
    count = network.convolution(name).out_channels
    chosen = list(range(count))
    if filters is not None:
        chosen = check_filters(filters, count, name, once="measured", some=True)
    told = None if tick is None else lambda _share: tick()
    return _prepare(network, model, data, {name: chosen}, run, told, answers, question)[0]


def prepare_banks(
    model: Any,
    data: Any,
    layers: Layers,
    *,
    filters: Sequence[int] | None = None,
    device: str | torch.device | None = None,
    run: Run | None = None,
    tick: Callable[[float], None] | None = None,
    answers: OutputKind | None = None,
    question: Question = PLAIN,
) -> list[Measurement]:
    """Prepare several banks as `prepare_car` does one; what they can share is made once.

    That is the traced network, its weights with the BatchNorms folded in, the images and their
    order, and the fingerprints. `tick` is told the share of the banks that are prepared, between
    two passes of an audit; what it raises ends it.
    """
    network = open_network(model, device, watch=True)
    names = _bank_names(network, model, layers)
    if filters is not None:
        raise ValueError(
            f"filters are numbers in one bank; found {len(names)} banks. Measure all filters of "
            "several banks, or some filters of one bank: measure_car(model, data, layer, "
            "filters=…)."
        )
    chosen = {name: list(range(network.convolution(name).out_channels)) for name in names}
    asked = layers is not None
    return _prepare(network, model, data, chosen, run, tick, answers, question, asked=asked)


def _bank_names(network: Network, model: Any, layers: Any) -> list[str]:
    """Return the names of the banks that are asked for, each of them once."""
    if layers is None:
        names = [bank.layer for bank in banks_of(network) if not bank.gate]
        if not names:
            raise ValueError(
                "A network with banks of filters is needed; this one has no convolution that its "
                "forward pass uses, or gates alone. carviz.list_banks(model) lists them."
            )
        return names
    names = [find_layer(network, model, layer) for layer in layers]
    if not names:
        raise ValueError(
            "Several banks are a list of their names, or None for all of them; found an empty list."
        )
    twice = [name for place, name in enumerate(names) if name in names[:place]]
    if twice:
        raise ValueError(f"Each bank is measured once; found {twice[0]!r} more than once.")
    return names


def _prepare(
    network: Network, model: Any, data: Any, chosen: dict[str, list[int]], run: Run | None,
    tick: Callable[[float], None] | None, answers: OutputKind | None, question: Question, *,
    asked: bool = True,
) -> list[Measurement]:  # fmt: skip
    """Prepare banks, each with its filters.

    Without a graph it shows only now which convolutions the forward pass never calls: where nobody
    `asked` for these very banks, they are left out, and told.
    """
    if run is not None and not isinstance(run, Run):
        raise TypeError(f"run is a carviz.Run or None; found {type(run).__name__}.")
    check_answers(answers)
    images = question.images(data)
    order = stratified_order(images.hints, len(images), SEED)
    sample = sample_of(images, order.tolist(), network)
    run, coarse = _on_device(run or Run(), sample.device)
    asking = question.ask(images, network, sample, run)
    asking.check_first(images, int(order[0]))
    check_measurable(network, list(chosen), question.value, len(images), run)
    choosing = order[:0]
    if question.value.kind == "optimal":
        choosing, order = halves(order, images.hints)
    alike: dict[str, Any] = {}
    folded: Folded = {}
    prepared: list[Measurement] = []
    unused: list[str] = []
    for place, (name, filters) in enumerate(chosen.items()):
        check = None if tick is None else partial(tick, place / len(chosen))
        try:
            plan, audit = asking.choose(
                network, name, sample, tick=check,
                small=len(filters) < FEW_FILTERS or len(images) < FEW_IMAGES, answers=answers,
                folded=folded,
            )  # fmt: skip
        except NeverCalledError:
            if asked or len(unused) + 1 == len(chosen):
                raise
            unused.append(name)
            continue
        reading = asking.reading(plan.classes)
        named = asking.kind != "score"
        classes = _class_names(images, model, network, plan.classes) if named else ()
        one = sample[:1].contiguous(memory_format=layout_of(plan))
        needs = find_needs(plan, one, filters[0])
        alike = alike or _alike(network, images, data, run)
        words = (audit.remark, coarse, value_remark(network, question.value))
        passport = _passport(plan, audit, alike, words) | asking.passport()
        passport |= value_passport(plan, len(choosing), len(order))
        prepared += [
            Measurement(
                network,
                plan,
                name,
                filters,
                images,
                order,
                classes,
                run,
                needs,
                passport,
                audit,
                reading,
                choosing,
            )
        ]
    if unused:
        warnings.warn(
            "carviz: left out, since the forward pass never calls them: "
            f"{', '.join(repr(name) for name in unused)}.",
            stacklevel=4,
        )
    return prepared


def sample_of(images: Images, order: list[int], network: Network) -> Tensor:
    """Return the first images of an order where the network is, for its plan to be tried on."""
    # Few images are shown several times: the plan wants to see a batch.
    numbers = (order * AUDITED_IMAGES)[:AUDITED_IMAGES]
    return placed(images.read(numbers)[0], network.model)


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


def _alike(network: Network, images: Images, data: Any, run: Run) -> dict[str, Any]:
    """Return what the passports of all banks say alike."""
    found = find_normalization(data, network.model)
    device, dtype = placement(network.model)
    opened = getattr(images.source, "opened", None)  # as carviz.load_data says
    return {
        "model": network.watch.fingerprint if network.watch else fingerprint_model(network.model),
        "data": fingerprint_images(images),
        **({} if opened is None else {"opened": opened}),
        "definition": DEFINITION,
        "device": device.type,
        "dtype": str(dtype),
        "precision": run.precision,
        "normalization": None
        if found is None
        else {"mean": found.mean, "std": found.std, "source": found.source},
        "seed": SEED,
        "versions": versions(),
    }


def _on_device(run: Run, device: torch.device) -> tuple[Run, str]:
    """Return how to run on a device, and in words where that is not what was asked for."""
    if run.precision == "float32" or is_coarser(run.precision, device.type):
        return run, ""
    words = f"TF32 is for NVIDIA's GPUs; this device ({device.type}) measures in float32."
    return dataclasses.replace(run, precision="float32"), words


def _passport(
    plan: Plan, audit: Audit, alike: dict[str, Any], words: Sequence[str]
) -> dict[str, Any]:
    # Only what is not plain is told: parts kept by an earlier carviz say nothing of it.
    answers = plan.pick.answers
    return {
        **alike,
        "ablation": plan.where,
        **({} if answers == "logits" else {"answers": answers}),
        "engine": plan.how,
        "remark": " ".join(filter(None, words)),
        "audit": audit.passport(),
    }
