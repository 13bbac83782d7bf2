"""What stays of an explorer without a kernel: a bundle with fallbacks, and a plain figure."""

from __future__ import annotations

import dataclasses
from html import escape
from typing import Any

from numpy.typing import NDArray

from carviz import cards
from carviz.evaluate import Images, Normalization
from carviz.explorer.exporting import Exported
from carviz.explorer.thumbnails import raw_pictures
from carviz.plots import CarvizFigure, plot_filter, plot_paths
from carviz.results import CarTable, PruningPath, SelectivityTable

MOST_CHANGED = 200
"""Changed images whose pictures go into a page."""

VIEW = "application/vnd.jupyter.widget-view+json"


def bundle(model_id: str, title: str, image: bytes | None) -> dict[str, Any]:
    """Return what a cell's output holds: the live widget, and words for where there is none."""
    words = (
        f"{title}: the live explorer needs a running kernel; run this cell. "
        "A picture of its last result, if there is one, stands below."
    )
    data: dict[str, Any] = {
        VIEW: {"version_major": 2, "version_minor": 0, "model_id": model_id},
        "text/plain": words,
        "text/html": f"<p>{escape(words)}</p>",
    }
    if image is not None:
        data["image/png"] = image
    return data


@dataclasses.dataclass(frozen=True, eq=False)
class Shown:
    """All that an explorer shows at one moment: what a figure or a page is made from.

    Parameters
    ----------
    model, data
        Their names.
    layer, filter
        What is chosen.
    table
        The table shown for the chosen filter; None before anything was measured.
    tables
        Every table of the bank that is known; more than one where they are of other images.
    selectivity
        None for a bank that reads no RGB.
    pictures
        (F, height, width, 3) in [0, 1]; None for a bank that reads no RGB.
    images
        The data.
    normalization
        Its preprocessing; None where nothing says it.
    path
        The path of greedy CAR; None before the bank was pruned.
    paths
        All paths, that one first.
    count
        How many filters of it are taken as pruned.
    exported
        The last smaller network that was saved.
    view
        Which view is looked at: "filter", "bank" or "pruning".
    """

    model: str
    data: str
    layer: str
    filter: int
    table: CarTable | None
    tables: tuple[CarTable, ...]
    selectivity: SelectivityTable | None
    pictures: NDArray[Any] | None
    images: Images
    normalization: Normalization | None
    path: PruningPath | None = None
    paths: tuple[PruningPath, ...] = ()
    count: int = 0
    exported: Exported | None = None
    view: str = "filter"

    @property
    def measured(self) -> bool:
        """Whether the table holds the chosen filter."""
        return self.table is not None and self.filter in self.table.filters

    def require(self) -> CarTable:
        """Return the table; ValueError while the chosen filter is not measured."""
        if self.table is None or not self.measured:
            raise ValueError(
                "A picture of a filter shows its CAR, so it is measured first; filter "
                f"{self.filter} of {self.layer!r} is not. Call compute('filter') and wait(); or "
                "prune(), for a picture of pruning."
            )
        return self.table

    @property
    def drawable(self) -> bool:
        """Whether there is a figure of it."""
        return self.measured or self.pruned

    @property
    def pruned(self) -> bool:
        """Whether a filter of the bank was pruned."""
        return self.path is not None and len(self.path) > 0

    def figure(self) -> CarvizFigure:
        """Return the curves of pruning where they are looked at, else the chosen filter.

        ValueError while neither is there.
        """
        if self.pruned and (self.view == "pruning" or not self.measured):
            return plot_paths(self.paths, count=self.count)
        table = self.require()
        picture = None if self.pictures is None else self.pictures[self.filter]
        return plot_filter(table, self.filter, picture=picture, selectivity=self.selectivity)


def page(shown: Shown, data_digest: str) -> str:
    """Return a static page of all that is shown; ValueError while there is nothing to show.

    Images that changed are shown only if the table was measured on the data at hand.
    """
    about = f"Network {shown.model} on {shown.data}"
    if shown.pruned and not shown.measured:
        return cards.pruning_page(
            shown.paths,
            count=shown.count,
            selectivity=None if shown.pictures is None else shown.selectivity,
            pictures=shown.pictures,
            about=about,
        )
    table = shown.require()
    thumbnails = {}
    if table.passport.get("data") == data_digest:
        numbers = [int(n) for n in table.flips(shown.filter)["image"][:MOST_CHANGED]]
        thumbnails = raw_pictures(numbers, shown.images, shown.normalization)
    return cards.whole_page(
        table,
        shown.filter,
        selectivity=shown.selectivity,
        pictures=shown.pictures,
        thumbnails=thumbnails,
        paths=shown.paths if shown.pruned else (),
        count=shown.count,
        about=about,
    )


class Paper:
    """An output of its own for the plain figure, which a saved notebook keeps."""

    def __init__(self) -> None:
        self._handles: list[Any] = []

    def display(self, shown: Shown, model_id: str) -> None:
        """Display the live widget, and below it make room for the figure."""
        from IPython.display import display

        figure = shown.figure() if shown.drawable else None
        title = f"carviz explorer of {shown.model} on {shown.data}"
        image = None if figure is None else figure._repr_png_()
        display(bundle(model_id, title, image), raw=True)  # type: ignore[no-untyped-call]
        handle = display(_content(figure), raw=True, display_id=True)  # type: ignore[no-untyped-call]
        if handle is not None:
            self._handles.append(handle)

    @property
    def laid(self) -> bool:
        """Whether there is an output to draw into."""
        return bool(self._handles)

    def draw(self, figure: CarvizFigure) -> None:
        """Put the figure there; any thread may."""
        content = _content(figure)
        for handle in self._handles:
            handle.update(content, raw=True)


def _content(figure: CarvizFigure | None) -> dict[str, Any]:
    if figure is None:
        return {"text/plain": ""}
    return {"image/png": figure._repr_png_(), "text/plain": figure.description}
