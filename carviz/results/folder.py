"""The records in a folder: those that can be read, and what is wrong with the others."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path

from carviz.results.archive import Archive
from carviz.results.record import Record, kind_of


def read_folder(
    folder: Path, kinds: Sequence[type[Record]], beside: Collection[str] = ()
) -> tuple[dict[str, Record], list[str]]:
    """Read the ``.npz`` files of a folder, in the order of their names, numbers by their size.

    Parameters
    ----------
    kinds
        What is looked for; what is none of them is told as no such record.
    beside
        Names of further kinds of records that may lie there, and are passed over.

    Returns
    -------
    records, problems
        The records by their files' names, and for each other file in words why it is none.
    """
    known = {kind.__name__: kind for kind in kinds}
    records: dict[str, Record] = {}
    problems: list[str] = []
    for path in sorted(folder.glob("*.npz"), key=_natural):
        kind = _kind(path)
        if kind in beside:
            continue
        try:
            records[path.name] = known.get(kind, kinds[0]).load(path)
        except (ValueError, OSError) as error:
            problems.append(str(error))
    return records, problems


def _kind(path: Path) -> str:
    """Return the kind of record that a file holds; empty where it cannot be told."""
    try:
        with path.open("rb") as file:
            return kind_of(Archive(file))
    except Exception:  # a damaged file may bring about any
        return ""


def _natural(path: Path) -> list[tuple[int, str]]:
    """Sort "features.10.npz" behind "features.2.npz"."""
    parts = re.split(r"(\d+)", path.name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
