"""What a measurement with another value than zero asks for, and what its passport says of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from carviz.ablation import QUANTILES, Plan, Run, Value
from carviz.banks import Network, banks_of
from carviz.car.measurement import SEED
from carviz.evaluate import placement


def check_measurable(
    network: Network, layers: Sequence[str], value: Value, images: int, run: Run
) -> None:
    """Refuse what cannot be measured with a value.

    Raises
    ------
    ValueError
        If a bank is a gate, a number is beyond the network's type, there is one image only, or low
        precision is asked to choose.
    """
    if value.is_zero:
        return
    gates = [] if network.graph is None else [b.layer for b in banks_of(network) if b.gate]
    if value.kind == "number":
        dtype = torch.bfloat16 if run.precision == "bf16" else placement(network.model)[1]
        if abs(value.number) > (most := torch.finfo(dtype).max):
            kind = str(dtype).removeprefix("torch.")
            raise ValueError(
                f"value is a number that the network's type holds; found {value.number:g}, and "
                f"{kind} ends at {most:g}. Give a smaller number."
            )
    for layer in layers:
        if layer in gates:
            raise ValueError(
                f"value={value.given!r} stands in the place of a channel that a later layer reads; "
                f"{layer!r} is a gate, whose channels lead to a gate or multiply those of another "
                "bank. Measure that bank, or the gate with value='zero'; carviz.list_banks tells "
                "which banks are gates."
            )
    if images < 2 and value.kind == "resample":
        raise ValueError(
            "value='resample' takes the channel of another image; found data of one image. Give "
            "more images, or another value."
        )
    if images < 2 and value.kind == "optimal":
        raise ValueError(
            "value='optimal' is chosen on one half of the images and told on the other; found "
            "data of one image. Give more images, or another value."
        )
    if value.kind == "optimal" and run.precision != "float32":
        raise ValueError(
            "value='optimal' is chosen by small changes of log p, which wants float32; found "
            f"precision={run.precision!r}. Leave `precision` out, or take another value."
        )


def value_remark(network: Network, value: Value) -> str:
    """Return what a reader should know of a value in this network; "" for nothing."""
    if value.is_zero or network.graph is not None:
        return ""
    return (
        "Without a graph it is not known which banks are gates, whose channels multiply those of "
        f"another bank; there value={value.given!r} stands in a factor's place."
    )


def halves(
    order: NDArray[np.int64], labels: NDArray[np.int64] | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cut images in two halves, each with the data's shares of the classes, to within one image.

    Parameters
    ----------
    order
        The images' numbers in a seeded order (`carviz.evaluate.stratified_order`).
    labels
        (image,) by number, or None where they are not known without reading images.

    Returns
    -------
    numpy.ndarray, numpy.ndarray
        Both in that order: those to choose by, and those to tell of.
    """
    classes = np.zeros(len(order)) if labels is None else labels[order]
    first = np.zeros(len(order), np.bool_)
    odd = 0  # classes of odd size give the image that is left to either half in turn
    for label in np.unique(classes):
        members = np.flatnonzero(classes == label)
        first[members[odd::2]] = True
        odd = (odd + len(members)) % 2
    return order[first], order[~first]


def value_passport(plan: Plan, choosing: int, told: int) -> dict[str, Any]:
    """Return what the passport says of the value; nothing where it is zero.

    Parameters
    ----------
    choosing, told
        Images by which an optimal value is chosen, and that the table tells of.
    """
    value = plan.value
    if value.is_zero:
        return {}
    kinds: dict[str, dict[str, Any]] = {
        "mean": {"over": "all images and places"},
        "resample": {"of": "another image of the chunk", "seed": SEED},
        "optimal": {
            "quantiles": list(QUANTILES), "seed": SEED, "chosen_on": choosing, "told_on": told,
        },
    }  # fmt: skip
    where = plan.where.removeprefix(f"{value.words} at ")
    return {"value": {"set": value.given, "where": where, **kinds.get(value.kind, {})}}
