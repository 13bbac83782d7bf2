"""Clusters of siblings with their pictures, line by line, each filter pruned or left."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from carviz.plots.bank import draw_letter, draw_thumbnail
from carviz.plots.cluster_map import SIDE
from carviz.plots.style import (
    BODY,
    BOLD,
    HEAD,
    INK,
    SMALL,
    SOFT,
    CarvizFigure,
    fit,
    width_of,
    write_at,
)
from carviz.results import Clusters, SelectivityTable
from carviz.wording import likeness_words

CARD_HEAD, STEP, CAPTION, BETWEEN = 0.3, 0.2, 0.26, 0.16
TILES = (0.72, 0.56, 0.46)
"""Inches of a picture: the largest with which all clusters fit, or the last."""
TILE_GAP, LETTER = 0.14, 0.27
MOST_TILES, FEW_TILES = 30, (9, 4)
"""Filters of a cluster that are shown at most; where not all clusters fit, fewer."""
APART = 0.24
"""Inches between two clusters in a line."""
FADED = 0.45
"""Share of its contrast that the picture of a pruned filter keeps."""


@dataclasses.dataclass(frozen=True)
class _Card:
    """A cluster at its place: its heading, the filters that are shown, and tiles in a line."""

    label: int
    head: str
    filters: list[int]
    across: int
    left: float
    top: float


class ClusterCards:
    """The clusters right of the map, as many as fit; where not all do, the largest.

    Parameters
    ----------
    steps
        The step of each pruned filter; None where nothing is said of pruning.
    left, top, width
        Where they stand, in inches; they end where the map does.
    """

    def __init__(
        self,
        figure: CarvizFigure,
        clusters: Clusters,
        steps: dict[int, int] | None,
        pictures: NDArray[np.float64] | None,
        kinds: SelectivityTable | None,
        left: float,
        top: float,
        width: float,
    ) -> None:
        self.figure, self.clusters, self.steps = figure, clusters, steps
        self.pictures, self.kinds = pictures, kinds
        self.left, self.top, self.width = left, top, width
        self.likeness = clusters.likeness()
        self.caption = width_of(figure, str(len(clusters.label) - 1), SMALL, weight="bold")
        self.caption += LETTER if kinds is not None else 0.0
        shared = clusters.shared()
        largest = sorted(shared, key=lambda label: (-len(shared[label]), label))
        self.tile, self.cards = TILES[-1], list[_Card]()
        # The largest pictures with which all fit, else fewer of a cluster, else fewer clusters.
        every = len(largest)
        tries = [(tile, MOST_TILES, every) for tile in TILES]
        tries += [(TILES[-1], few, every) for few in FEW_TILES]
        tries += [(TILES[-1], FEW_TILES[-1], kept) for kept in range(every - 1, 0, -1)]
        for self.tile, tiles, kept in tries:
            cards = self._placed(sorted(largest[:kept]), tiles)
            if cards is not None:
                self.cards = cards
                break
        self.left_out = len(shared) - len(self.cards)

    @property
    def side(self) -> float:
        """Inches of a picture; 0 without pictures."""
        return 0.0 if self.pictures is None else self.tile

    @property
    def line(self) -> float:
        """Inches that a line of tiles takes."""
        return self.side + CAPTION + (STEP if self.steps else 0)

    @property
    def pitch(self) -> float:
        """Inches from one tile to the next."""
        return max(self.side, self.caption) + TILE_GAP

    def _head(self, label: int, shown: int) -> str:
        """Write a cluster's number, what is known of it, and how many of it are shown."""
        filters = self.clusters.members[label]
        some = f"{shown} of {len(filters)}, " if shown < len(filters) else ""
        if self.steps is None:
            return f"{label}: {some}{likeness_words(self.likeness[label])} alike"
        left = sum(filter not in self.steps for filter in filters)
        cut = f", {shown} shown" if some else ""
        return f"{label}: {left or 'none'} of {len(filters)} left{cut}"

    def told(self, label: int) -> str:
        """Return a cluster in words."""
        filters = ", ".join(map(str, self.clusters.members[label]))
        head = self._head(label, len(self.clusters.members[label]))
        return f"cluster {head}, filters {filters}"

    def _placed(self, labels: list[int], tiles: int) -> list[_Card] | None:
        """Return the clusters line by line; None where they do not fit above the map's end."""
        most = int((self.width + TILE_GAP) // self.pitch)
        x, y, deepest, cards = 0.0, 0.45, 0.0, []
        for label in labels:
            filters = self.clusters.members[label]
            shown = filters[:tiles]
            head = self._head(label, len(shown))
            across = min(most, len(shown))
            wide = max(
                across * self.pitch - TILE_GAP, width_of(self.figure, head, BODY, weight="bold")
            )
            if x and x + wide > self.width:
                x, y, deepest = 0.0, y + deepest + BETWEEN, 0.0
            cards.append(_Card(label, head, shown, across, self.left + x, self.top + y))
            deepest = max(deepest, CARD_HEAD + self.line * -(-len(shown) // across))
            x += wide + APART
        return cards if y + deepest <= SIDE + 0.1 else None

    def draw(self) -> None:
        """Draw heading, clusters and what of them is not shown."""
        head = "Clusters of two or more, as in the map"
        if self.left_out:
            verb = "are" if self.left_out > 1 else "is"
            head = f"The {len(self.cards)} largest clusters; {self.left_out} more {verb} not shown"
        if not self.cards:
            head = f"No two filters reach a likeness of {likeness_words(self.clusters.threshold)}"
        head = fit(self.figure, head, BOLD * self.width, HEAD)
        write_at(self.figure, self.left, self.top + 0.1, head, fontsize=HEAD, weight="bold")
        if not self.cards and len(self.clusters.linkage):
            words = f"The most alike: {likeness_words(1 - self.clusters.linkage[:, 2].min())}"
            write_at(self.figure, self.left, self.top + 0.45, words, fontsize=BODY)
        for card in self.cards:
            middle = card.top + 0.1
            write_at(self.figure, card.left, middle, card.head, fontsize=BODY, weight="bold")
            for i, filter in enumerate(card.filters):
                down, across = divmod(i, card.across)
                left = card.left + across * self.pitch
                self._draw_tile(filter, left, card.top + CARD_HEAD + down * self.line)

    def _draw_tile(self, filter: int, left: float, top: float) -> None:
        step = None if self.steps is None else self.steps.get(filter)
        if self.steps:
            top += STEP
        if step is not None:
            write_at(self.figure, left, top - 0.1, f"{step}.", fontsize=SMALL, color=SOFT)
        if self.pictures is not None:
            picture = self.pictures[filter]
            faded = picture if step is None else 1 - FADED * (1 - picture)
            draw_thumbnail(self.figure, faded, left, top, self.tile)
            if step is not None:
                self.figure.axes[-1].plot(
                    [0, 1], [0, 1], color=INK, linewidth=1.4,
                    transform=self.figure.axes[-1].transAxes,
                )  # fmt: skip
        line = top + self.side + 0.13
        weight = "bold" if step is None else "normal"
        name = write_at(self.figure, left, line, str(filter), fontsize=SMALL, weight=weight)
        if self.kinds is not None:
            edge = name.get_window_extent().x1 / self.figure.dpi
            draw_letter(self.figure, str(self.kinds.kind[filter]), edge + 0.17, line)
