"""What is known of one model on its data: measured, told apart, pruned, bank by bank."""

from __future__ import annotations

import dataclasses

from carviz.banks import Bank
from carviz.explorer.known import Known
from carviz.explorer.pruned import Pruned
from carviz.explorer.seen import Seen
from carviz.explorer.subject import Subject
from carviz.results import SelectivityTable
from carviz.selectivity import measure_selectivity


@dataclasses.dataclass(eq=False)
class Findings:
    """By the names of the banks.

    Attributes
    ----------
    tables
        The CAR tables.
    kinds
        Which filters select colour.
    judged
        The banks that read RGB of which images have said, too, which filters are dead.
    pruned
        The paths of pruning.
    seen
        Pictures of what the filters see, and their siblings.
    """

    tables: dict[str, Known] = dataclasses.field(default_factory=dict)
    kinds: dict[str, SelectivityTable] = dataclasses.field(default_factory=dict)
    judged: set[str] = dataclasses.field(default_factory=set)
    pruned: dict[str, Pruned] = dataclasses.field(default_factory=dict)
    seen: dict[str, Seen] = dataclasses.field(default_factory=dict)

    def of(self, layer: str) -> Known:
        """Return the tables of one bank, to be added to."""
        return self.tables.setdefault(layer, Known())

    def pruned_of(self, layer: str) -> Pruned:
        """Return the paths of one bank, to be added to."""
        return self.pruned.setdefault(layer, Pruned())

    def seen_of(self, layer: str) -> Seen:
        """Return what is seen of one bank, to be added to."""
        return self.seen.setdefault(layer, Seen())

    def look(self, subject: Subject, bank: Bank) -> None:
        """Tell colour from shape by the weights of a bank that reads RGB, unless that is known."""
        if bank.reads_rgb and bank.layer not in self.kinds:
            self.kinds[bank.layer] = measure_selectivity(
                subject.network, bank.layer, normalize=subject.normalize(), progress=False
            )
