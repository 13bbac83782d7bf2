"""Rows of figures as Markdown, and in a file; nothing but the standard library is imported."""

from __future__ import annotations

import json
import os
import statistics
from pathlib import Path
from typing import Any

Row = dict[str, Any]
"""A figure, or several of one quantity, by the column's heading; a mapping makes more columns."""
Sheet = dict[str, Any]
"""What a file of figures holds: "title", "words", and "tables" of the same with "rows"; a table's
own "rows" may stand there at once. All other keys are settings: a value by its name."""

NO_SETTINGS = ("title", "words", "rows", "tables")


def flat(row: Row) -> Row:
    """Return a row in which a mapping's keys are headings of their own, behind the mapping's."""
    found: Row = {}
    for heading, value in row.items():
        if isinstance(value, dict):
            found.update({f"{heading} {key}": v for key, v in flat(value).items()})
        else:
            found[heading] = value
    return found


def cell(value: Any) -> str:
    """Return a value in words: several numbers as median [least–most], None as a dash."""
    if value is None or (isinstance(value, list) and not value):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "NO"
    if isinstance(value, list):
        if len(value) == 1 or not all(isinstance(v, int | float) for v in value):
            return ", ".join(map(cell, value))
        return f"{cell(statistics.median(value))} [{cell(min(value))}–{cell(max(value))}]"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        size = abs(value)
        if size >= 100 or value == 0:
            return f"{value:,.0f}"
        if 0.99 < size < 0.999995:
            return f"{value:.5f}"  # a share or a correlation that must not read 1
        return f"{value:.1f}" if size >= 10 else f"{value:.2f}" if size >= 0.1 else f"{value:.2g}"
    return str(value).replace("|", "\\|").replace("\n", " ")


def markdown(rows: list[Row]) -> str:
    """Return rows as a Markdown table; a column that some rows lack has dashes there."""
    flattened = [flat(row) for row in rows]
    headings = list(dict.fromkeys(heading for row in flattened for heading in row))
    if not headings:
        return "(no rows)"
    lines = [headings, ["---"] * len(headings)]
    lines += [[cell(row.get(heading)) for heading in headings] for row in flattened]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def settings_of(sheet: Sheet) -> str:
    """Return in words what figures were taken with."""
    flattened = flat({key: v for key, v in sheet.items() if key not in NO_SETTINGS})
    return "; ".join(f"{name} {cell(value)}" for name, value in flattened.items())


def render(sheet: Sheet, level: int = 2) -> str:
    """Return a sheet as Markdown: its title, words, settings, rows, and then its tables."""
    parts = [f"{'#' * level} {sheet['title']}" if sheet.get("title") else ""]
    parts.append(sheet.get("words") or "")
    settings = settings_of(sheet)
    parts.append(f"*{settings}*" if settings else "")
    if "rows" in sheet:
        parts.append(markdown(sheet["rows"]))
    parts += [render(table, level + 1) for table in sheet.get("tables", [])]
    return "\n\n".join(part for part in parts if part)


def save(path: Path, sheet: Sheet) -> None:
    """Write a sheet as JSON, whole or not at all."""
    text = json.dumps(sheet, indent=1, ensure_ascii=False, default=str) + "\n"
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
