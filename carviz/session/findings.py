"""What is known of one model on its data: measured, told apart, pruned, bank by bank."""

from __future__ import annotations

import dataclasses

from carviz.banks import Bank
from carviz.results import CarTable, JointTable, SelectivityTable
from carviz.selectivity import measure_selectivity
from carviz.session.bank_paths import BankPaths
from carviz.session.bank_tables import BankTables
from carviz.session.seeing.kept import SIGHTS, Seen
from carviz.session.subject import Subject


@dataclasses.dataclass(eq=False)
class Findings:
    """By the names of the banks; whoever reads or writes holds the session's lock.

    Attributes
    ----------
    tables
        The CAR tables.
    kinds
        Which filters select colour.
    judged
        The banks that read RGB of which images have said, too, which filters are dead.
    paths
        The paths of pruning.
    sets
        What sets of filters cost that were removed together, by their numbers in ascending order.
    seen
        Pictures of what the filters see, and their siblings.
    left
        The bank, the filter and the place on the path that were chosen when something else was
        opened; None if nothing was.
    """

    tables: dict[str, BankTables] = dataclasses.field(default_factory=dict)
    kinds: dict[str, SelectivityTable] = dataclasses.field(default_factory=dict)
    judged: set[str] = dataclasses.field(default_factory=set)
    paths: dict[str, BankPaths] = dataclasses.field(default_factory=dict)
    sets: dict[str, dict[tuple[int, ...], JointTable]] = dataclasses.field(default_factory=dict)
    seen: dict[str, Seen] = dataclasses.field(default_factory=dict)
    left: tuple[str, int, int] | None = None

    def add(self, tables: list[CarTable], kinds: list[SelectivityTable]) -> None:
        """Take in what was saved."""
        for kind in kinds:
            self.kinds[kind.layer] = kind
            self.judged.add(kind.layer)
        for table in tables:
            self.tables_of(table.layer).add(table)

    def tables_of(self, layer: str) -> BankTables:
        """Return the tables of one bank, to be added to."""
        return self.tables.setdefault(layer, BankTables())

    def paths_of(self, layer: str) -> BankPaths:
        """Return the paths of one bank, to be added to."""
        return self.paths.setdefault(layer, BankPaths())

    def sets_of(self, layer: str) -> dict[tuple[int, ...], JointTable]:
        """Return the sets of one bank, to be added to."""
        return self.sets.setdefault(layer, {})

    def sets_tried(self, layer: str) -> int:
        """Return how many sets of two filters or more were measured, 1 at the least."""
        return max(1, sum(len(filters) > 1 for filters in self.sets_of(layer)))

    def seen_of(self, layer: str) -> Seen:
        """Return what is seen of one bank, to be added to."""
        return self.seen.setdefault(layer, Seen())

    def accuracy(self, data_digest: str, images: int) -> float | None:
        """Return the accuracy of the whole network on so many images of this fingerprint, all.

        Any bank may have told it; None where none has.
        """
        for bank in self.tables.values():
            for table in bank.tables:
                if table.complete and table.passport.get("data") == data_digest:
                    return float(table.accuracy)
        for paths in self.paths.values():
            greedy = paths.greedy
            if greedy is not None and len(greedy.targets) == images:
                return float(greedy.accuracy[0])
        # Sets are measured on all images of the session's data alone.
        sets = (found for of_bank in self.sets.values() for found in of_bank.values())
        return next((float(found.accuracy) for found in sets), None)

    def knows(self, layer: str) -> bool:
        """Whether anything was found of a bank that took more than reading its weights."""
        tables, paths = self.tables.get(layer, BankTables()), self.paths.get(layer, BankPaths())
        seen = self.seen.get(layer, Seen())
        pictured = seen.sheets or any(seen.pictures(sight) for sight in SIGHTS)
        return bool(tables.tables or paths.paths or pictured)

    def doubt(self, model_digest: str) -> None:
        """Let go of what may have been seen of other weights than those of this fingerprint.

        Tables and paths refuse weights that change; pictures are made of what is there.
        """
        self.seen.clear()
        for layer, kind in list(self.kinds.items()):
            if kind.passport.get("model") != model_digest:
                del self.kinds[layer]
                self.judged.discard(layer)

    def read_weights(self, subject: Subject, bank: Bank) -> None:
        """Tell colour from shape by the weights of a bank that reads RGB, unless that is known."""
        if bank.reads_rgb and bank.layer not in self.kinds:
            self.kinds[bank.layer] = measure_selectivity(
                subject.network, bank.layer, normalize=subject.normalize(), progress=False
            )
