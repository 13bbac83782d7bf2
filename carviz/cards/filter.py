"""What a page says about one filter."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from carviz.cards.html import (
    details,
    fact_list,
    figure_tag,
    html_table,
    image_tag,
    remark,
    section,
    td,
    text_cell,
    th,
)
from carviz.cards.numbers import NUMBERS_NOTE, badge, number_cells
from carviz.class_lists import tie_words
from carviz.plots import check_picture, check_selectivity, class_blocks, plot_classes
from carviz.results import CarTable, SelectivityTable
from carviz.wording import flips_words, interval_words, points, rank_words

if TYPE_CHECKING:
    import pandas as pd

MOST_THUMBNAILS = 24
"""Images of each kind of change that a page shows; its table lists the others too."""

MOST_ROWS = 1000
"""Changed images that a page lists."""

CHANGES = {
    "lost": "right with the filter, wrong without",
    "gained": "wrong with the filter, right without",
    "still wrong": "wrong both with and without, but as another class",
}


def filter_parts(
    table: CarTable,
    filter: int,
    picture: Any,
    selectivity: SelectivityTable | None,
    thumbnails: Mapping[int, Any] | None,
    k: int,
) -> list[str]:
    """Return the sections about one filter."""
    picture = check_picture(picture, "(height, width, 3)")
    selectivity = check_selectivity(selectivity, table, filter)
    images = _check_thumbnails(thumbnails)
    return [
        _at_a_glance(table, filter, picture, selectivity),
        section(
            "Which classes it matters to",
            figure_tag(plot_classes(table, filter, k=k))
            + "".join(_class_table(*block) for block in class_blocks(table, filter, k))
            + remark(NUMBERS_NOTE.format(family="all classes of the filter that have images")),
        ),
        section("Images that changed", _changed(table.flips(filter), images)),
    ]


def _at_a_glance(
    table: CarTable,
    filter: int,
    picture: NDArray[np.float64] | None,
    selectivity: SelectivityTable | None,
) -> str:
    found = table.summary(filter, k=0)
    facts = [
        ("CAR", f'<strong class="large">{points(found.car)}</strong>'),
        ("95% interval", interval_words(found.low, found.high)),
        ("Images", flips_words(found.lost, found.gained, found.images)),
        ("Rank in the bank", rank_words(found) + (", highest CAR first" * found.told_apart)),
    ]
    if selectivity is not None:
        facts.insert(0, ("Selects", badge(selectivity, filter)))
    shown = ""
    if picture is not None:
        alt = f"Weights of filter {filter} as a picture; mid-grey is no weight"
        shown = (
            f"<figure>{image_tag(picture, alt, css='weights')}"
            "<figcaption>Its weights; mid-grey is no weight.</figcaption></figure>"
        )
    return f'<section class="glance" aria-label="At a glance">{shown}{fact_list(facts)}</section>'


def _class_table(title: str, frame: pd.DataFrame) -> str:
    rows = (
        [
            th(str(r["class"]) + (" =" if r["tied"] else "")),
            *number_cells(r),
        ]
        for _, r in frame.iterrows()
    )
    note = tie_words(frame.itertuples())
    columns = ["class", "CAR", "95% interval", "lost", "gained", "images", "p", "q"]
    return html_table(title, columns, rows, text={"class"}) + (remark(note) if note else "")


def _changed(flips: pd.DataFrame, thumbnails: Mapping[int, NDArray[np.float64]]) -> str:
    """Show what the removal changed: lost images first, then gained, then still wrong ones."""
    if flips.empty:
        return "<p>Without this filter the network says the same of every image.</p>"
    words, ordered = [], []
    for change, meaning in CHANGES.items():
        its = flips[flips["change"] == change]
        if its.empty:
            continue
        ordered.append(its)
        seen = its[its["image"].isin(list(thumbnails))].head(MOST_THUMBNAILS)
        some = f"; {len(seen)} are shown" if 0 < len(seen) < len(its) else ""
        cards = "".join(_card(row, thumbnails[int(row["image"])]) for _, row in seen.iterrows())
        words.append(
            f"<h3>{len(its):,} {change}</h3><p>{meaning.capitalize()}{some}.</p>"
            + (f'<ul class="gallery">{cards}</ul>' if cards else "")
        )
    return "".join(words) + _flips_table(ordered, len(flips))


def _card(row: Any, thumbnail: NDArray[np.float64]) -> str:
    name, before, after = (str(row[c]) for c in ("class", "before", "after"))
    alt = f"Image {row['image']}, a {name}: {before} with the filter, {after} without it"
    truth = f"<br><small>is {escape(name)}</small>" if name not in (before, after) else ""
    return (
        f"<li><figure>{image_tag(thumbnail, alt, css='thumbnail')}<figcaption>"
        f"{escape(before)} → {escape(after)}{truth}</figcaption></figure></li>"
    )


def _flips_table(groups: list[pd.DataFrame], total: int) -> str:
    rows = [
        [
            td(f"{row['image']}"),
            *(text_cell(row[c]) for c in ("class", "before", "after", "change")),
        ]
        for group in groups
        for _, row in group.iterrows()
    ]
    title = f"All {total:,}" if total <= MOST_ROWS else f"The first {MOST_ROWS:,}"
    columns = ["image", "class", "with the filter", "without", "change"]
    text = set(columns[1:])
    return details(f"{title} in a table", html_table("", columns, rows[:MOST_ROWS], text=text))


def _check_thumbnails(thumbnails: Any) -> dict[int, NDArray[np.float64]]:
    if thumbnails is None:
        return {}
    if not isinstance(thumbnails, Mapping):
        raise TypeError(
            "thumbnails map an image's number in the data to its picture; "
            f"found {type(thumbnails).__name__}."
        )
    checked = {}
    for number, picture in thumbnails.items():
        array = check_picture(picture, "(height, width, 3)")
        if array is not None:
            checked[int(number)] = array
    return checked
