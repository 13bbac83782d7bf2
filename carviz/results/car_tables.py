"""The tables of several banks of one network, measured on the same images."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self
from urllib.parse import quote

import numpy as np

from carviz.checks import check_folder, check_no_file, near_names
from carviz.results.car_table import CarTable
from carviz.results.folder import read_folder
from carviz.results.statistics import benjamini_hochberg

if TYPE_CHECKING:
    import pandas as pd

LONGEST = 120
"""Letters of a bank's name in a file's name; what is longer is cut, and told apart by a digest."""
OTHERS = (
    "PruningPath", "SelectivityTable", "SiblingTable", "Clusters", "LabelTable", "ScoreTable",
)  # fmt: skip
"""Records that may lie beside tables."""
ALIKE = {
    "model": "another network",
    "data": "other images",
    "definition": "another definition of removing a filter",
    "precision": "another precision",
    "dtype": "a network of another type",
    "answers": "another reading of what the network gives",
    "top": "another number of first classes",
}
"""What passports of tables that belong together say alike, and how others are told."""


class CarTables(Mapping[str, CarTable]):
    """CAR of the banks of a network: a read-only mapping from a bank's name to its `CarTable`.

    The banks stand in the order in which they were listed. All are of one network, and of the same
    images. Each bank has its own whole network in `CarTable.baseline`: these may differ where two
    classes are as good as tied, since every bank is measured by a plan of its own.

    Parameters
    ----------
    tables
        The tables, or a mapping from the banks' names to them.

    Raises
    ------
    TypeError
        If one of them is no CarTable.
    ValueError
        If there are none, two are of one bank, or they are of other images, another network, or
        were measured otherwise.

    Examples
    --------
    >>> first, second = (
    ...     CarTable(bank, filters=[0, 1], classes=("cat", "dog"), images=[0, 1], total=2,
    ...         targets=[0, 1], baseline=[0, 1], predictions=[[0, 0], [0, 1]],
    ...         log_prob_drop=[[0.0, 0.4], [0.0, 0.0]])
    ...     for bank in ("conv1", "conv2")
    ... )
    >>> tables = CarTables([first, second])
    >>> list(tables), tables["conv2"].car.tolist()
    (['conv1', 'conv2'], [0.5, 0.0])
    """

    __slots__ = ("_tables",)

    def __init__(self, tables: Iterable[CarTable] | Mapping[str, CarTable]) -> None:
        found = list(tables.values() if isinstance(tables, Mapping) else tables)
        for table in found:
            if not isinstance(table, CarTable):
                raise TypeError(f"CarTables holds CarTable; found {type(table).__name__}.")
        if not found:
            raise ValueError("CarTables holds a table of one bank at least; found none.")
        self._tables: dict[str, CarTable] = {}
        for table in found:
            if table.layer in self._tables:
                raise ValueError(f"Each bank has one table; found two of {table.layer!r}.")
            if problem := _apart(found[0], table):
                raise ValueError(
                    "CarTables are of one network and the same images; the table of "
                    f"{table.layer!r} is of {problem} than that of {found[0].layer!r}."
                )
            self._tables[table.layer] = table
        if isinstance(tables, Mapping) and list(tables) != list(self._tables):
            name, layer = next((n, t.layer) for n, t in tables.items() if n != t.layer)
            raise ValueError(f"A table goes by its bank's name, {layer!r}; found {name!r}.")

    def __getitem__(self, layer: str) -> CarTable:
        if layer not in self._tables:
            near = near_names(layer, self, 0.4) or list(self)[:3]
            raise KeyError(
                f"no bank {layer!r} among these {len(self)}; nearest: "
                f"{', '.join(repr(name) for name in near)}"
            )
        return self._tables[layer]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)

    def __repr__(self) -> str:
        first = self._first
        filters = sum(len(table.filters) for table in self.values())
        seen = f"{len(first.images):,}"
        of = seen if len(first.images) == first.total else f"{seen} of {first.total:,}"
        return (
            f"<CarTables of {len(self)} bank{'s' if len(self) > 1 else ''}: {filters:,} filters, "
            f"{of} images, {len(first.classes)} classes>"
        )

    @property
    def _first(self) -> CarTable:
        return next(iter(self._tables.values()))

    @property
    def complete(self) -> bool:
        """Whether every image of the data is in the tables."""
        return self._first.complete

    def to_frame(self, by: Literal["filter", "class"] = "filter") -> pd.DataFrame:
        """Return the numbers of all banks as one table, one row a filter, or a filter and class.

        Returns
        -------
        pandas.DataFrame
            layer, and the columns of `CarTable.to_frame`; q_value is over all rows, those of all
            banks. By filter also told_apart, whether the images tell the bank's filters apart: else
            their order in the bank is chance.
        """
        import pandas as pd

        frames = [table.to_frame(by) for table in self.values()]
        for layer, frame in zip(self, frames, strict=True):
            frame.insert(0, "layer", layer)
            if by == "filter":
                frame["told_apart"] = self[layer].tells_apart()
        whole = pd.concat(frames, ignore_index=True)
        for name in [name for name in whole.columns if name.endswith("q_value")]:
            p_value = whole[name.replace("q_value", "p_value")]
            whole[name] = benjamini_hochberg(p_value.to_numpy())
        return whole

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write each table to a file in `folder`, which is made if it is not there; return it.

        Files are named by the bank's place and name, and each is written whole or not at all; an
        earlier file of the same bank is replaced. ``carviz.explore(tables=folder)`` shows them.

        Raises
        ------
        FileNotFoundError
            If what `folder` is to be made in is not there.
        NotADirectoryError
            If there is a file of that name.
        OSError
            If a file cannot be written, because the disk is full, say; the path is told.
        """
        folder = Path(folder)
        make_folder(folder, "The tables")
        before = list(folder.glob("*.npz"))
        for place, (layer, table) in enumerate(self.items()):
            name = _file_name(layer)
            path = table.save(folder / f"{place:03d}-{name}")
            for earlier in before:
                number, _, rest = earlier.name.partition("-")
                if number.isdecimal() and rest == name and earlier != path:
                    earlier.unlink(missing_ok=True)  # the same bank had another place
        return folder

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Self:
        """Read the tables that `save` wrote, or `CarTable.save` of several banks into one folder.

        Other records are left out; so is what is damaged or no record, and a warning names it. The
        banks stand in the order of the files' names.

        Raises
        ------
        FileNotFoundError
            If the folder is not there, or holds no CarTable.
        ValueError
            If tables are of different networks or images, or two are of one bank, or none can be
            read; the file is named.
        """
        folder = Path(folder)
        check_folder(folder, "CarTables are loaded from a folder that save wrote")
        tables: dict[str, CarTable] = {}
        files: dict[str, str] = {}
        records, bad = read_folder(folder, [CarTable], OTHERS)
        for name, table in records.items():
            assert isinstance(table, CarTable)
            if table.layer in tables:
                raise ValueError(
                    f"Each bank has one table; {files[table.layer]} and {name} in "
                    f"{str(folder)!r} are both of {table.layer!r}. Take one of them out."
                )
            first = next(iter(tables), table.layer)
            if tables and (problem := _apart(tables[first], table)):
                raise ValueError(
                    "The tables of a folder are of one network and the same images; "
                    f"{name} in {str(folder)!r} is of {problem} than {files[first]}. "
                    "Take one of them out."
                )
            tables[table.layer], files[table.layer] = table, name
        if bad and not tables:
            raise ValueError(f"{str(folder)!r} holds no table that can be read. {' '.join(bad)}")
        if bad:
            warnings.warn(
                f"Left out of the tables in {str(folder)!r}: {' '.join(bad)}",
                UserWarning,
                stacklevel=2,
            )
        if not tables:
            raise FileNotFoundError(
                f"CarTables are loaded from .npz files that save wrote; {str(folder)!r} holds none."
            )
        return cls(tables)


def make_folder(folder: Path, what: str) -> None:
    """Make a folder for files, if it is not there; the one that it lies in must be."""
    check_no_file(folder, what)
    if not folder.absolute().parent.is_dir():
        raise FileNotFoundError(
            f"{what} are saved into a folder that exists, or can be made in one that does; "
            f"{str(folder.parent)!r} does not. Make it first, or choose another path."
        )
    folder.mkdir(exist_ok=True)


def _apart(first: CarTable, table: CarTable) -> str:
    """Return of what else than the first a table is; empty where the two belong together."""
    for name, problem in ALIKE.items():
        if first.passport.get(name) != table.passport.get(name):
            return problem
    if _value_of(first) != _value_of(table):
        return "another value in a filter's place"
    if first.classes != table.classes:
        return "other classes"
    same = (
        first.total == table.total
        and np.array_equal(first.images, table.images)
        and np.array_equal(first.targets, table.targets)
    )
    return "" if same else "other images"


def _value_of(table: CarTable) -> str | float:
    """Return what stands in a filter's place; where it is set is another place in each bank."""
    given: str | float = table.passport.get("value", {}).get("set", "zero")
    return given


def _file_name(layer: str) -> str:
    """Return a file's name that any system takes: "a + b" is "a%20%2B%20b.npz"."""
    name = quote(layer, safe="")
    if len(name) > LONGEST:
        name = f"{name[:LONGEST]}-{hashlib.sha256(layer.encode()).hexdigest()[:12]}"
    return f"{name}.npz"
