"""The whole bank as one drawing, crisp in either theme: CAR against the colour index, or by rank.

The same as `carviz.plot_bank` shows on paper; here as SVG, in the colours of the page, with the
chosen filter marked.
"""

from __future__ import annotations

from html import escape

import numpy as np
from numpy.typing import NDArray

from carviz.results import CarTable, SelectivityTable
from carviz.wording import apart_sentence, kind_words, points, seen_words, tick_words

WIDTH, HEIGHT = 570, 470
LEFT, RIGHT, TOP, BOTTOM = 62, 18, 44, 58
DEAD_PLACE = -0.15
NUMBERED = 4
KINDS = ("color", "shape", "dead")


def bank_drawing(
    table: CarTable | None, selectivity: SelectivityTable | None, layer: str, chosen: int
) -> str:
    """Return the drawing, or words where nothing is measured yet."""
    if table is None:
        return '<p class="cv-empty">Nothing measured yet: press “Compute the bank”.</p>'
    low, high = table.interval_all
    y = Scale(100 * min(0.0, low.min()), 100 * max(0.0, high.max()), HEIGHT - BOTTOM, TOP)
    if selectivity is None:
        places = np.empty(len(table.filters))
        places[[table.row(i) for i in table.order]] = np.arange(1, len(places) + 1)
        x = Scale(0, len(places) + 1, LEFT, WIDTH - RIGHT)
        kinds, words = np.full(len(places), "plain"), "highest CAR first"
        words = f"rank, {words}" if table.tells_apart() else words
        ticks = [(t, f"{t:g}") for t in round_ticks(1, len(places)) if t >= 1]
    else:
        index = selectivity.color_index[table.filters]
        kinds = selectivity.kind[table.filters]
        dead = bool((kinds == "dead").any())
        places = _spread(np.where(np.isnan(index), DEAD_PLACE, index))
        x = Scale(-0.24 if dead else -0.1, 1.12, LEFT, WIDTH - RIGHT)
        words = "colour index: 0 grey, 1 opponent colours"
        ticks = [(t, f"{t:g}") for t in (0, 0.25, 0.5, 0.75, 1)]
        ticks += [(DEAD_PLACE, "dead")] if dead else []
    parts = [_axes(x, y, ticks, words)]
    if selectivity is not None:
        parts += [_threshold(x, selectivity.threshold), _legend(kinds)]
    dots: dict[int, tuple[float, float]] = {}
    for row, filter in enumerate(table.filters.tolist()):
        at, car = x(float(places[row])), y(100 * float(table.car[row]))
        dots[filter] = at, car
        parts.append(
            f'<line class="cv-err" x1="{at:.1f}" x2="{at:.1f}" y1="{y(100 * low[row]):.1f}" '
            f'y2="{y(100 * high[row]):.1f}"/>'
        )
        parts.append(_mark(at, car, str(kinds[row]), filter == chosen))
    order = table.order.tolist()
    parts += _names(dots, [chosen, *order[:NUMBERED], *order[: -NUMBERED - 1 : -1]])
    said = _describe(table, layer, chosen)
    return (
        f'<div class="cv-bank"><h3>CAR of {len(table.filters)} filters of {escape(layer)} '
        f"<small>{seen_words(table)}</small></h3>{_doubt(table)}"
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(said)}">'
        + "".join(parts)
        + "</svg></div>"
    )


def _doubt(table: CarTable) -> str:
    """Return that the order is chance, where it is."""
    words = apart_sentence(table)
    return f'<p class="cv-quiet">{escape(words)}</p>' if words else ""


class Scale:
    """From a number to a place in the drawing."""

    def __init__(self, low: float, high: float, start: float, end: float) -> None:
        self.low, self.high = low, high if high > low else low + 1.0
        self.start, self.end = start, end

    def __call__(self, value: float) -> float:
        """Return the place of a number."""
        share = (value - self.low) / (self.high - self.low)
        return float(self.start + share * (self.end - self.start))


def round_ticks(low: float, high: float) -> list[float]:
    """Return a few round numbers between two."""
    from matplotlib.ticker import MaxNLocator  # here, for opening draws nothing that needs it

    ticks = MaxNLocator(7, steps=[1, 2, 5, 10]).tick_values(low, high)
    beyond = 1e-9 * (high - low)  # it rounds
    return [float(t) for t in ticks if low - beyond <= t <= high + beyond]


def _axes(x: Scale, y: Scale, ticks: list[tuple[float, str]], words: str) -> str:
    parts = []
    for value in round_ticks(y.low, y.high):
        at, name = y(value), tick_words(value)
        line = "cv-zero-line" if name == "0" else "cv-grid"
        parts.append(f'<line class="{line}" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at}" y2="{at}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{at + 4.5}" text-anchor="end">{name}</text>')
    for value, name in ticks:
        at = x(value)
        parts.append(
            f'<line class="cv-tick" x1="{at}" x2="{at}" y1="{HEIGHT - BOTTOM}" '
            f'y2="{HEIGHT - BOTTOM + 5}"/>'
            f'<text x="{at}" y="{HEIGHT - BOTTOM + 21}" text-anchor="middle">{name}</text>'
        )
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 10}" text-anchor="middle">{words}</text>')
    height = (TOP + HEIGHT - BOTTOM) / 2
    parts.append(
        f'<text transform="translate(16 {height}) rotate(-90)" text-anchor="middle">'
        "CAR, percentage points (lines: 95% intervals)</text>"
    )
    return "".join(parts)


def _threshold(x: Scale, threshold: float) -> str:
    at = x(threshold)
    return f'<line class="cv-threshold" x1="{at}" x2="{at}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'


def _spread(places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Set dots of nearly the same place side by side, in a fixed order."""
    moved = places.copy()
    groups = np.round(places / 0.02)
    for group in np.unique(groups):
        members = np.flatnonzero(groups == group)
        reach = min(0.08, 0.01 * (len(members) - 1))
        moved[members] += np.linspace(-reach, reach, len(members))
    return moved


def _names(dots: dict[int, tuple[float, float]], wanted: list[int]) -> list[str]:
    """Return numbers beside dots, the chosen one's first, where they do not run together."""
    taken: list[tuple[float, float]] = []
    parts = []
    for filter in dict.fromkeys(f for f in wanted if f in dots):
        x, y = dots[filter]
        if filter == wanted[0]:
            taken.append((x, y - 18))
            parts.append(_name(filter, x, y - 16, "middle", " cv-now"))
            continue
        for side, anchor in ((1, "start"), (-1, "end")):
            middle = x + side * 20
            near = any(abs(middle - a) < 24 and abs(y - b) < 16 for a, b in taken)
            others = [place for f, place in dots.items() if f != filter]
            hidden = any(abs(middle - a) < 16 and abs(y - b) < 10 for a, b in others)
            if not (near or hidden):
                taken.append((middle, y))
                parts.append(_name(filter, x + side * 10, y + 5, anchor, ""))
                break
    return parts


def _name(filter: int, x: float, y: float, anchor: str, more: str) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text class="cv-dot-name{more}" {place}>{filter}</text>'


def _legend(kinds: NDArray[np.str_]) -> str:
    parts, place = [], LEFT + 10.0
    for kind in KINDS:
        count = int((kinds == kind).sum())
        if count or kind != "dead":
            parts.append(_mark(place, 18, kind, False))
            parts.append(f'<text x="{place + 14}" y="23">{kind_words(kind)}: {count}</text>')
            place += 110
    parts.append(f'<text x="{place}" y="23">dashed: threshold</text>')
    return "".join(parts)


def _mark(x: float, y: float, kind: str, chosen: bool) -> str:
    """Return a filter's mark: its shape says the kind, as its colour does."""
    ring = f'<circle class="cv-ring" cx="{x:.1f}" cy="{y:.1f}" r="12"/>' if chosen else ""
    if kind == "shape":
        body = f'<rect x="{x - 6:.1f}" y="{y - 6:.1f}" width="12" height="12"'
    elif kind == "dead":
        body = f'<path d="M{x - 6:.1f} {y - 6:.1f}l12 12m0 -12l-12 12"'
    else:
        body = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="6.5"'
    return f'{ring}{body} class="cv-dot cv-dot-{kind}"/>'


def _describe(table: CarTable, layer: str, chosen: int) -> str:
    def told(filter: int) -> str:
        return f"filter {filter} {points(table.car[table.row(filter)])}"

    order = table.order.tolist()
    words = " ".join(filter(None, [f"CAR of the filters of {layer}.", apart_sentence(table)]))
    words += f" Highest: {', '.join(map(told, order[:3]))}. "
    words += f"Lowest: {', '.join(map(told, order[-3:]))}."
    return words + (f" Chosen: {told(chosen)}." if chosen in order else "")
