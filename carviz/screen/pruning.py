"""Pruning: the order and its curves, what is lost at the slider's place, and what was saved."""

from __future__ import annotations

from typing import Any

from carviz.ablation import in_short
from carviz.results import ColorCount, PruningPath, RandomBand, SelectivityTable, count_color
from carviz.screen.numbers import flags, floats
from carviz.session import Snapshot
from carviz.wording import (
    band_words,
    color_words,
    counted,
    criterion_words,
    percent,
    points,
    probability_words,
    share_words,
)

SHOWN = 6
"""Classes in the list of what was lost."""


def pruning(shown: Snapshot) -> dict[str, Any]:
    """Return the paths of the bank that is shown.

    Returns
    -------
    dict
        layer, filters, order (None before it was pruned) and tied (bytes: whether a tie decided
        the step); lines: criterion, name, accuracy (bytes) of each path and whether it is complete,
        as long as that of greedy CAR, which is the first; held:
        the accuracy of its order on held-out images, or None; band: draws, lowest, highest and mean
        of random orders, or None; one_answer; notes (sentences); compare (whether criteria are
        still to be compared).
    """
    path, band, held = shown.path, shown.band, shown.held_out
    found = {"layer": shown.layer, "filters": shown.bank.filters}
    if path is None:
        return {**found, "order": None}
    return {
        **found,
        "order": path.order.tolist(),
        "tied": flags(path.decided_by_tie),
        "lines": [
            {
                "criterion": p.criterion,
                "name": criterion_words(p),
                "accuracy": floats(p.accuracy),
                "complete": len(p) >= len(path),
            }
            for p in shown.paths
        ],
        "held": None if held is None else floats(held.accuracy),
        "band": None if band is None else {
            "draws": len(band),
            "lowest": floats(band.lowest),
            "highest": floats(band.highest),
            "mean": floats(band.mean),
        },
        "one_answer": float(path.one_answer),
        "notes": notes(path, band, held),
        "compare": bool(shown.missing),
    }  # fmt: skip


def notes(path: PruningPath, band: RandomBand | None, held_out: PruningPath | None) -> list[str]:
    """Return what a reader should know of the lines."""
    found = []
    if len(path):
        chosen = f"CAR chose its order on these {counted(len(path.targets), 'image')}"
        others = "on others its line can lie lower."
        if held_out is not None:
            others = f"the dashed line is of {counted(len(held_out.targets), 'other')}."
        tied = f"A tie decided {share_words(path.tie_share)} of its steps."
        found += [f"{chosen}: {others}", tied]
    return found + ([] if band is None else [band_words(band)])


def place(shown: Snapshot) -> dict[str, Any]:
    """Return what is left, and what was lost, after `count` filters.

    Returns
    -------
    dict
        count; right ("97.4%") and change ("−0.7 points", "" at 0); colours: lines [before, strong,
        after] on how many of them select colour; lost: [class's number, before, after, images]
        each, those of the most; more (how many are not shown). Only count before it was pruned.
    """
    path, count = shown.path, shown.count
    if path is None:
        return {"count": 0}
    change = points(path.accuracy[count] - path.accuracy[0]) if count else ""
    colours = [] if shown.selectivity is None else _colours(path, count, shown.selectivity)
    right = percent(path.accuracy[count])
    return {"count": count, "right": right, "change": change, "colours": colours,
            **_lost(path, count)}  # fmt: skip


def _colours(path: PruningPath, count: int, kinds: SelectivityTable) -> list[list[str]]:
    if not count:
        return []
    steps, by_bank = path.steps[:count], {kinds.layer: kinds}
    lines = [_share("Colour-selective among them: ", count_color(steps, by_bank))]
    if kinds.faint.any():
        found = count_color(steps, by_bank, faint=False)
        lines.append(_share("; without the faint filters ", found))
    return lines


def _share(before: str, count: ColorCount) -> list[str]:
    """Write a count among the first pruned, and chance: the bank's own share."""
    if not count.drawn:
        return [f"{before}none is left to count", "", ""]
    chance = f"by chance {share_words(count.chance)}, {probability_words(count.p_value)}"
    return [before, color_words(count), f", {chance}"]


def _lost(path: PruningPath, count: int) -> dict[str, Any]:
    columns = path.lost_columns(count)  # not the frame: a screen can do without pandas
    lost = int((columns["car"] > 0).sum())
    rows = [
        [
            int(columns["number"][i]), float(columns["before"][i]), float(columns["after"][i]),
            int(columns["images"][i]),
        ]
        for i in range(min(lost, SHOWN))
    ]  # fmt: skip
    return {"lost": rows, "more": max(lost - SHOWN, 0)}


def report(shown: Snapshot) -> dict[str, Any]:
    """Return what became smaller in the network that was saved last: name, path, rows; or {}."""
    done = shown.exported
    if done is None:
        return {}
    a, b = done.report.before, done.report.after
    rows = [
        ["parameters", f"{a.parameters:,}", f"{b.parameters:,}"],
        ["multiply-adds", in_short(a.multiply_adds), in_short(b.multiply_adds)],
    ]
    return {"name": done.path.name, "path": str(done.path), "rows": rows}
