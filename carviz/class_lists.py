"""The classes that one filter matters to, in lists with words: each surface has the same ones."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from typing import Any

from carviz.checks import check_whole
from carviz.results import CarTable, ClassEnds, ClassSummary, class_ends
from carviz.wording import classes_words, counted


@dataclasses.dataclass(frozen=True)
class ClassLists:
    """The classes that a filter matters to, as every surface lists them.

    Parameters
    ----------
    blocks
        Headed lists, from the class that is hurt most to the one that is better off without.
    doubt
        A sentence where few classes, or none, can be told from chance; else "".
    rest
        A sentence of the classes that do not change, which are not listed; else "".
    tie
        What "=" beside a class means, where one has it; else "".
    """

    blocks: tuple[tuple[str, tuple[ClassSummary, ...]], ...]
    doubt: str
    rest: str
    tie: str


def class_lists(table: CarTable, filter: int, k: int, gone: str = "the filter") -> ClassLists:
    """Return headed lists of classes: `k` at each end at most, or all where they are 2 `k` or less.

    A list ends before the first class that is neither hurt nor helped. Where few classes can be
    told from chance it goes by the near end of the interval: see `carviz.results.class_ends`.
    `gone` says what is removed.
    """
    k = check_whole(k, "k", what="the number of classes wanted")
    found = class_ends(table, filter, k)
    shown, rest = int((table.class_images > 0).sum()), ""
    blocks: list[tuple[str, tuple[ClassSummary, ...]]]
    if shown <= 2 * k:
        title = f"All {shown} classes with images, highest CAR first" if shown > 1 else "One class"
        blocks = [(title, table.summary(filter, shown).top)]
    elif found.unchanged + found.balanced == shown:
        blocks = _lists_by_log_prob(table, filter, k)
    else:
        hurt, better = f"Hurt most without {gone}", f"Better without {gone}"
        if found.careful:
            hurt, better = f"Hurt without {gone}, surest first", f"{better}, surest last"
        ends = [
            (hurt, found.hurt), ("Hurt least", found.least[::-1]), (better, found.helped[::-1])
        ]  # fmt: skip
        blocks = [(title, rows) for title, rows in ends if rows]
        rest = _rest_words(found)
    changes = found.unchanged < shown
    return ClassLists(
        tuple(blocks), doubt_words(found, table.complete) if changes else "", rest,
        tie_words(row for _, rows in blocks for row in rows),
    )  # fmt: skip


def _lists_by_log_prob(
    table: CarTable, filter: int, k: int
) -> list[tuple[str, tuple[ClassSummary, ...]]]:
    found = table.summary(filter, k)
    if not table.has_log_prob_drop:
        return [("CAR is 0 in every class, log p was left out. The first classes", found.top)]
    title = "CAR is 0 in every class. Largest fall of log p"
    return [(title, found.top), ("Smallest", found.bottom[::-1])]


def _rest_words(found: ClassEnds) -> str:
    parts = []
    if found.unchanged:
        parts.append(f"{classes_words(found.unchanged)}: no image lost or gained")
    if found.balanced:
        parts.append(f"{classes_words(found.balanced)}: as many images lost as gained")
    return "; ".join(parts) + "." if parts else ""


def doubt_words(found: ClassEnds, complete: bool = True) -> str:
    """Write that few classes, or none, can be told from chance, and on how many images."""
    if not found.careful:
        return ""
    span = counted(found.most, "image")
    if found.fewest < found.most:
        span = f"{found.fewest:,} to {span}"
    images = f"{span} a class{'' if complete else ' so far'}"
    if not found.sure:
        return f"With {images} no single class is sure."
    verb = "is" if found.sure == 1 else "are"
    return f"With {images} only {classes_words(found.sure)} {verb} sure."


def tie_words(rows: Iterable[Any]) -> str:
    """Say what "=" beside a class means, of rows like `ClassSummary`; "" where none has it."""
    found = list(rows)
    if not any(row.tied for row in found):
        return ""
    if all(math.isnan(row.log_prob_drop) for row in found):
        return "= ties with another class; the class's number decides, as log p was left out."
    return "= ties with another class; the fall of log p decides the order."
