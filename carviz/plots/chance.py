"""Colour among the first pruned, beside chance, in words."""

from __future__ import annotations

import math
from collections.abc import Mapping

from carviz.results import PruningPath, SelectivityTable
from carviz.results.chance.color_count import ColorCount, count_color


def chance_lines(path: PruningPath, kinds: Mapping[str, SelectivityTable], count: int) -> list[str]:
    """Write how many of the first `count` select colour beside chance, then without faint ones.

    Chance is the share of colour-selective filters among all of the banks that can be told, dead
    ones left out. Filters of banks without a table, and dead ones, are not counted.
    """
    if not kinds or not count:
        return []
    steps = path.steps[:count]
    found, shaped = count_color(steps, kinds), count_color(steps, kinds, faint=False)
    first = f"the first {count} pruned"
    if found.drawn < count:
        first = f"{found.drawn} counted among {first}"
    lines = [
        f"{found.color} of {first} ({_share(found.share)}) select colour; chance: {_chance(found)}",
        f"By chance as many or more: p = {found.p_value:.2g} (hypergeometric).",
    ]
    if found.drawn < count:
        lines[1] += " Dead filters and banks without colour indices are not counted."
    if shaped.of < found.of:
        lines.append(
            f"Without {found.of - shaped.of} that training hardly shaped (energy under 10% of the "
            f"median): {shaped.color} of {shaped.drawn} ({_share(shaped.share)}); chance: "
            f"{_chance(shaped)}; p = {shaped.p_value:.2g}"
        )
    return lines


def _share(share: float) -> str:
    return "none" if math.isnan(share) else f"{share:.0%}"


def _chance(count: ColorCount) -> str:
    return f"{count.of_color} of {count.of} ({_share(count.chance)})"
