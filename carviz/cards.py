"""Static pages that open anywhere: one for a filter, one for a bank.

A page is a single file of HTML without scripts: pictures and figures are inside it as data, and
nothing is fetched. It follows the reader's light or dark theme, and prints on A4.
"""

from __future__ import annotations

import base64
import io
import json
import os
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from carviz.plots import CarvizFigure, plot_bank, plot_classes
from carviz.plots.classes import accuracy_words, class_blocks
from carviz.plots.style import (
    KIND_LETTERS,
    SIGNIFICANT,
    check_picture,
    check_selectivity,
    check_table,
    interval_words,
    points,
)
from carviz.results import CarTable, SelectivityTable, write_whole
from carviz.results.statistics import benjamini_hochberg, paired_interval, sign_test

if TYPE_CHECKING:
    import pandas as pd

PRINT_DPI = 200
"""Dots an inch of the figures: a page is printed as well as looked at."""
MOST_THUMBNAILS = 24
"""Images of each kind of change that a page shows; its table lists the others too."""
MOST_ROWS = 1000
"""Changed images that a page lists."""
LEAST_SIDE = 96
"""Small pictures are enlarged to this many pixels: not every reader's program keeps them crisp."""
CHANGES = {
    "lost": "right with the filter, wrong without",
    "gained": "wrong with the filter, right without",
    "still wrong": "wrong both with and without, but as another class",
}
NUMBERS_NOTE = (
    "CAR is the accuracy that the network loses without the filter, in percentage points; above "
    "zero means that the filter helps. Intervals are 95% (Agresti and Min, paired proportions); "
    "p is the exact two-sided sign test on lost against gained; q is p adjusted for {family} "
    "(Benjamini and Hochberg)."
)

ENDS_NOTE = (
    f" The last two columns name the class with the highest and the lowest CAR: * where its q, "
    f"over all filters and classes, is at most {SIGNIFICANT:g}; without it, it could be chance."
)


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
    parts = _filter_parts(table, filter, picture, selectivity, thumbnails, k)
    return _document(
        heading, [_header(heading, table, about), *parts, _passports(table, selectivity)]
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
    parts = _bank_parts(table, selectivity, pictures, "At a glance")
    heading = f"Bank {table.layer}: {_count(len(table.filters), 'filter')}"
    return _document(
        heading, [_header(heading, table, about), *parts, _passports(table, selectivity)]
    )


def whole_page(
    table: CarTable,
    filter: int,
    *,
    selectivity: SelectivityTable | None = None,
    pictures: Any = None,
    thumbnails: Mapping[int, Any] | None = None,
    about: str = "",
) -> str:
    """Return a page about one filter, followed by its bank: what an explorer shows.

    Arguments, and errors, are those of `filter_page` and `bank_page`.
    """
    check_table(table)
    table.row(filter)
    pictures = check_picture(pictures, "(filter, height, width, 3)")
    picture = None if pictures is None else pictures[filter]
    parts = _filter_parts(table, filter, picture, selectivity, thumbnails, 5)
    if len(table.filters) > 1:
        parts += _bank_parts(table, selectivity, pictures, f"The bank, {table.layer}")
    heading = f"Filter {filter} of {table.layer}"
    return _document(
        heading, [_header(heading, table, about), *parts, _passports(table, selectivity)]
    )


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
            "A page is the string that filter_page or bank_page returns; "
            f"found {type(html).__name__}."
        )
    path = Path(path)
    write_whole(path, html.encode())
    return path


# -- one filter


def _filter_parts(
    table: CarTable,
    filter: int,
    picture: Any,
    selectivity: SelectivityTable | None,
    thumbnails: Mapping[int, Any] | None,
    k: int,
) -> list[str]:
    picture = check_picture(picture, "(height, width, 3)")
    selectivity = check_selectivity(selectivity, table, filter)
    images = _check_thumbnails(thumbnails)
    return [
        _at_a_glance(table, filter, picture, selectivity),
        _section(
            "Which classes it matters to",
            _figure(plot_classes(table, filter, k=k))
            + "".join(_class_table(*block) for block in class_blocks(table, filter, k))
            + _note(NUMBERS_NOTE.format(family="all classes of the filter that have images")),
        ),
        _section("Images that changed", _changed(table.flips(filter), images)),
    ]


def _at_a_glance(
    table: CarTable,
    filter: int,
    picture: NDArray[np.float64] | None,
    selectivity: SelectivityTable | None,
) -> str:
    row, n = table.row(filter), len(table.images)
    lost, gained = int(table.lost_all[row]), int(table.gained_all[row])
    low, high = (float(x) for x in paired_interval(lost, gained, n))
    F = len(table.filters)
    measured = "" if table.filters.max() == F - 1 else " measured"
    facts = [
        ("CAR", f'<strong class="large">{points(table.car[row])}</strong>'),
        ("95% interval", interval_words(low, high)),
        ("Images", f"{lost:,} lost, {gained:,} gained of {n:,}"),
        ("Rank in the bank", f"{table.rank(filter)} of {F}{measured}, highest CAR first"),
    ]
    if selectivity is not None:
        facts.insert(0, ("Selects", _badge(selectivity, filter)))
    shown = ""
    if picture is not None:
        alt = f"Weights of filter {filter} as a picture; mid-grey is no weight"
        shown = (
            f"<figure>{_image(picture, alt, css='weights')}"
            "<figcaption>Its weights; mid-grey is no weight.</figcaption></figure>"
        )
    return f'<section class="glance" aria-label="At a glance">{shown}{_facts(facts)}</section>'


def _badge(selectivity: SelectivityTable, filter: int) -> str:
    kind = str(selectivity.kind[filter])
    index = "" if kind == "dead" else f" colour index {selectivity.color_index[filter]:.2f}"
    return f"{_kind(kind)}{index}"


def _kind(kind: str) -> str:
    """Write a kind as a coloured mark with its letter and its name: never by colour alone."""
    return (
        f'<span class="kind {kind}"><span aria-hidden="true">{KIND_LETTERS[kind]}</span> '
        f"{kind}</span>"
    )


def _class_table(title: str, frame: pd.DataFrame) -> str:
    tied = bool(frame["tied"].any())
    rows = (
        [
            _th(str(r["class"]) + (" =" if r["tied"] else "")),
            *_number_cells(r),
        ]
        for _, r in frame.iterrows()
    )
    note = "= ties with another class; the fall of log p decides the order." if tied else ""
    columns = ["class", "CAR", "95% interval", "lost", "gained", "images", "p", "q"]
    return _table(title, columns, rows, text={"class"}) + (_note(note) if note else "")


def _number_cells(row: Any, counts: tuple[str, ...] = ("lost", "gained", "images")) -> list[str]:
    return [
        _td(points(row["car"], unit=False)),
        _td(interval_words(row["low"], row["high"]).removesuffix(" points")),
        *(_td(f"{int(row[name]):,}") for name in counts),
        *(_td(_probability(row[name])) for name in ("p_value", "q_value")),
    ]


def _probability(p: float) -> str:
    return "&lt;0.001" if p < 0.001 else f"{p:.2g}" if p < 0.0995 else f"{p:.2f}"


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
        f"<li><figure>{_image(thumbnail, alt, css='thumbnail')}<figcaption>"
        f"{escape(before)} → {escape(after)}{truth}</figcaption></figure></li>"
    )


def _flips_table(groups: list[pd.DataFrame], total: int) -> str:
    rows = [
        [_td(f"{row['image']}"), *(_text(row[c]) for c in ("class", "before", "after", "change"))]
        for group in groups
        for _, row in group.iterrows()
    ]
    title = f"All {total:,}" if total <= MOST_ROWS else f"The first {MOST_ROWS:,}"
    columns = ["image", "class", "with the filter", "without", "change"]
    text = set(columns[1:])
    return _details(f"{title} in a table", _table("", columns, rows[:MOST_ROWS], text=text))


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


# -- a bank


def _bank_parts(
    table: CarTable, selectivity: SelectivityTable | None, pictures: Any, title: str
) -> list[str]:
    # The plot checks the arguments for both.
    figure = plot_bank(table, selectivity=selectivity, pictures=pictures)
    pictures = check_picture(pictures, "(filter, height, width, 3)")
    return [
        _section(title, _bank_facts(table, selectivity) + _figure(figure)),
        _section(
            "Filter by filter, highest CAR first",
            _filter_table(table, selectivity, pictures)
            + _note(NUMBERS_NOTE.format(family="all filters of this page") + ENDS_NOTE),
        ),
    ]


def _bank_facts(table: CarTable, selectivity: SelectivityTable | None) -> str:
    flat = int(((table.lost_all == 0) & (table.gained_all == 0)).sum())
    facts = [
        ("CAR", f"{points(table.car.min(), unit=False)} to {points(table.car.max())}"),
        ("Filters that change no image", f"{flat} of {len(table.filters)}"),
    ]
    if selectivity is not None:
        counts = selectivity.counts()
        everything, shaped = counts.loc["all"], counts.loc["without faint"]
        words = [
            f"{_kind(kind)} {everything[kind]:.0f}"
            for kind in KIND_LETTERS
            if everything[kind] or kind != "dead"
        ]
        facts.append(
            (
                f"Selective (colour index above {selectivity.threshold:g} is colour)",
                ", ".join(words)
                + f". Without filters under a tenth of the bank's median energy: colour "
                f"{shaped['color']:.0f}, shape {shaped['shape']:.0f}.",
            )
        )
    return _facts(facts)


def _filter_table(
    table: CarTable, selectivity: SelectivityTable | None, pictures: NDArray[np.float64] | None
) -> str:
    frame = table.to_frame().set_index("filter")
    text = {"weights", "filter", "selects", "matters most to", "least to"}
    columns = ["filter", "CAR", "95% interval", "lost", "gained", "p", "q"]
    columns += ["matters most to", "least to"]
    if selectivity is not None:
        columns.insert(1, "selects")
    if pictures is not None:
        columns.insert(0, "weights")
    ends = _end_classes(table)
    rows = (
        _filter_row(int(filter), frame.loc[filter], selectivity, pictures, ends[table.row(filter)])
        for filter in table.order
    )
    return _table("", columns, rows, text=text, css="bank")


def _filter_row(
    filter: int,
    numbers: pd.Series[Any],
    selectivity: SelectivityTable | None,
    pictures: NDArray[np.float64] | None,
    ends: tuple[str, str],
) -> list[str]:
    cells = [_th(str(filter))]
    if pictures is not None:
        swatch = _image(pictures[filter], f"Weights of filter {filter}", css="swatch")
        cells.insert(0, f'<td class="words">{swatch}</td>')
    if selectivity is not None:
        kind = str(selectivity.kind[filter])
        index = "" if kind == "dead" else f" {selectivity.color_index[filter]:.2f}"
        cells.append(f'<td class="words">{_kind(kind)}{index}</td>')
    return [*cells, *_number_cells(numbers, ("lost", "gained")), *ends]


def _end_classes(table: CarTable) -> list[tuple[str, str]]:
    """Return for each row the cells of the classes with the highest and the lowest CAR.

    Bold are those that pass the sign test over all filters and classes, not only over the ones
    that are picked for showing.
    """
    kept = np.flatnonzero(table.class_images > 0)
    lost, gained = table.lost[:, kept], table.gained[:, kept]
    sure = benjamini_hochberg(sign_test(lost, gained)) <= SIGNIFICANT
    car, drop = table.class_car[:, kept], table.log_prob_drop[:, kept]

    def cell(row: int, column: int) -> str:
        if not lost[row, column] and not gained[row, column]:
            return _text("no class changes")
        words = f"{table.classes[kept[column]]} {points(car[row, column], unit=False)}"
        shown = f"<b>{escape(words)} *</b>" if sure[row, column] else escape(words)
        return f'<td class="words">{shown}</td>'

    cells = []
    for row in range(len(car)):
        order = np.lexsort((-drop[row], -car[row]))
        cells.append((cell(row, int(order[0])), cell(row, int(order[-1]))))
    return cells


# -- pieces of HTML


def _header(heading: str, table: CarTable, about: str) -> str:
    lines = [about] if about else []
    lines.append(accuracy_words(table) + ".")
    if not table.complete:
        lines.append("The measurement was not finished: all numbers are of these images only.")
    if ablation := table.passport.get("ablation"):
        lines.append(f"Without a filter means: {ablation}.")
    if remark := table.passport.get("remark"):
        lines.append(str(remark))
    told = "".join(f"<p>{escape(line)}</p>" for line in lines)
    return f"<header><h1>{escape(heading)}</h1>{told}</header>"


def _passports(table: CarTable, selectivity: SelectivityTable | None) -> str:
    """Fold away where the numbers come from."""
    records = [("CAR", table.passport)]
    if selectivity is not None:
        records.append(("Colour against shape", selectivity.passport))
    listed = "".join(
        f"<h3>{name}</h3><pre>{escape(json.dumps(dict(passport), indent=2, ensure_ascii=False))}"
        "</pre>"
        for name, passport in records
        if passport
    )
    return _details("Where these numbers come from", listed) if listed else ""


def _section(title: str, content: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{content}</section>"


def _details(summary: str, content: str) -> str:
    return f"<details><summary>{escape(summary)}</summary>{content}</details>"


def _facts(facts: Iterable[tuple[str, str]]) -> str:
    """Return names (plain) and values (HTML) as a list of definitions."""
    rows = "".join(f"<div><dt>{escape(name)}</dt><dd>{value}</dd></div>" for name, value in facts)
    return f"<dl>{rows}</dl>"


def _note(words: str) -> str:
    return f'<p class="note">{escape(words)}</p>'


def _table(
    title: str,
    columns: list[str],
    rows: Iterable[list[str]],
    *,
    text: set[str],
    css: str = "numbers",
) -> str:
    """Return a table of cells (HTML); columns in `text` are words, the others numbers."""
    head = "".join(
        f'<th scope="col"{" class=words" if name in text else ""}>{escape(name)}</th>'
        for name in columns
    )
    body = "".join(f"<tr>{''.join(cells)}</tr>" for cells in rows)
    caption = f"<caption>{escape(title)}</caption>" if title else ""
    # A table wider than the window scrolls by itself, also by keyboard.
    return (
        f'<div class="wide" tabindex="0"><table class="{css}">{caption}'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _th(words: str) -> str:
    return f'<th scope="row">{escape(words)}</th>'


def _td(html: str) -> str:
    return f"<td>{html}</td>"


def _text(words: Any) -> str:
    return f'<td class="words">{escape(str(words))}</td>'


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


# -- pictures as data


def _figure(figure: CarvizFigure) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=PRINT_DPI)
    return (
        f'<figure class="paper"><img src="{_data(buffer.getvalue())}" '
        f'alt="{escape(figure.description)}"></figure>'
    )


def _image(picture: NDArray[np.float64], alt: str, *, css: str) -> str:
    from PIL import Image

    times = -(-LEAST_SIDE // max(picture.shape[:2]))
    pixels = np.rint(255 * picture).astype(np.uint8).repeat(times, axis=0).repeat(times, axis=1)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="png", optimize=True)
    return f'<img class="{css}" src="{_data(buffer.getvalue())}" alt="{escape(alt)}">'


def _data(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def _document(title: str, parts: Iterable[str]) -> str:
    """Return the whole page. The policy in its head forbids scripts and fetching, to be sure."""
    body = "\n".join(part for part in parts if part)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(title)} · carviz</title>
<style>{STYLE}</style>
</head>
<body>
<main>
{body}
</main>
<footer><p>Made with carviz. CAR: Abbasi-Asl and Yu, arXiv 1711.02329.</p></footer>
</body>
</html>
"""


STYLE = """
:root { --paper: #ffffff; --ink: #1a1a1a; --soft: #595959; --line: #c8c8c8; --band: #f3f3f3;
  --color: #b34700; --shape: #00629b; --dead: #5f5f5f; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #16181b; --ink: #ececec; --soft: #b4b4b4; --line: #4a4d52; --band: #212429; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, "Segoe UI", "Helvetica Neue", "DejaVu Sans", sans-serif; }
main, footer { max-width: 66rem; margin: 0 auto; padding: 1.2rem 1.5rem; }
footer { padding-top: 0; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0.3rem 0 0.6rem; overflow-wrap: anywhere; }
h2 { font-size: 1.3rem; margin: 2rem 0 0.6rem; padding-top: 0.6rem;
  border-top: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1rem 0 0.1rem; }
p { margin: 0.15rem 0; }
header p, footer p, .note, figcaption { color: var(--soft); margin: 0.15rem 0; }
.note { font-size: 0.9rem; margin: 0.5rem 0 0; }
figure { margin: 0; }
img { max-width: 100%; height: auto; display: block; }
.glance { display: flex; flex-wrap: wrap; gap: 1.2rem 2.4rem; margin: 1.2rem 0;
  align-items: flex-start; }
.weights { width: 13rem; image-rendering: pixelated; border: 1px solid var(--line); }
dl { margin: 0; display: grid; gap: 0.7rem; flex: 1 1 18rem; }
dt { color: var(--soft); font-size: 0.9rem; }
dd { margin: 0; font-size: 1.1rem; }
.large { font-size: 2rem; line-height: 1.2; }
.kind { display: inline-block; color: #ffffff; padding: 0 0.5em; border-radius: 0.3em;
  font-weight: 600; }
.kind.color { background: var(--color); border-radius: 1em; }
.kind.shape { background: var(--shape); }
.kind.dead { background: var(--dead); }
.paper { background: #ffffff; border-radius: 6px; padding: 0.4rem; margin: 0.8rem 0; }
.wide { overflow-x: auto; margin: 0.8rem 0; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding: 0.3rem 0; }
th, td { padding: 0.3rem 0.6rem; border-bottom: 1px solid var(--line); text-align: right;
  white-space: nowrap; }
thead th { color: var(--soft); font-weight: 600; font-size: 0.9rem; vertical-align: bottom; }
tbody tr:nth-child(even) { background: var(--band); }
tbody th, td.words, th.words { text-align: left; }
td.words, tbody th { white-space: normal; }
table.bank { font-size: 0.9rem; }
table.bank th, table.bank td { padding: 0.25rem 0.4rem; }
table.bank tbody th { white-space: nowrap; }
.swatch { width: 2.6rem; max-width: none; image-rendering: pixelated;
  border: 1px solid var(--line); }
.gallery { list-style: none; padding: 0; margin: 0.8rem 0; display: grid; gap: 0.9rem;
  grid-template-columns: repeat(auto-fill, minmax(7.5rem, 1fr)); }
.gallery figcaption { font-size: 0.9rem; line-height: 1.3; color: var(--ink);
  overflow-wrap: anywhere; }
.gallery small { color: var(--soft); font-size: 0.9em; }
.thumbnail { width: 100%; max-width: 8rem; border: 1px solid var(--line); }
details { margin: 1rem 0; border: 1px solid var(--line); border-radius: 6px;
  padding: 0.4rem 0.8rem; }
summary { cursor: pointer; font-weight: 600; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font-size: 0.85rem; margin: 0.2rem 0; }
@page { size: A4; margin: 14mm; }
@media print {
  :root { --paper: #ffffff; --ink: #000000; --soft: #404040; --line: #b0b0b0; --band: #f3f3f3;
    color-scheme: light; }
  html { font-size: 10pt; }
  body { font-size: 10pt; }
  main, footer { max-width: none; padding: 0; }
  h2, h3, caption { break-after: avoid; }
  h2 { margin-top: 1.2rem; }
  figure, tr, li, dl, p, .glance, .numbers { break-inside: avoid; }
  .wide { overflow: visible; }
  .kind, tbody tr, .paper { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  .paper { padding: 0; }
  .weights { width: 42mm; }
  .gallery { grid-template-columns: repeat(6, 1fr); }
  table { font-size: 8.5pt; }
  table.bank { font-size: 7.5pt; }
  thead th { font-size: inherit; }
  table.bank th, table.bank td, th, td { padding: 0.5mm 1mm; }
  .swatch { width: 7mm; }
}
"""
