"""Whole pages, and the file that they are written to."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any

from carviz.cards.bank import bank_parts
from carviz.cards.filter import filter_parts
from carviz.cards.html import details, document
from carviz.cards.pruning import pruning_parts
from carviz.plots import (
    check_paths,
    check_picture,
    check_table,
)
from carviz.results import (
    CarTable,
    CumulativeTable,
    PruningPath,
    RandomBand,
    SelectivityTable,
    write_whole,
)
from carviz.wording import accuracy_words, banks_words, counted, criterion_words, whole_words


def filter_page(
    table: CarTable,
    filter: int,
    *,
    picture: Any = None,
    selectivity: SelectivityTable | None = None,
    thumbnails: Mapping[int, Any] | None = None,
    k: int = 5,
    about: str = "",
) -> str:
    """Return a page about one filter: what it looks like, what it costs to lose it, and whom.

    Parameters
    ----------
    table
        A `CarTable`; one of part of the images says how many it has seen.
    filter
        The filter's number in its bank.
    picture
        (height, width, 3), floats in [0, 1], as `carviz.rgb_weights` gives it; None for none.
    selectivity
        The bank's `SelectivityTable`; None for no badge.
    thumbnails
        Image number in the data -> (height, width, 3), floats in [0, 1]: what to show of the images
        that the filter's removal changed. Images without one are listed in words.
    k
        Classes at each end, 1 or more.
    about
        What was measured, in words, e.g. the names of model and data; stands under the heading.

    Returns
    -------
    str
        A whole HTML document; `save_page` writes it.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind.
    ValueError
        If the table does not hold the filter, `selectivity` is of another bank, a picture has
        another shape or range, or `k` is less than 1.
    """
    check_table(table)
    table.row(filter)
    heading = f"Filter {filter} of {table.layer}"
    parts = filter_parts(table, filter, picture, selectivity, thumbnails, k)
    return document(
        heading, [_header(heading, table, about), *parts, _passports(_records(table, selectivity))]
    )


def bank_page(
    table: CarTable,
    *,
    selectivity: SelectivityTable | None = None,
    pictures: Any = None,
    about: str = "",
) -> str:
    """Return a page about a bank: all its filters by CAR, with the classes at both ends.

    Parameters
    ----------
    table
        A `CarTable` of the bank, or of some of its filters; one of part of the images says how
        many it has seen.
    selectivity
        The bank's `SelectivityTable`; None for no colour or shape.
    pictures
        (F, height, width, 3), floats in [0, 1], of the whole bank by filter number, as
        `carviz.rgb_weights` gives them; None for none.
    about
        What was measured, in words, e.g. the names of model and data; stands under the heading.

    Returns
    -------
    str
        A whole HTML document; `save_page` writes it.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind.
    ValueError
        If `selectivity` or `pictures` are not of the table's bank.
    """
    parts = bank_parts(table, selectivity, pictures, "At a glance")
    heading = f"Bank {table.layer}: {counted(len(table.filters), 'filter')}"
    return document(
        heading, [_header(heading, table, about), *parts, _passports(_records(table, selectivity))]
    )


def pruning_page(
    paths: PruningPath | Iterable[PruningPath],
    *,
    band: CumulativeTable | RandomBand | None = None,
    held_out: PruningPath | Iterable[PruningPath] | None = None,
    count: int | None = None,
    selectivity: SelectivityTable | Mapping[str, SelectivityTable] | None = None,
    pictures: Any = None,
    about: str = "",
) -> str:
    """Return a page about pruning: what is left, the order, and which classes were lost.

    Parameters
    ----------
    paths
        A `PruningPath`, or several of the same banks on the same images: the first one is told in
        full, the others are drawn beside it.
    band, held_out
        Random orders, and the same orders on other images, as `carviz.plot_paths` shows them.
    count
        The place on the path that is looked at: how many filters are pruned. None: half of the
        filters, or what the path prunes if less.
    selectivity
        The bank's `SelectivityTable`, or a mapping from the bank's name to that; None for no
        colour or shape. It marks the pictures.
    pictures
        (F, height, width, 3), floats in [0, 1], of the whole bank by filter number, as
        `carviz.rgb_weights` gives them, or a mapping likewise; None for none.
    about
        What was pruned, in words, e.g. the names of model and data; stands under the heading.

    Returns
    -------
    str
        A whole HTML document; `save_page` writes it.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind.
    ValueError
        If there is no path, they are of different banks or images, or `band` or `held_out` is, a
        path does not prune `count` filters, `selectivity` or `pictures` are not of their banks, or
        the first comes alone.
    """
    shown = check_paths(paths)
    beside: dict[str, Any] = {"band": band, "held_out": held_out}
    parts = pruning_parts(shown, count, selectivity, pictures, "At a glance", **beside)
    heading = f"Pruning {banks_words(shown[0])}"
    lines = [line for line in (about, whole_words(shown[0]) + ".") if line]
    kinds = selectivity.values() if isinstance(selectivity, Mapping) else [selectivity]
    records = [*_path_records(shown), *_beside_records(band, held_out)]
    records += (r for table in kinds for r in _records(None, table))
    return document(heading, [_lines(heading, lines), *parts, _passports(records)])


def whole_page(
    table: CarTable,
    filter: int,
    *,
    selectivity: SelectivityTable | None = None,
    pictures: Any = None,
    thumbnails: Mapping[int, Any] | None = None,
    paths: Iterable[PruningPath] = (),
    band: CumulativeTable | RandomBand | None = None,
    held_out: PruningPath | Iterable[PruningPath] | None = None,
    count: int | None = None,
    about: str = "",
) -> str:
    """Return a page about one filter, then its bank, then its pruning: what an explorer shows.

    Arguments, and errors, are those of `filter_page`, `bank_page` and `pruning_page`; without
    `paths` nothing is said of pruning.
    """
    check_table(table)
    table.row(filter)
    pictures = check_picture(pictures, "(filter, height, width, 3)")
    picture = None if pictures is None else pictures[filter]
    parts = filter_parts(table, filter, picture, selectivity, thumbnails, 5)
    if len(table.filters) > 1:
        parts += bank_parts(table, selectivity, pictures, f"The bank, {table.layer}")
    paths = list(paths)
    if paths:
        marked = None if pictures is None else selectivity
        title = "Pruning, the least needed filter first"
        beside: dict[str, Any] = {"band": band, "held_out": held_out}
        parts += pruning_parts(paths, count, marked, pictures, title, **beside)
    heading = f"Filter {filter} of {table.layer}"
    records = [*_records(table, selectivity), *_path_records(paths)]
    records += _beside_records(band, held_out) if paths else []
    return document(heading, [_header(heading, table, about), *parts, _passports(records)])


def save_page(html: str, path: str | os.PathLike[str]) -> Path:
    """Write a page to `path` (``.html`` by custom), whole or not at all, and return the path.

    Raises
    ------
    TypeError
        If `html` is no string.
    FileNotFoundError
        If the folder of `path` is not there.
    """
    if not isinstance(html, str):
        raise TypeError(
            "A page is the string that filter_page, bank_page or pruning_page returns; "
            f"found {type(html).__name__}."
        )
    path = Path(path)
    # A name may hold half a letter, as the name of a file does that is no UTF-8.
    write_whole(path, html.encode(errors="replace"))
    return path


def _header(heading: str, table: CarTable, about: str) -> str:
    lines = [about] if about else []
    lines.append(accuracy_words(table) + ".")
    if not table.complete:
        lines.append("The measurement was not finished: all numbers are of these images only.")
    if ablation := table.passport.get("ablation"):
        lines.append(f"Without a filter means: {ablation}.")
    if remark := table.passport.get("remark"):
        lines.append(str(remark))
    if audit := table.passport.get("precision_audit"):
        lines.append(str(audit["found"]))
    return _lines(heading, lines)


def _lines(heading: str, lines: Iterable[str]) -> str:
    told = "".join(f"<p>{escape(line)}</p>" for line in lines)
    return f"<header><h1>{escape(heading)}</h1>{told}</header>"


def _records(
    table: CarTable | None, selectivity: SelectivityTable | None
) -> list[tuple[str, Mapping[str, Any]]]:
    records = [] if table is None else [("CAR", table.passport)]
    if selectivity is not None:
        records.append(("Colour against shape", selectivity.passport))
    return records


def _path_records(paths: Iterable[PruningPath]) -> list[tuple[str, Mapping[str, Any]]]:
    return [(f"Pruning by {criterion_words(path)}", path.passport) for path in paths]


def _beside_records(band: Any, held_out: Any) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the passports of random orders, and of orders on held-out images."""
    found = [("Random orders", band.passport)] if isinstance(band, CumulativeTable) else []
    held = [] if held_out is None else _path_records(check_paths(held_out))
    return found + [(f"{name}, held out", passport) for name, passport in held]


def _passports(records: Iterable[tuple[str, Mapping[str, Any]]]) -> str:
    """Fold away where the numbers come from."""
    listed = "".join(
        f"<h3>{escape(name)}</h3>"
        f"<pre>{escape(json.dumps(dict(passport), indent=2, ensure_ascii=False))}</pre>"
        for name, passport in records
        if passport
    )
    return details("Where these numbers come from", listed) if listed else ""
