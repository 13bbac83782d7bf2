"""A bank as a clustered map: the likeness of every two filters, beside the tree of clusters."""

from __future__ import annotations

import dataclasses

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap
from numpy.typing import NDArray

from carviz.plots.labels import spread
from carviz.plots.style import (
    FAINT,
    INK,
    LINE,
    PAPER,
    SMALL,
    SOFT,
    CarvizFigure,
    bare,
    box,
    write,
    write_at,
)
from carviz.results import Clusters
from carviz.wording import MINUS

TREE = 1.5
NUMBERS, STRIP, GAP = 0.34, 0.17, 0.07
SIDE = 6.4
"""Inches of the map, which is square."""
LABELS = 0.52
LEAST_ROW = 0.17
"""Inches that a written row takes."""
THIN_ROW = 0.06
LEAST_PICTURE = 0.19
MOST_BESIDE = 64
"""Filters whose pictures still say something beside their rows."""
BAR = 0.16
BELOW = 1.0
"""Inches below the map: its colours in words."""
Branch = list[tuple[float, float]]
OPPOSITE, ALIKE = ("#2D004B", "#8073AC"), ("#5AAE61", "#00441B")
"""Purple and green, ColorBrewer's PRGn: colour-blind people tell them apart; the blue and orange
of the other figures mean shape and colour."""


@dataclasses.dataclass(frozen=True)
class Row:
    """How high a row of the map is, in inches, and how many pictures stand in a line."""

    height: float
    pictures: int

    @property
    def numbered(self) -> bool:
        """Whether a row is high enough for its filter's number."""
        return self.height >= LEAST_ROW


class ClusterMap:
    """Places of the map's parts, in inches from the figure's upper left corner."""

    def __init__(
        self, clusters: Clusters, left: float, top: float, *, pictures: bool, marked: bool
    ) -> None:
        F = len(clusters.order)
        row = SIDE / F
        beside = max(1, round(LEAST_PICTURE / row)) if pictures and F <= MOST_BESIDE else 0
        self.row = Row(row, beside)
        self.top = top
        self.tree = left
        self.pictures = left + TREE + GAP
        # One picture may be as wide as the whole map: of a bank of few filters it is not.
        self.picture = min(row * beside, 0.9)
        self.numbers = self.pictures + self.picture * beside + GAP
        self.strip = self.numbers + (NUMBERS if self.row.numbered else 0)
        self.map = self.strip + (STRIP + GAP if marked else 0)
        self.labels = self.map + SIDE
        self.right = self.labels + LABELS


def draw_map(
    figure: CarvizFigure,
    place: ClusterMap,
    clusters: Clusters,
    similarity: NDArray[np.float64],
    pictures: NDArray[np.float64] | None,
    gone: set[int],
    named: list[int],
) -> None:
    """Draw tree, pictures, numbers, marks of what is gone, map and numbers of the clusters.

    Parameters
    ----------
    gone
        Filters that are marked as pruned.
    named
        Clusters whose numbers are written beside the map.
    """
    if len(clusters.leaves) > 1:
        _draw_tree(figure, place, clusters)
    if pictures is not None and place.row.pictures:
        _draw_pictures(figure, place, clusters, pictures)
    if place.row.numbered:
        for i, filter in enumerate(clusters.order.tolist()):
            right, middle = place.numbers + NUMBERS - 0.08, place.top + (i + 0.5) * place.row.height
            write_at(figure, right, middle, str(filter), fontsize=SMALL, ha="right")
    if gone:
        _draw_strip(figure, place, clusters, gone)
    _draw_matrix(figure, place, clusters, similarity)
    _draw_labels(figure, place, clusters, named)
    _draw_colors(figure, place, bool(np.isnan(similarity.diagonal()).any()))


# -- the tree


def _draw_tree(figure: CarvizFigure, place: ClusterMap, clusters: Clusters) -> None:
    """Draw which branches join at which likeness, and where the tree is cut."""
    from matplotlib.collections import LineCollection

    axes = bare(box(figure, place.tree, place.top, TREE, SIDE), keep="bottom")
    # scipy's dendrogram ends in a RecursionError where a thousand filters join one after another.
    n = len(clusters.leaves)
    at = {filter: i + 0.5 for i, filter in enumerate(clusters.order.tolist())}
    ends = {i: (1.0, at[filter]) for i, filter in enumerate(clusters.leaves.tolist())}
    low: list[Branch] = []
    high: list[Branch] = []
    for i, (one, other, height, _) in enumerate(clusters.linkage.tolist()):
        (x, y), (z, w) = ends[int(one)], ends[int(other)]
        join = 1 - height
        ends[n + i] = (join, (y + w) / 2)
        branch = [(x, y), (join, y), (join, w), (z, w)]
        (high if join >= clusters.threshold - 1e-9 else low).append(branch)
    thin = 0.5 if place.row.height < THIN_ROW else 1.0
    axes.add_collection(LineCollection(low, colors=FAINT, linewidths=0.9))
    axes.add_collection(LineCollection(high, colors=INK, linewidths=1.5 * thin))
    axes.axvline(clusters.threshold, color=SOFT, linewidth=1.2, linestyle=(0, (5, 4)))
    least = min(clusters.threshold, 1 - float(clusters.linkage[:, 2].max()))
    axes.set_xlim(least - 0.04, 1)
    axes.set_ylim(len(clusters.order), 0)
    axes.set_yticks([])
    axes.set_xticks([0.0, 0.5, 1.0] if least < 0.2 else [0.5, 1.0])
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_xlabel("likeness", fontsize=SMALL, color=INK)


# -- beside the rows


def _draw_pictures(
    figure: CarvizFigure, place: ClusterMap, clusters: Clusters, pictures: NDArray[np.float64]
) -> None:
    """Draw the filters' pictures in the order of the rows; where rows are low, two to a line."""
    beside, side = place.row.pictures, place.picture
    axes = bare(box(figure, place.pictures, place.top, side * beside, SIDE))
    for i, filter in enumerate(clusters.order.tolist()):
        line, column = divmod(i, beside)
        middle = (line + 0.5) * beside * place.row.height
        _draw_picture(axes, pictures[filter], (column + 0.5) * side, middle, 0.92 * side)
    axes.set_xlim(0, side * beside)
    axes.set_ylim(SIDE, 0)
    axes.set_axis_off()


def _draw_picture(
    axes: Axes, picture: NDArray[np.float64], x: float, y: float, side: float
) -> None:
    height, width = picture.shape[:2]
    across, down = side * width / max(height, width) / 2, side * height / max(height, width) / 2
    extent = (x - across, x + across, y + down, y - down)
    axes.imshow(picture, interpolation="nearest", extent=extent, aspect="auto")


def _draw_strip(
    figure: CarvizFigure, place: ClusterMap, clusters: Clusters, gone: set[int]
) -> None:
    axes = bare(box(figure, place.strip, place.top, STRIP, SIDE), keep="left right top bottom")
    rows = [i for i, filter in enumerate(clusters.order.tolist()) if filter in gone]
    axes.barh([i + 0.5 for i in rows], 1, 1.0, color=INK, linewidth=0)
    axes.set_xlim(0, 1)
    axes.set_ylim(len(clusters.order), 0)
    axes.set_xticks([])
    axes.set_yticks([])


# -- the map


def diverging() -> Colormap:
    """Return the colours of a likeness from -1 to 1: paper at 0, grey where there is none."""
    colors = LinearSegmentedColormap.from_list(
        "likeness", [OPPOSITE[0], OPPOSITE[1], PAPER, ALIKE[0], ALIKE[1]]
    )
    return colors.with_extremes(bad=LINE)


def _draw_matrix(
    figure: CarvizFigure, place: ClusterMap, clusters: Clusters, similarity: NDArray[np.float64]
) -> None:
    from matplotlib.patches import Rectangle

    F = len(clusters.order)
    axes = bare(box(figure, place.map, place.top, SIDE, SIDE), keep="left right top bottom")
    axes.imshow(
        similarity[np.ix_(clusters.order, clusters.order)],
        cmap=diverging(), vmin=-1, vmax=1, interpolation="nearest", extent=(0, F, F, 0),
        aspect="auto",
    )  # fmt: skip
    order = clusters.order.tolist()
    for filters in clusters.shared().values():
        start, size = order.index(filters[0]), len(filters)
        axes.add_patch(
            Rectangle((start, start), size, size, fill=False, edgecolor=INK, linewidth=1.6)
        )
    axes.set_xlim(0, F)
    axes.set_ylim(F, 0)
    axes.set_xticks([])
    axes.set_yticks([])


def _draw_labels(
    figure: CarvizFigure, place: ClusterMap, clusters: Clusters, named: list[int]
) -> None:
    """Write the clusters' numbers right of the map, each with a bracket around its rows."""
    order = clusters.order.tolist()
    at = {filter: i * place.row.height for i, filter in enumerate(order)}
    ends = [
        (at[filters[0]], at[filters[-1]] + place.row.height)
        for label, filters in clusters.members.items()
        if label in named
    ]
    middles = spread([(top + bottom) / 2 for top, bottom in ends], LEAST_ROW, SIDE)
    axes = box(figure, place.labels, place.top, LABELS, SIDE)
    axes.set_axis_off()
    axes.set_xlim(0, LABELS)
    axes.set_ylim(SIDE, 0)
    for label, (top, bottom), middle in zip(sorted(named), ends, middles, strict=True):
        inset = min(0.03, 0.2 * (bottom - top))
        axes.plot([0.08, 0.08], [top + inset, bottom - inset], color=INK, linewidth=1.6)
        axes.plot([0.08, 0.24], [(top + bottom) / 2, middle], color=INK, linewidth=0.9)
        write(axes, 0.28, middle, str(label), fontsize=SMALL, weight="bold")


def _draw_colors(figure: CarvizFigure, place: ClusterMap, unknown: bool) -> None:
    """Write below the map what its colours mean."""
    top = place.top + SIDE + 0.22
    width = SIDE - 1.6 if unknown else SIDE
    axes = bare(box(figure, place.map, top, width, BAR), keep="left right top bottom")
    axes.imshow(
        np.linspace(-1, 1, 255)[None], cmap=diverging(), extent=(-1, 1, 0, 1), aspect="auto"
    )
    axes.set_yticks([])
    words = {-1: f"{MINUS}1: opposite", 0: "0: unlike", 1: "1: the same"}
    axes.set_xticks(list(words), list(words.values()), fontsize=SMALL)
    first, _, last = axes.get_xticklabels()
    first.set_horizontalalignment("left")
    last.set_horizontalalignment("right")
    if unknown:
        bare(box(figure, place.map + SIDE - 1.2, top, 0.3, BAR), keep="left right top bottom").set(
            facecolor=LINE, xticks=[], yticks=[]
        )
        write_at(
            figure, place.map + SIDE - 0.82, top + BAR / 2, "unknown", fontsize=SMALL, color=SOFT
        )
