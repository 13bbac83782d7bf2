"""The look of every figure, in one place: colours, letters and sizes.

Colours are Okabe and Ito's, which colour-blind people can tell apart; each comes with a shape or a
letter, so that a figure printed in grey says the same. Nothing here is pyplot's: figures are made
and drawn without global state, so they can be made in any thread.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from numpy.typing import NDArray

from carviz.plots.letters import drawable
from carviz.results import CarTable, SelectivityTable
from carviz.wording import tick_words

PAPER = "#FFFFFF"
INK = "#1A1A1A"
SOFT = "#595959"
"""Text of second rank: 7:1 against the paper."""
LINE = "#C8C8C8"
EDGE = "#0072B2"
FILLED, HOLLOW = "#56B4E9", PAPER
"""Bars that pass a test are filled, the others hollow: it shows in grey as well."""
FAINT = "#8C8C8C"
KIND_COLORS = {"color": "#D55E00", "shape": "#0072B2", "dead": "#6B6B6B"}
KIND_MARKERS = {"color": "o", "shape": "s", "dead": "X"}

SMALL, BODY, HEAD, TITLE, LARGE = 11.5, 13.0, 14.5, 19.0, 26.0
"""Sizes of letters in points; nothing is written smaller than the first."""
BOLD = 0.86
"""Share of the room that plain letters may take, for bold ones to fit."""
DPI = 100
SIDE = 0.3
"""Inches of paper left and right of a heading."""


class CarvizFigure(Figure):
    """A matplotlib figure that Jupyter displays without pyplot.

    Attributes
    ----------
    description
        What the figure says, in words: the text alternative for those who cannot see it.
    """

    def __init__(self, width: float, height: float) -> None:
        super().__init__(figsize=(width, height), dpi=DPI, facecolor=PAPER)
        self.description = ""
        FigureCanvasAgg(self)

    def sign(self, words: str) -> None:
        """Write above the heading whose figure it is, and say so in the description."""
        width = float(self.get_size_inches()[0])
        words = fit(self, words, width - 2 * SIDE, SMALL)
        write_at(self, SIDE, 0.15, words, fontsize=SMALL, color=SOFT)
        self.description = f"{words}. {self.description}"

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", facecolor=PAPER)
        return buffer.getvalue()


def write(place: Axes | Figure, x: float, y: float, words: str, **style: Any) -> Text:
    """Write words in the house's letters; a "$" in a class name is a dollar, not mathematics."""
    settings: dict[str, Any] = {"color": INK, "fontsize": BODY, "va": "center", **style}
    return place.text(x, y, drawable(words), parse_math=False, **settings)


def bare(axes: Axes, *, keep: str = "") -> Axes:
    """Take off an axes what is not needed; `keep` names the spines that stay."""
    axes.set_facecolor(PAPER)
    for side, spine in axes.spines.items():
        spine.set_visible(side in keep.split())
        spine.set_color(SOFT)
    axes.tick_params(colors=INK, labelcolor=INK, labelsize=SMALL, length=4, width=0.8)
    axes.set_axisbelow(True)
    for axis in (axes.xaxis, axes.yaxis):
        axis.label.set_color(INK)
        axis.label.set_parse_math(False)
    return axes


def box(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Return an axes placed in inches from the figure's upper left corner."""
    W, H = figure.get_size_inches()
    return figure.add_axes((left / W, 1 - (top + height) / H, width / W, height / H))


def write_at(figure: Figure, left: float, top: float, words: str, **style: Any) -> Text:
    """Write on the figure itself, placed in inches from its upper left corner."""
    W, H = figure.get_size_inches()
    return write(figure, left / W, 1 - top / H, words, **style)


def width_of(figure: Figure, words: str, size: float, **style: Any) -> float:
    """Return how wide words will be, in inches."""
    text = write(figure, 0, 0, words, fontsize=size, **style)
    width = text.get_window_extent().width
    text.remove()
    return float(width / figure.dpi)


def fit(figure: Figure, words: str, width: float, size: float, keep: str = "both") -> str:
    """Shorten words wider than `width` inches; keep "both" ends, the "start" or the "end"."""
    words = drawable(" ".join(words.split()))
    if width_of(figure, words, size) <= width:
        return words
    few, many = 1, len(words)
    while many - few > 1:
        half = (few + many) // 2
        if width_of(figure, _shortened(words, half, keep), size) <= width:
            few = half
        else:
            many = half
    return _shortened(words, few, keep)


def fit_heading(figure: Figure, name: str, after: str, width: float, *, before: str = "") -> str:
    """Return a heading of `width` inches at most: where there is no room the name is shortened.

    What stands around the name says what the figure shows, and stays whole.
    """
    room = BOLD * width - width_of(figure, f"{before}{drawable(after)}", TITLE)
    words = f"{before}{fit(figure, name, max(0.0, room), TITLE)}{after}"
    return fit(figure, words, BOLD * width, TITLE)  # what stands around it may be long as well


def wrap(figure: Figure, words: str, width: float, size: float) -> list[str]:
    """Break words into lines of `width` inches at the most; one word that is wider stays whole."""
    lines: list[str] = []
    for word in words.split():
        longer = f"{lines[-1]} {word}" if lines else ""
        if lines and width_of(figure, longer, size) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def fit_names(figure: Figure, names: list[str], width: float, size: float) -> list[str]:
    """Shorten names so that different ones stay different, wherever it is that they differ.

    Where no way of shortening tells them all apart, it is the one that tells most apart.
    """
    best: list[str] = []
    for keep in ("both", "start", "end"):
        fitted = [fit(figure, name, width, size, keep) for name in names]
        if len(set(fitted)) > len(set(best)):
            best = fitted
        if len(set(best)) == len(set(names)):
            break
    return best


def _shortened(words: str, kept: int, keep: str) -> str:
    end = {"both": kept // 2, "start": 0, "end": kept}[keep]
    return words[: kept - end].rstrip() + "…" + words[len(words) - end :].lstrip()


def set_points_axis(
    axes: Axes, low: float, high: float, *, on: str = "x", scale: float = 100.0
) -> None:
    """Give an axis of CAR (fractions in, percentage points shown) few, signed ticks.

    Of differences of another unit `scale` is what turns them into what is shown.
    """
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    room = 0.04 * max(high - low, 1e-6)
    axis = axes.xaxis if on == "x" else axes.yaxis
    (axes.set_xlim if on == "x" else axes.set_ylim)(scale * (low - room), scale * (high + room))
    axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10], min_n_ticks=3))
    axis.set_major_formatter(FuncFormatter(lambda v, _: tick_words(v)))


# -- what the plots ask of their arguments


def check_table(table: Any) -> CarTable:
    """Return `table` if it is a CarTable; TypeError otherwise."""
    if not isinstance(table, CarTable):
        raise TypeError(
            "A plot shows a CarTable, which carviz.measure_car returns of data with one class an "
            "image, or CarTable.load reads; "
            f"found {type(table).__name__}."
        )
    return table


def check_selectivity(selectivity: Any, table: CarTable, most: int) -> SelectivityTable | None:
    """Return `selectivity` if it belongs to the table's bank and reaches filter `most`."""
    return check_kinds(selectivity, table.layer, most + 1)


def check_kinds(
    selectivity: Any, layer: str, filters: int, *, whole: bool = False
) -> SelectivityTable | None:
    """Return `selectivity`, or None, if it is of a bank with so many filters or more.

    `whole` says that the bank has `filters` filters and no more.
    """
    if selectivity is None:
        return None
    if not isinstance(selectivity, SelectivityTable):
        raise TypeError(
            "selectivity is what carviz.measure_selectivity returns, or None; "
            f"found {type(selectivity).__name__}."
        )
    found = len(selectivity.energy)
    if selectivity.layer != layer or found < filters or (whole and found > filters):
        raise ValueError(
            f"selectivity is of the bank that is shown, {layer!r} with {filters} filters"
            f"{'' if whole else ' or more'}; found one of {selectivity.layer!r} with {found} "
            f"filters. carviz.measure_selectivity(model, {layer!r}) gives it."
        )
    return selectivity


def check_picture(picture: Any, axes: str) -> NDArray[np.float64] | None:
    """Return a picture, or a bank of them, as floats; `axes` is how its shape is called."""
    if picture is None:
        return None
    array = np.asarray(picture)
    if array.dtype.kind != "f":
        raise TypeError(
            f"Pictures are float arrays {axes} in [0, 1], as carviz.rgb_weights gives them; "
            f"found {array.dtype}."
        )
    wanted = axes.count(",") + 1
    if array.ndim != wanted or array.shape[-1] != 3 or not array.size:
        raise ValueError(f"Pictures are {axes}; found an array of shape {array.shape}.")
    if not (array.min() >= 0 and array.max() <= 1):  # NaN too
        raise ValueError(
            f"Pictures have values in [0, 1], with 0.5 for no weight; found {array.min():g} to "
            f"{array.max():g}. carviz.rgb_weights scales weights so."
        )
    return array.astype(np.float64)


def check_whole_bank(pictures: Any, layer: str, filters: int) -> NDArray[np.float64]:
    """Return pictures of a bank, one for each of its filters, as floats."""
    shown = check_picture(pictures, "(filter, height, width, 3)")
    if shown is None or len(shown) != filters:
        found = "none" if shown is None else str(len(shown))
        raise ValueError(
            f"pictures are of the whole bank, by filter number; {layer!r} has {filters} filters, "
            f"found {found}. carviz.rgb_weights(model, {layer!r}) gives them."
        )
    return shown
