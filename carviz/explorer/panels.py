"""Words and numbers around the pictures, as HTML: header, chosen filter, status line."""

from __future__ import annotations

from html import escape

import numpy as np

from carviz.results import CarTable, FilterSummary, PruningPath, SelectivityTable
from carviz.wording import (
    KIND_LETTERS,
    counted,
    flips_words,
    index_words,
    interval_words,
    kind_words,
    percent,
    place_words,
    points,
    rank_words,
    seen_words,
    share_words,
)


def header(
    model: str,
    data: str,
    images: int,
    device: str,
    table: CarTable | None,
    remark: str,
    path: PruningPath | None = None,
) -> str:
    """Return what was measured on what, and how good the whole network is."""
    measured = table is not None and table.complete
    if path is not None and not measured:
        chosen = len(path.targets)  # fewer where images are held out
        on = "" if chosen == images else f" on {counted(chosen, 'image')}"
        accuracy = f"whole network <b>{percent(path.accuracy[0])}</b> right{on}"
    elif table is None:
        accuracy = "accuracy: <b>not measured yet</b>"
    else:
        so_far = "" if measured else f" on {len(table.images):,} images so far"
        accuracy = f"whole network <b>{percent(table.accuracy)}</b> right{so_far}"
    facts = [
        f"model <b>{escape(model)}</b>",
        f"data <b>{escape(data)}</b>, {counted(images, 'image')}",
        f"on <b>{escape(device)}</b>",
        accuracy,
    ]
    if remark:
        facts.append(escape(remark))
    said = "".join(f"<span>{fact}</span>" for fact in facts)
    return f'<div class="cv-header"><b class="cv-brand">carviz</b>{said}</div>'


def filter_panel(
    layer: str,
    filter: int,
    count: int,
    selectivity: SelectivityTable | None,
    table: CarTable | None,
) -> str:
    """Return the chosen filter, in words: badge, CAR with counts and interval, rank."""
    kind = "" if selectivity is None else str(selectivity.kind[filter])
    return (
        f'<section class="cv-filter" aria-label="Filter {filter}">'
        f"<h3>Filter {filter} <small>of {count} in {escape(layer)}</small></h3>"
        f"{_badge(selectivity, filter, kind)}{_numbers(table, filter, count)}</section>"
    )


def _badge(selectivity: SelectivityTable | None, filter: int, kind: str) -> str:
    if selectivity is None:
        return ""
    name, index = index_words(selectivity.color_index[filter]).rsplit(" ", 1)
    words = f"{name} {index}" if kind == "dead" else f"{name} <b>{index}</b>"
    letter = KIND_LETTERS[kind]
    return (
        f'<div class="cv-kind"><span class="cv-badge cv-{kind}"><i class="cv-mark cv-{kind}">'
        f"{letter}</i>{kind_words(kind)}</span> <span>{words}</span></div>"
        f"{_reading(selectivity, filter)}"
    )


def _reading(selectivity: SelectivityTable, filter: int) -> str:
    """Return the second reading of colour, and whether the two disagree; "" where there is none."""
    falls = float(selectivity.activation_index[filter])
    if np.isnan(falls):
        return ""
    words = f"answer falls by <b>{share_words(falls)}</b> in grey"
    if selectivity.disagrees[filter]:
        words += "<br><b>The two disagree</b> on colour."
    return f'<div class="cv-reading">{words}</div>'


def _numbers(table: CarTable | None, filter: int, count: int) -> str:
    if table is None or filter not in table.filters:
        return '<p class="cv-quiet">CAR, the accuracy lost without it: not measured yet.</p>'
    found = table.summary(filter, k=0)
    value = points(found.car, unit=False)
    partial = "" if table.complete else f'<div class="cv-partial">{seen_words(table)}</div>'
    interval = interval_words(found.low, found.high, unit=False)
    return (
        f'<div class="cv-car"><span>CAR</span><b>{value}</b><span>points</span></div>'
        f"{partial}"
        f'<div class="cv-facts"><div>95% interval {interval}</div>'
        f"<div>{flips_words(found.lost, found.gained, found.images)}</div>"
        f"<div>{_rank(found, count)}</div></div>"
    )


def _rank(found: FilterSummary, count: int) -> str:
    if found.filters == 1:
        return "rank: compute the bank to compare"
    if not found.told_apart:
        return escape(place_words(found, count))
    place, rest = rank_words(found, count).split(" ", 1)
    rest = rest.replace(" to ", "&nbsp;to&nbsp;")  # an interval is not broken at a line's end
    return f"rank <b>{place}</b> {rest}"


def status_line(progress: float, busy: bool, words: str, story: str) -> str:
    """Return the progress bar and the status; `story` is a traceback, one click away."""
    share = round(100 * progress)
    bar = (
        f'<div class="cv-progress" role="progressbar" aria-label="Share done" '
        f'aria-valuemin="0" aria-valuemax="100" aria-valuenow="{share}">'
        f'<span style="width:{100 * progress:.1f}%"></span></div>'
    )
    failed = " cv-failed" if story else ""
    more = ""
    if story:
        more = f"<details><summary>Show the traceback</summary><pre>{escape(story)}</pre></details>"
    sign = '<b class="cv-sign">Failed</b> ' if story else ""
    hidden = "" if busy or 0 < progress < 1 else " cv-idle"
    return (
        f'<div class="cv-status{failed}{hidden}">{bar}'
        f'<div class="cv-words" role="status">{sign}{escape(words)}{more}</div></div>'
    )
