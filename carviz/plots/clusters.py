"""A bank in clusters of siblings: the map of who is like whom, and what a pruning left of each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from carviz.plots.classes import MARGIN
from carviz.plots.cluster_cards import ClusterCards
from carviz.plots.cluster_map import BELOW, SIDE, ClusterMap, draw_map
from carviz.plots.pruned import check_count
from carviz.plots.siblings import check_siblings, draw_kinds
from carviz.plots.style import (
    BOLD,
    SMALL,
    SOFT,
    TITLE,
    CarvizFigure,
    check_kinds,
    check_whole_bank,
    fit,
    write_at,
)
from carviz.results import Clusters, PruningPath, SelectivityTable, SiblingTable, pruned_filters
from carviz.wording import counted, criterion_words, likeness_words, probability_words

WIDTH = 16.0
LINE_HEIGHT = 0.29
MEASURES = {
    "weights": "cosine of the angle between the weights",
    "activation": "correlation of what they answer, over all places of {images}",
    "classes": "correlation of what pruning them does to {classes} classes (CAR)",
}


def plot_clusters(
    siblings: SiblingTable,
    pictures: Any = None,
    *,
    by: str = "activation",
    threshold: float | None = None,
    path: PruningPath | Iterable[int] | None = None,
    count: int | None = None,
    selectivity: SelectivityTable | None = None,
) -> CarvizFigure:
    """Show a bank as a clustered map: who is like whom, and what a pruning left of each cluster.

    The map has the likeness of every two filters in the order of the tree at its left, whose
    branches join where their filters are that alike on average; framed are the clusters of two
    filters or more. They stand again at the right, with their pictures. Given a path, pruned
    filters are marked black beside the map; at the right their pictures are faded and crossed out,
    with the step above them, and a line says how many clusters keep a filter, beside blind draws.

    Parameters
    ----------
    siblings
        A `SiblingTable`.
    pictures
        (F, height, width, 3), floats in [0, 1], of the whole bank by filter number, as
        `carviz.rgb_weights` gives them. None for numbers only. Beside the map they stand for up
        to 64 filters.
    by
        "weights", "activation" or, where CAR was given, "classes".
    threshold
        The mean likeness at which the tree is cut; None for 0.5, as in `SiblingTable.clusters`.
    path
        A `PruningPath` whose banks include this one, or numbers of pruned filters in the order in
        which they went.
    count
        How many of this bank count as pruned. None: half of the bank, or what the path prunes if
        less.
    selectivity
        The bank's `SelectivityTable`, to mark each filter: C color, S shape, × dead. None for no
        marks.

    Returns
    -------
    CarvizFigure
        A matplotlib Figure, not shown, that Jupyter displays. Where not all clusters fit, the
        largest are shown at the right.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind.
    ValueError
        If `pictures`, `path` or `selectivity` are not of the bank, `by` was not measured, or the
        path does not prune `count` filters.

    Examples
    --------
    >>> import carviz
    >>> model, data = carviz.load_model("shapes"), carviz.load_data("shapes", limit=1)
    >>> siblings = carviz.measure_siblings(model, data, "features.0", progress=False)
    >>> figure = carviz.plot_clusters(siblings, carviz.rgb_weights(model, "features.0"))
    >>> figure.description.split(". ")[0]
    'features.0: 32 filters in clusters of siblings, by activation'
    """
    check_siblings(siblings)
    F = len(siblings)
    shown = None if pictures is None else check_whole_bank(pictures, siblings.layer, F)
    kinds = check_kinds(selectivity, siblings.layer, F, whole=True)
    similarity = siblings.similarity(by)
    clusters = siblings.clusters(by, threshold=threshold)  # type: ignore[arg-type]
    steps = _steps(path, count, siblings)
    lines = _lines(siblings, clusters, path, steps)
    top = 0.82 + LINE_HEIGHT * len(lines) + 0.22
    place = ClusterMap(clusters, MARGIN, top, pictures=shown is not None, marked=steps is not None)
    figure = CarvizFigure(WIDTH, top + SIDE + BELOW)
    filters = counted(F, "filter")
    heading = f"{siblings.layer}: {filters} in clusters of siblings, by {by}"
    heading = fit(figure, heading, BOLD * (WIDTH - 2 * MARGIN), TITLE)
    write_at(figure, MARGIN, 0.42, heading, fontsize=TITLE, weight="bold")
    for i, line in enumerate(lines):
        look: dict[str, Any] = {"weight": "bold"} if i == 2 else {"color": SOFT}
        write_at(figure, MARGIN, 0.82 + LINE_HEIGHT * i, line, **look)
    left = place.right + 0.25
    cards = ClusterCards(figure, clusters, steps, shown, kinds, left, top, WIDTH - MARGIN - left)
    named = [card.label for card in cards.cards]
    draw_map(figure, place, clusters, similarity, shown, set(steps or ()), named)
    cards.draw()
    _draw_legend(figure, left, top + SIDE + 0.4, steps, bool(cards.cards), kinds)
    told = "; ".join(cards.told(label) for label in clusters.shared())
    figure.description = f"{heading}. {' '.join(lines)} {told}."
    return figure


# -- what is shown


def _steps(
    path: PruningPath | Iterable[int] | None, count: int | None, siblings: SiblingTable
) -> dict[int, int] | None:
    """Return the pruned filters with the step of each, or None without a path."""
    if path is None:
        return None
    gone = pruned_filters(path, siblings.layer, len(siblings))
    count = min(len(gone), len(siblings) // 2) if count is None else check_count(count, len(gone))
    return {filter: i for i, filter in enumerate(gone[:count], 1)}


def _lines(
    siblings: SiblingTable, clusters: Clusters, path: Any, steps: dict[int, int] | None
) -> list[str]:
    images = counted(siblings.images, "image")
    measure = MEASURES[clusters.by].format(images=images, classes=siblings.classes)
    first = f"Likeness of two filters: {measure}. 1 is the same, 0 is unlike."
    if clusters.by == "classes":
        first += f" Half of the filters move {np.nanmedian(siblings.moved):g} of them at most."
    shared = clusters.shared()
    held, unknown = sum(map(len, shared.values())), len(siblings) - len(clusters.leaves)
    alone = len(clusters.leaves) - held
    second = (
        f"{counted(len(shared), 'cluster')} of two filters or more: {held} of "
        f"{counted(len(siblings), 'filter')}"
    )
    second += f"; {alone} stand{'s' if alone == 1 else ''} alone" if alone else ""
    second += f"; {unknown} unknown" if unknown else ""
    if len(clusters.leaves) > 1:
        second += f". Dashed: the cut, at a mean likeness of {likeness_words(clusters.threshold)}"
    second += "."
    lines = [first, second]
    if steps is not None and shared:
        lines.append(_chance_line(clusters, path, steps))
    return lines


def _chance_line(clusters: Clusters, path: Any, steps: dict[int, int]) -> str:
    """Write how many clusters keep a filter, and how many blind draws leave."""
    row = clusters.beside_chance(list(steps), [len(steps)]).iloc[0]
    C = len(clusters.shared())
    how = f" ({criterion_words(path)})" if isinstance(path, PruningPath) else ""
    low, high = round(C * row["low"]), round(C * row["high"])
    return (
        f"{len(steps)} pruned{how}: {row['left']:.0f} of {C} clusters keep a filter. Blind draws: "
        f"{C * row['chance']:.1f} on average, 95% of them {low} to {high}; as many or more: "
        f"{probability_words(row['p_value'])}."
    )


def _draw_legend(
    figure: CarvizFigure,
    left: float,
    top: float,
    steps: dict[int, int] | None,
    clustered: bool,
    kinds: SelectivityTable | None,
) -> None:
    """Write what the marks mean."""
    if steps:
        words = (
            "black, or crossed out: pruned; above it, its step" if clustered else "black: pruned"
        )
        write_at(figure, left, top, words, fontsize=SMALL, color=SOFT)
        top += LINE_HEIGHT
    if kinds is not None:
        draw_kinds(figure, left + 0.1, top, kinds)
