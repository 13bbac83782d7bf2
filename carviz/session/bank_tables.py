"""What is known of one bank: tables of the same images are merged, others kept beside them."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from carviz.banks import Network, find_layer
from carviz.checks import check_folder
from carviz.evaluate import fingerprint_model
from carviz.results import CarTable, SelectivityTable, read_folder
from carviz.wording import value_words


class BankTables:
    """The tables of one bank; `best` chooses among them."""

    def __init__(self) -> None:
        self.tables: list[CarTable] = []

    def add(self, table: CarTable) -> None:
        """Take in a table: merged where it is of the same images, and dropping what it outdoes."""
        for i, old in enumerate(self.tables):
            try:
                merged = old.merged(table)
            except ValueError:  # of other images, or measured otherwise: both are true
                continue
            del self.tables[i]
            table = merged
            break
        kept = [old for old in self.tables if not _outdone(old, table)]
        self.tables = [*kept, table]


def best(tables: list[CarTable], filter: int) -> CarTable | None:
    """Return the table to show for a filter: of most images, then of most filters.

    A table without that filter is better than none: it tells of its neighbours.
    """

    def worth(table: CarTable) -> tuple[bool, int, int]:
        return filter in table.filters, len(table.images), len(table.filters)

    return max(tables, key=worth, default=None)


def car_of(tables: Iterable[CarTable], count: int) -> NDArray[np.float64]:
    """Return (F,) each filter's CAR by the table of most images; NaN where none has it."""
    car = np.full(count, np.nan)
    for table in sorted(tables, key=lambda t: (len(t.images), len(t.filters))):
        car[table.filters] = table.car
    return car


def _outdone(old: CarTable, new: CarTable) -> bool:
    """Whether a new table says all that an old one says, of more images of the same data."""
    same = old.passport.get("data") == new.passport.get("data")
    fewer = len(old.images) < len(new.images)
    return same and fewer and set(old.filters.tolist()) <= set(new.filters.tolist())


def read_tables(
    folder: str | Path, network: Network
) -> tuple[list[CarTable], list[SelectivityTable]]:
    """Read the records that were saved into a folder; those of another model are refused.

    What is damaged, no table, or of a bank that the network does not have is left out, and a
    warning names it.

    Raises
    ------
    FileNotFoundError
        If the folder is not there, or holds no CarTable.
    ValueError
        If a table was measured on another model, or none can be read; the file is named.
    """
    folder = Path(folder)
    check_folder(folder, "tables is a folder of files that CarTable.save wrote")
    own = fingerprint_model(network.model)
    cars: list[CarTable] = []
    kinds: list[SelectivityTable] = []
    records, bad = read_folder(folder, [CarTable, SelectivityTable])
    for name, table in records.items():
        assert isinstance(table, (CarTable, SelectivityTable))
        found = table.passport.get("model")
        if found != own:
            raise ValueError(
                f"Tables are shown beside the model that they were measured on, {own}; "
                f"{name} is of another one, {found}. "
                "Load that model, or take the file out of the folder."
            )
        if problem := _misfit(table, network):
            bad.append(f"{name}: {problem}")
        elif isinstance(table, CarTable):
            cars.append(table)
        else:
            kinds.append(table)
    if bad and not cars:
        raise ValueError(
            f"tables is a folder of .npz files that CarTable.save wrote; {str(folder)!r} holds "
            f"none that can be shown. {' '.join(bad)}"
        )
    if bad:
        warnings.warn(
            f"Left out of the tables in {str(folder)!r}: {' '.join(bad)}", UserWarning, stacklevel=3
        )
    if not cars:
        raise FileNotFoundError(
            f"tables is a folder of .npz files that CarTable.save wrote; {str(folder)!r} holds "
            "none. carviz.measure_car(model, data, layer).save(path) makes one."
        )
    return cars, kinds


def data_of_tables(folder: str | Path) -> tuple[str, int | None] | None:
    """Return the name and the limit of the data that tables of a folder were measured on.

    None where none says so, as of data that was given as an object.
    """
    folder = Path(folder)
    check_folder(folder, "tables is a folder of files that CarTable.save wrote")
    for table in read_folder(folder, [CarTable, SelectivityTable])[0].values():
        match table.passport.get("opened"):
            case {"data": str(name), "limit": int() | None as limit}:
                return name, limit
    return None


def _misfit(table: CarTable | SelectivityTable, network: Network) -> str:
    """Return why a table cannot be of this network; empty where it can."""
    try:
        count = network.convolution(find_layer(network, network, table.layer)).out_channels
    except ValueError as error:
        return str(error)
    if isinstance(table, CarTable):
        if value := value_words(table):
            return f"a filter's place has {value} in it, where zero is shown. Measure it as it is."
        fits, found = table.filters.max() < count, f"filter {table.filters.max()}"
    else:
        fits, found = len(table.energy) == count, f"{len(table.energy)} filters"
    return "" if fits else f"{table.layer!r} has {count} filters; the table tells of {found}."
