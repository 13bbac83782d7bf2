"""How many of some filters select colour, beside what a blind draw would give."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from math import comb

from carviz.results.selectivity_table import SelectivityTable


@dataclasses.dataclass(frozen=True)
class ColorCount:
    """Colour-selective filters among those drawn, beside those of whole banks.

    Parameters
    ----------
    color, drawn
        How many of the drawn filters select colour, and how many were drawn.
    of_color, of
        How many of all filters select colour, and how many there are.
    """

    color: int
    drawn: int
    of_color: int
    of: int

    @property
    def share(self) -> float:
        """Share of the drawn filters that select colour; NaN where none is drawn."""
        return self.color / self.drawn if self.drawn else float("nan")

    @property
    def chance(self) -> float:
        """Share of all filters that select colour: what a blind draw gives on average."""
        return self.of_color / self.of if self.of else float("nan")

    @property
    def likely(self) -> tuple[float, float]:
        """Between which shares 95% of blind draws lie; NaN where none is drawn."""
        from scipy.stats import hypergeom

        if not self.drawn:
            return float("nan"), float("nan")
        low, high = hypergeom.interval(0.95, self.of, self.of_color, self.drawn)
        return float(low) / self.drawn, float(high) / self.drawn

    @property
    def p_value(self) -> float:
        """How likely a blind draw holds as many or more: the tail of the hypergeometric law."""
        # Not scipy.stats.hypergeom: that takes 50 MiB along on the way to a screen's numbers.
        others, most = self.of - self.of_color, min(self.drawn, self.of_color)
        draws = sum(
            comb(self.of_color, n) * comb(others, self.drawn - n)
            for n in range(self.color, most + 1)
        )
        return draws / comb(self.of, self.drawn)


def count_color(
    steps: Sequence[tuple[str, int]], kinds: Mapping[str, SelectivityTable], *, faint: bool = True
) -> ColorCount:
    """Count the colour-selective filters among `steps`, each (bank, filter).

    Dead filters, and those of banks without a table, are counted nowhere; nor, where `faint` is
    False, those that training hardly shaped.
    """
    counted = {
        (bank, i): bool(table.kind[i] == "color")
        for bank, table in kinds.items()
        for i in range(len(table.kind))
        if table.kind[i] != "dead" and (faint or not table.faint[i])
    }
    drawn = [counted[step] for step in steps if step in counted]
    return ColorCount(sum(drawn), len(drawn), sum(counted.values()), len(counted))
