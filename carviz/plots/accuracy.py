"""What figures of accuracy against filters pruned share: their axes, levels and band."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from carviz.plots.style import BODY, INK, LINE, PAPER, SOFT, bare, box

WHOLE: dict[str, Any] = {"color": INK, "linewidth": 1.3}
FLOOR: dict[str, Any] = {"color": INK, "linewidth": 1.6, "linestyle": (0, (10, 5))}
CHANCE: dict[str, Any] = {"color": SOFT, "linewidth": 1.3, "linestyle": (0, (1, 3))}
BAND = 0.22
"""How much of its colour a band has."""
MARKS = 8
"""Marks along a line, which tell it from the others without its colour."""
LEAST = 1.0
"""Points that an axis spans at least: less would make much of what is next to nothing."""
NOT_FROM_ZERO = "The axis of the accuracy does not start at 0."


def accuracy_axes(
    figure: Figure,
    place: tuple[float, float, float, float],
    *,
    filters: int,
    banks: int,
    steps: int,
    low: float,
    high: float,
    from_zero: bool,
) -> Axes:
    """Return axes with the accuracy upwards, in percent, and filters pruned to the right.

    Parameters
    ----------
    filters, banks, steps
        How many there are, and how many filters go at most.
    low, high
        What is to be seen, in percent.
    from_zero
        Whether the axis begins at 0.
    """
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes = bare(box(figure, *place), keep="left bottom")
    axes.set_xlim(0, max(1, steps))
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, steps=[1, 2, 4, 5, 8, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:.0f}\n{v / filters:.0%}"))
    of = f"of {filters}" + (f" in {banks} banks" if banks > 1 else "")
    axes.set_xlabel(f"filters pruned {of}, and their share", fontsize=BODY, color=INK)
    bottom = 0.0 if from_zero else low
    if (lacks := LEAST - (high - bottom)) > 0:
        high = min(100.0, max(high + lacks / 2, LEAST))
        bottom = high - LEAST
    room = 0.05 * (high - bottom)
    axes.set_ylim(max(0.0, bottom - room), min(100.0, high) + room)
    axes.yaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}%"))
    axes.set_ylabel("accuracy", fontsize=BODY, color=INK)
    axes.grid(axis="y", color=LINE, linewidth=0.6)
    return axes


def starts_at_zero(lowest: float, whole: float) -> bool:
    """Return whether an axis begins at 0: where little is lost it shows that little larger."""
    return bool(lowest < 0.6 * whole)


def draw_band(axes: Axes, curves: NDArray[np.float64], color: str) -> None:
    """Fill what lies between the lowest and the highest of curves (curve, place), in percent."""
    x = np.arange(curves.shape[1])
    low, high = curves.min(axis=0), curves.max(axis=0)
    axes.fill_between(x, low, high, color=color, alpha=BAND, linewidth=0)


def held_out_look(look: dict[str, Any]) -> dict[str, Any]:
    """Return how the line of held-out images is drawn: dashed in the same colour, hollow marks."""
    return {
        **look,
        "linestyle": (0, (4, 2.5)),
        "linewidth": 0.55 * look["linewidth"] + 0.5,
        "markersize": 0.85 * look["markersize"],
        "markerfacecolor": PAPER,
        "markeredgecolor": look["color"],
        "markeredgewidth": 1.3,
    }
