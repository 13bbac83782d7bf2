"""A snapshot as plain dictionaries, lists, numbers and strings."""

from __future__ import annotations

import dataclasses
from typing import Any

from carviz.class_lists import class_lists
from carviz.results import JointTable, PruningPath, RandomBand, beyond
from carviz.session.bank_tables import car_of
from carviz.session.seeing.kept import SIGHTS
from carviz.wording import (
    CRITERIA,
    KIND_LETTERS,
    apart_words,
    band_words,
    counts_words,
    excess_words,
    flips_words,
    index_words,
    interval_words,
    kind_words,
    percent,
    points,
    rank_words,
    seen_words,
)

CLASSES = 5
"""Classes at each end of a filter's list."""


def as_json(shown: Any) -> dict[str, Any]:
    """Return what `Snapshot.to_json` returns of a snapshot; see there."""
    return {
        "model": shown.model,
        "data": shown.data,
        "images": len(shown.images),
        "device": shown.device,
        "banks": [
            {"layer": b.layer, "filters": b.filters, "gate": b.gate, "reads_rgb": b.reads_rgb}
            for b in shown.banks
        ],
        "layer": shown.layer,
        "filter": shown.filter,
        "count": shown.count,
        "picked": list(shown.picks.several),
        "pinned": shown.picks.pinned,
        **dataclasses.asdict(shown.looks),
        "busy": shown.busy,
        "progress": shown.progress,
        "status": shown.status,
        "filters": _filters(shown),
        "chosen": _chosen(shown),
        **_classes(shown),
        "together": _together(shown.joint, shown.sets_tried),
        "pruning": _pruning(shown),
        "pictures": {sight: sorted(shown.seen.pictures(sight)) for sight in SIGHTS},
    }


def _filters(shown: Any) -> list[dict[str, Any]]:
    kinds, car = shown.selectivity, car_of(shown.tables, shown.bank.filters)
    rows = []
    for filter in shown.order:
        kind = "" if kinds is None else str(kinds.kind[filter])
        known = car[filter] == car[filter]
        rows.append(
            {
                "filter": filter,
                "kind": kind,
                "mark": KIND_LETTERS.get(kind, ""),
                "car": float(car[filter]) if known else None,
                "car_words": points(car[filter], unit=False) if known else "",
            }
        )
    return rows


def _chosen(shown: Any) -> dict[str, Any]:
    kinds, found = shown.selectivity, None
    said: dict[str, Any] = {"filter": shown.filter, "measured": shown.measured}
    if kinds is not None:
        kind = str(kinds.kind[shown.filter])
        index = float(kinds.color_index[shown.filter])
        said |= {
            "kind": kind,
            "kind_words": kind_words(kind),
            "color_index": index if index == index else None,
            "index_words": index_words(index),
        }
    if shown.table is not None and shown.measured:
        found = shown.table.summary(shown.filter, k=0)
        said |= {
            name: value
            for name, value in dataclasses.asdict(found).items()
            if name not in ("layer", "top", "bottom") and value == value  # no NaN in JSON
        }
        said |= {
            "car_words": points(found.car, unit=False),
            "interval_words": interval_words(found.low, found.high, unit=False),
            "flips_words": flips_words(found.lost, found.gained, found.images),
            "rank_words": rank_words(found, shown.bank.filters),
            "apart_words": apart_words(shown.table),
            "seen_words": seen_words(shown.table),
            "complete": shown.table.complete,
        }
    return said


def _classes(shown: Any) -> dict[str, Any]:
    if shown.table is None or not shown.measured:
        return {"classes": [], "class_notes": []}
    found = class_lists(shown.table, shown.filter, CLASSES)
    notes = [note for note in (found.doubt, found.rest, found.tie) if note]
    blocks = [
        {
            "title": title,
            "rows": [
                {
                    **dataclasses.asdict(row),
                    "car_words": points(row.car, unit=False),
                    "interval_words": interval_words(row.low, row.high, unit=False),
                    "counts_words": counts_words(row.lost, row.gained, row.images),
                }
                for row in rows
            ],
        }
        for title, rows in found.blocks
    ]
    return {"classes": blocks, "class_notes": notes}


def _together(table: JointTable | None, tried: int) -> dict[str, Any] | None:
    """Return what a set of filters costs, the only one of its table, and each of its members."""
    if table is None:
        return None
    car, (low, high) = float(table.car[0]), (float(end[0]) for end in table.car_interval)
    lost, gained, images = int(table.lost[0]), int(table.gained[0]), len(table.images)
    excess, p_value = float(table.excess[0]), float(table.p_value[0])
    ends, several = (float(table.low[0]), float(table.high[0])), len(table.filters) > 1
    return {
        "car": car,
        "car_words": points(car, unit=False),
        "low": low,
        "high": high,
        "interval_words": interval_words(low, high, unit=False),
        "lost": lost,
        "gained": gained,
        "images": images,
        "flips_words": flips_words(lost, gained, images),
        "sum_of_cars": float(table.sum_of_cars[0]),
        "excess": excess,
        "excess_low": ends[0],
        "excess_high": ends[1],
        "p_value": p_value if several else None,
        "excess_words": excess_words(excess, *ends, p_value, beyond(table, 0), tried)
        if several
        else "",
        "members": [
            {"filter": filter, "car": single, "car_words": points(single, unit=False)}
            for filter, single in zip(
                table.filters.tolist(), table.single_car.tolist(), strict=True
            )
        ],
    }


def _pruning(shown: Any) -> dict[str, Any] | None:
    if shown.path is None:
        return None
    return {
        "order": shown.path.order.tolist(),
        "accuracy": [float(a) for a in shown.path.accuracy],
        "accuracy_words": percent(shown.path.accuracy[shown.count]),
        "paths": {
            path.criterion: {
                "name": CRITERIA[path.criterion],
                "order": path.order.tolist(),
                "accuracy": [float(a) for a in path.accuracy],
            }
            for path in shown.paths
        },
        "chosen_on": len(shown.path.targets),
        "tie_share": shown.path.tie_share if len(shown.path) else None,
        "band": None if shown.band is None else _band_json(shown.band),
        "held_out": None if shown.held_out is None else _held_out_json(shown.held_out),
        "exported": None if shown.exported is None else str(shown.exported.path),
    }


def _band_json(band: RandomBand) -> dict[str, Any]:
    """Return a band of random orders: at each place the lowest, the highest and the mean."""
    return {
        "draws": len(band),
        "seed": band.seed,
        "covers": band.covers,
        "lowest": band.lowest.tolist(),
        "highest": band.highest.tolist(),
        "mean": band.mean.tolist(),
        "words": band_words(band),
    }


def _held_out_json(path: PruningPath) -> dict[str, Any]:
    """Return the accuracy of an order on images that had no part in it."""
    return {"images": len(path.targets), "accuracy": [float(a) for a in path.accuracy]}
