"""Colour among the first pruned, beside chance, in words."""

from __future__ import annotations

from collections.abc import Mapping

from carviz.plots.pruned import steps_of
from carviz.results import PruningPath, SelectivityTable


def chance_lines(path: PruningPath, kinds: Mapping[str, SelectivityTable], count: int) -> list[str]:
    """Write how many of the first `count` select colour beside chance, then without faint ones.

    Chance is the share of colour-selective filters among all of the banks that can be told, dead
    ones left out. Filters of banks without a table, and dead ones, are not counted.
    """
    if not kinds or not count:
        return []
    drawn, alive = _drawn(path, kinds, count, faint=True)
    first = f"the first {count} pruned"
    if len(drawn) < count:
        first = f"{len(drawn)} counted among {first}"
    lines = [
        f"{sum(drawn)} of {first} ({_share(drawn)}) select colour; chance: {_counts(alive)}",
        f"By chance as many or more: p = {_tail(drawn, alive):.2g} (hypergeometric).",
    ]
    if len(drawn) < count:
        lines[1] += " Dead filters and banks without colour indices are not counted."
    shaped, of = _drawn(path, kinds, count, faint=False)
    if len(of) < len(alive):
        lines.append(
            f"Without {len(alive) - len(of)} that training hardly shaped (energy under 10% of the "
            f"median): {_counts(shaped)}; chance: {_counts(of)}; p = {_tail(shaped, of):.2g}"
        )
    return lines


def _drawn(
    path: PruningPath, kinds: Mapping[str, SelectivityTable], count: int, *, faint: bool
) -> tuple[list[bool], list[bool]]:
    """Return whether each counted filter selects colour: of the first pruned, and of all."""
    counted = {
        (bank, i): bool(table.kind[i] == "color")
        for bank, table in kinds.items()
        for i in range(len(table.kind))
        if table.kind[i] != "dead" and (faint or not table.faint[i])
    }
    return [counted[s] for s in steps_of(path)[:count] if s in counted], list(counted.values())


def _share(color: list[bool]) -> str:
    return f"{sum(color) / len(color):.0%}" if color else "none"


def _counts(color: list[bool]) -> str:
    return f"{sum(color)} of {len(color)} ({_share(color)})"


def _tail(drawn: list[bool], alive: list[bool]) -> float:
    """Return how likely a draw at random holds as many colour-selective filters or more."""
    from scipy.stats import hypergeom

    return float(hypergeom.sf(sum(drawn) - 1, len(alive), sum(alive), len(drawn)))
