"""What a page says about pruning."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from carviz.cards.html import (
    details,
    fact_list,
    figure_tag,
    html_table,
    section,
    td,
    text_cell,
    th,
)
from carviz.cards.numbers import kind_mark
from carviz.plots import check_band, check_paths, plot_lost, plot_order, plot_paths
from carviz.results import PruningPath, RandomBand, SelectivityTable
from carviz.wording import count_words, counted, criterion_words, percent, points, share_words

Kinds = Mapping[str, SelectivityTable]


def pruning_parts(
    paths: Any, count: int | None, selectivity: Any, pictures: Any, title: str,
    *, band: Any = None, held_out: Any = None,
) -> list[str]:  # fmt: skip
    """Return the sections about pruning; the first path is the one that is told in full."""
    shown = check_paths(paths)
    path = shown[0]
    if selectivity is not None and pictures is None:
        raise ValueError(
            "selectivity marks the pictures of the filters; found no pictures. "
            "carviz.rgb_weights(model, layer) gives them."
        )
    if count is None:
        count = min(len(path), path.filters // 2)
    # The plots check the arguments for the rest.
    curves = figure_tag(plot_paths(shown, count=count, band=band, held_out=held_out))
    order = ""
    if pictures is not None:
        strip = plot_order(path, pictures, selectivity=selectivity, count=count)
        order = figure_tag(strip)
    forgotten = figure_tag(plot_lost(path, count)) if count else ""
    facts = _facts(path, count) + _beside(path, count, check_band(band, path), held_out)
    parts = [section(title, fact_list(facts) + curves)]
    if len(path):
        steps = details(f"All {len(path):,} steps in a table", _step_table(path, selectivity))
        parts.append(section("In this order", order + steps))
    if forgotten:
        parts.append(section("Which classes were lost", forgotten))
    return parts


def _facts(path: PruningPath, count: int) -> list[tuple[str, str]]:
    accuracy = path.accuracy
    left, whole = float(accuracy[count]), float(accuracy[0])
    facts = [
        ("Pruned", escape(f"{count_words(path, count)}, by {criterion_words(path)}")),
        (
            "Accuracy left",
            f'<strong class="large">{percent(left)}</strong> {points(left - whole)} '
            f"from the whole network's {percent(whole)}",
        ),
    ]
    if len(path):
        facts.append(("Steps decided by a tie", f"{share_words(path.tie_share)} of {len(path):,}"))
    return facts


def _beside(
    path: PruningPath, count: int, band: RandomBand | None, held_out: Any
) -> list[tuple[str, str]]:
    """Tell what random orders leave, and what the order leaves on images that did not choose it."""
    facts = []
    if band is not None and count <= band.steps:
        low, high = percent(band.lowest[count]), percent(band.highest[count])
        facts.append(("Random orders", f"{low} to {high} left, of {len(band)} drawn"))
    for other in [] if held_out is None else check_paths(held_out):
        if other.criterion == path.criterion and count <= len(other):
            seen = counted(len(other.targets), "image")
            left, whole = percent(other.accuracy[count]), percent(other.accuracy[0])
            facts.append(("Held out", f"{left} left on {seen}, of the whole network's {whole}"))
    return facts


def _step_table(path: PruningPath, selectivity: Any) -> str:
    kinds: Kinds = {}
    if selectivity is not None:
        kinds = selectivity if isinstance(selectivity, Mapping) else {path.banks[0]: selectivity}
    several = len(path.banks) > 1
    columns = ["step", "filter", "accuracy left", "decided by"]
    if kinds:
        columns.insert(2, "selects")
    if several:
        columns.insert(1, "bank")
    rows = (_step_row(path, place, kinds, several) for place in range(len(path)))
    words = {"step", "bank", "selects", "decided by"}
    # A table of another class than "numbers" may go on on the next sheet of paper.
    return html_table("", columns, rows, text=words, css="steps")


def _step_row(path: PruningPath, place: int, kinds: Kinds, several: bool) -> list[str]:
    bank, filter = path.steps[place]
    cells = [th(f"{place + 1}"), td(f"{filter}")]
    if several:
        cells.insert(1, text_cell(bank))
    if kinds:
        told = kind_mark(str(kinds[bank].kind[filter])) if bank in kinds else ""
        cells.append(f'<td class="words">{told}</td>')
    tie = "a tie" if path.decided_by_tie[place] else criterion_words(path)
    return [*cells, td(percent(path.accuracy[place + 1])), text_cell(tie)]
