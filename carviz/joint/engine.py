"""Measure sets of filters, and every filter that they have alone, in one pass over the images."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from carviz.ablation import Removed, Run, count_costs, in_short, layout_of
from carviz.banks import Network
from carviz.car import FIRST_CHUNK, Measurement, Question, measure_together
from carviz.evaluate import (
    LabelTargets,
    Progress,
    free_memory,
    is_coarser,
    placed,
    placement,
    telling,
)
from carviz.joint.given import Members
from carviz.joint.measurement import AcrossBanks, SetMeasurement
from carviz.results import CarTable

FACT = 8
"""Bytes of a set and an image: a class, and a fall of log p."""
COPIES = 3
"""How often all facts are in memory at the end: chunk by chunk, as a table, and as the record."""


def check_classes(data: Any) -> None:
    """Refuse data with a row of labels an image."""
    if isinstance(Question().images(data).targets, LabelTargets):
        raise ValueError(
            "Sets of filters are measured on data with one class an image; this data has a row of "
            "labels an image. carviz.measure_car(model, data, layer) measures the labels of single "
            "filters."
        )


def check_run(run: Any, network: Network) -> None:
    """Refuse low precision: what is beyond a sum is a small difference.

    What a device does not know is float32 there, as in `carviz.measure_car`.
    """
    device = placement(network.model)[0]
    if isinstance(run, Run) and is_coarser(run.precision, device.type):
        raise ValueError(
            "Sets are measured in float32, for what they do beyond their members is a small "
            f"difference; found Run(precision={run.precision!r}). Leave precision out."
        )


def measure_sets(
    banks: Sequence[Measurement], sets: Sequence[Members], layer: str, progress: Progress, what: str
) -> dict[str, Any]:
    """Return the fields of a `JointTable`.

    Parameters
    ----------
    banks
        The banks of the sets' filters, prepared.
    sets
        The sets.
    layer
        The bank's name, "" where sets are mappings.
    what
        What is measured, for the progress bar.
    """
    names = [bank.layer for bank in banks]
    singles = sorted(
        {one for members in sets for one in members}, key=lambda one: (names.index(one[0]), one[1])
    )
    check_room(banks, sets, len(singles))
    measurements, places = _measurements(banks, sets)
    with telling(progress, f"CAR of {what}") as tell:
        tables = deque(measure_together(measurements, tell), maxlen=1).pop()
    first = tables[0]
    predictions, falls = _rows(tables, places, singles, sets)
    row = {one: place for place, one in enumerate(singles)}
    F, pairs = len(singles), len(sets) * len(first.images)
    ran = sum(table.passport["ran"] for table in tables)
    return {
        "layer": layer,
        "banks": tuple(names),
        "bank": [names.index(bank) for bank, _ in singles],
        "filters": [filter for _, filter in singles],
        "members": [row[one] for members in sets for one in members],
        "sizes": [len(members) for members in sets],
        "classes": first.classes,
        "images": first.images,
        "targets": first.targets,
        "baseline": first.baseline,
        "predictions": predictions[F:],
        "image_log_prob_drop": falls[F:],
        "single_predictions": predictions[:F],
        "single_image_log_prob_drop": falls[:F],
        "passport": _passport(tables, pairs, ran),
    }


def _measurements(
    banks: Sequence[Measurement], sets: Sequence[Members]
) -> tuple[list[Measurement], dict[Members, tuple[int, int]]]:
    """Return what measures sets and single filters; of each set which of these, and its row."""
    found: list[Measurement] = []
    places: dict[Members, tuple[int, int]] = {}
    across = [members for members in sets if len({bank for bank, _ in members}) > 1]
    for bank in banks:
        own = [m for m in sets if {name for name, _ in m} == {bank.layer}]
        rows = [tuple(filter for _, filter in members) for members in own]
        alone = {f for members in across for name, f in members if name == bank.layer}
        held = {filter for one in rows for filter in one}
        # Filters that only sets across banks have are measured alone as well.
        measured = SetMeasurement.of(bank, [*rows, *((f,) for f in sorted(alone - held))])
        for row, one in enumerate(measured.sets):
            places.setdefault(tuple((bank.layer, filter) for filter in one), (len(found), row))
        found.append(measured)
    if across:
        for row, members in enumerate(across):
            places[members] = len(found), row
        found.append(AcrossBanks.of(banks[0], [_by_bank(members) for members in across]))
    return found, places


def _by_bank(members: Members) -> Removed:
    removed: Removed = {}
    for bank, filter in members:
        removed.setdefault(bank, []).append(filter)
    return removed


def _rows(
    tables: Sequence[CarTable], places: dict[Members, tuple[int, int]],
    singles: Sequence[tuple[str, int]], sets: Sequence[Members],
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:  # fmt: skip
    """Return (F and S, M) predictions and falls of log p: single filters first."""
    asked = [places[one] for one in [*((single,) for single in singles), *sets]]
    baseline = tables[0].baseline
    predictions = np.empty((len(asked), len(baseline)), np.int32)
    falls = np.empty(predictions.shape, np.float32)
    for row, (table, place) in enumerate(asked):
        of = tables[table]
        # Plans round each in their own way, so that what is a tie with all filters may differ from
        # bank to bank: an answer that stays in one plan stays.
        stays = of.predictions[place] == of.baseline
        predictions[row] = np.where(stays, baseline, of.predictions[place])
        falls[row] = of.image_log_prob_drop[place]
    return predictions, falls


def _passport(tables: Sequence[CarTable], pairs: int, ran: int) -> dict[str, Any]:
    """Return the passport: how many (set, image) pairs ran of all, and what is said of the banks.

    Of one bank that stands as in the passport of its `CarTable`, else by the banks' names.
    """
    first, by_bank = tables[0].passport, ("ablation", "engine", "audit")
    kept = {k: v for k, v in first.items() if k not in ("ran", *by_bank)}
    remarks = list(dict.fromkeys(r for table in tables if (r := table.passport["remark"])))
    if len(tables) == 1:
        kept |= {name: first[name] for name in by_bank}
    else:
        # What measures sets across banks comes last, and has the first bank's name.
        names = [table.layer for table in tables]
        names = [n if n not in names[:i] else "across banks" for i, n in enumerate(names)]
        pairs_of = list(zip(names, (table.passport for table in tables), strict=True))
        kept |= {name: {bank: of[name] for bank, of in pairs_of} for name in by_bank}
    return {**kept, "remark": " ".join(remarks), "sets": {"pairs": pairs, "ran": ran}}


# -- what it would take


def check_room(banks: Sequence[Measurement], sets: Sequence[Members], singles: int) -> None:
    """Refuse sets whose facts memory does not hold; the cost is told."""
    images, classes = len(banks[0].images), len(banks[0].classes)
    rows = len(sets) + singles
    chunks = len(banks[0].chunks())
    asked = rows * (COPIES * images * FACT + 8 * classes * (chunks + 2))
    there = free_memory()
    if asked > there:
        fit = int(rows * there / asked) - singles
        fewer = f"about {fit:,} sets at a time, or " if fit > 0 else ""
        raise ValueError(
            f"What is found of every set and image is held in memory; {len(sets):,} sets of "
            f"{images:,} images take {_gib(asked)}, and {_gib(there)} are free. "
            f"They would also be {cost_words(banks[0], len(sets))}. Measure {fewer}fewer "
            "images (load_data(…, limit=…))."
        )


def _gib(count: int) -> str:
    return f"{count / 2**30:,.2f} GiB"


def cost_words(bank: Measurement, sets: int) -> str:
    """Return in words what sets cost at most, before silent channels are left out."""
    numbers = bank.order[:FIRST_CHUNK].tolist()
    sample = placed(bank.images.read(numbers)[0], bank.network.model, layout_of(bank.plan))
    images = len(bank.images)
    plan = count_costs(
        bank.network, bank.plan, sample,
        layer=bank.layer, filters=bank.filters[:1], images=images,
    )  # fmt: skip
    work = plan.tail * sets * images
    passes = work / plan.network if plan.network else 0.0
    return (
        f"{in_short(work)} multiply-adds at most, as {passes:,.0f} images through the whole network"
    )
