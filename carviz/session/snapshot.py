"""Everything that a session knows and shows at one moment, frozen: records, words and choices."""

from __future__ import annotations

import dataclasses
import datetime
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from carviz.banks import Bank
from carviz.class_lists import class_lists
from carviz.evaluate import Images, Normalization
from carviz.results import CarTable, PruningPath, RandomBand, SelectivityTable
from carviz.session.bank_paths import missing_criteria
from carviz.session.bank_tables import car_of
from carviz.session.exporting import Exported
from carviz.session.loading import PLAINLY, How
from carviz.session.looks import Looks
from carviz.session.picks import Picks
from carviz.session.seeing.kept import SIGHTS, Seen
from carviz.wording import (
    CRITERIA,
    KIND_LETTERS,
    apart_words,
    band_words,
    counts_words,
    flips_words,
    index_words,
    interval_words,
    kind_words,
    percent,
    points,
    rank_words,
    seen_words,
)

if TYPE_CHECKING:
    from carviz.plots import CarvizFigure

CLASSES = 5
"""Classes at each end of a filter's list."""


@dataclasses.dataclass(frozen=True, eq=False)
class Snapshot:
    """What `carviz.Session.snapshot` returns; it stays as it is while the session goes on.

    Parameters
    ----------
    model, data
        Their names.
    device
        Where it runs.
    untraceable
        Whether torch.fx cannot trace the model, so that it is measured the slow way.
    banks
        The banks that can be chosen, in forward order.
    layer, filter
        What is chosen.
    table
        The table shown for the chosen filter; None before anything was measured.
    tables
        Every table of the bank that is known; more than one where they are of other images.
    selectivity
        None for a bank whose filters are not told apart.
    pictures
        (F, height, width, 3) in [0, 1]: RGB weights; None for a bank that reads no RGB.
    images
        The data.
    normalization
        Its preprocessing; None where nothing says it.
    path
        The path of greedy CAR; None before the bank was pruned.
    paths
        All paths, that one first.
    band
        Random orders beside them, as many as are done; None for less than two.
    held_out
        The order of `path` on images that had no part in it; None where none were held out.
    count
        How many filters of it are taken as pruned.
    exported
        The last smaller network that was saved.
    looks
        What is looked at.
    picks
        The filters that are picked to be removed together, and the one that is pinned.
    order
        The bank's filters as they are sorted.
    seen
        Pictures of what the filters see, as far as they are made.
    subject
        The fingerprints of the model and of the data, in short.
    devices
        Where it can run.
    data_asked, data_names, limit
        How the data is named or where it lies, what was opened so before it, and how many images a
        class were loaded at most.
    opening
        Whether another model or other data is being opened.
    refused
        Why the model and data that were asked for last could not be opened; "" where they could.
    how
        How the model and the data were loaded, given by name or folder.
    has_colour
        Whether any bank of the network reads RGB.
    own_data
        Whether the table was measured on the data at hand.
    accuracy
        The whole network's on all images of the data, told by whatever bank; None where unknown.
    busy, progress, status, story
        What the running or last job does or did; the traceback of what failed.
    saved
        Whether it is of a saved page, where nothing more is to come.

    Examples
    --------
    >>> import carviz
    >>> session = carviz.open_session("shapes", carviz.load_data("shapes", limit=1))
    >>> before = session.snapshot()
    >>> session.filter = 7
    >>> before.filter, session.snapshot().to_json()["chosen"]["filter"]
    (0, 7)
    >>> session.close()
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
    band: RandomBand | None = None
    held_out: PruningPath | None = None
    count: int = 0
    exported: Exported | None = None
    looks: Looks = dataclasses.field(default_factory=Looks)
    picks: Picks = dataclasses.field(default_factory=Picks)
    device: str = "cpu"
    untraceable: bool = False
    banks: tuple[Bank, ...] = ()
    order: tuple[int, ...] = ()
    seen: Seen = dataclasses.field(default_factory=Seen)
    subject: str = ""
    devices: tuple[str, ...] = ()
    data_asked: str = ""
    data_names: tuple[str, ...] = ()
    limit: int | None = None
    opening: bool = False
    refused: str = ""
    how: How = PLAINLY
    has_colour: bool = True
    own_data: bool = False
    accuracy: float | None = None
    busy: bool = False
    progress: float = 0.0
    status: str = ""
    story: str = ""
    saved: bool = False

    @property
    def bank(self) -> Bank:
        """The bank that is shown."""
        return next(bank for bank in self.banks if bank.layer == self.layer)

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
        return self.measured or self.pruned or self._whole_bank

    @property
    def _whole_bank(self) -> bool:
        """Whether a figure shows the bank."""
        table = self.table
        return self.looks.view == "bank" and table is not None and len(table.filters) > 1

    @property
    def about(self) -> str:
        """What it is of, and when: "network shapes, data shapes, 1 December 2026"."""
        today = datetime.date.today()
        return f"network {self.model}, data {self.data}, {today.day} {today:%B %Y}"

    @property
    def pruned(self) -> bool:
        """Whether a filter of the bank was pruned."""
        return self.path is not None and len(self.path) > 0

    @property
    def missing(self) -> list[str]:
        """The criteria that are still to be compared with greedy CAR; none before it was run."""
        return missing_criteria(self.paths, self.band, len(self.path or ())) if self.pruned else []

    def figure(self) -> CarvizFigure:
        """Return what is looked at: the chosen filter, the bank, or the curves of pruning.

        What is not there is taken from the others; ValueError while none is there. It says of what
        network and data it is, and when it was drawn.
        """
        figure = self._figure()
        figure.sign(self.about)
        return figure

    def _figure(self) -> CarvizFigure:
        # Loaded here, for it takes matplotlib along, which a screen can do without.
        from carviz.plots import plot_bank, plot_filter, plot_paths

        if self._whole_bank and self.table is not None:
            return plot_bank(self.table, selectivity=self.selectivity, pictures=self.pictures)
        if self.pruned and (self.looks.view == "pruning" or not self.measured):
            return plot_paths(self.paths, count=self.count, band=self.band, held_out=self.held_out)
        table = self.require()
        picture = None if self.pictures is None else self.pictures[self.filter]
        return plot_filter(table, self.filter, picture=picture, selectivity=self.selectivity)

    # -- as a browser has it

    def to_json(self) -> dict[str, Any]:
        """Return what is known and chosen as plain dictionaries, lists, numbers and strings.

        Numbers stand beside the words that every surface has for them (see `carviz.wording`).
        Pictures are named, not held: which filters have one of each sort.

        Returns
        -------
        dict
            model, data, images, device, banks, layer, filter, count, what is looked at, busy,
            progress, status, filters (of the bank, as they are sorted), chosen (the filter),
            classes (of the chosen filter, at both ends), class_notes (sentences about them),
            pruning (None before), pictures.
        """
        return {
            "model": self.model,
            "data": self.data,
            "images": len(self.images),
            "device": self.device,
            "banks": [
                {"layer": b.layer, "filters": b.filters, "gate": b.gate, "reads_rgb": b.reads_rgb}
                for b in self.banks
            ],
            "layer": self.layer,
            "filter": self.filter,
            "count": self.count,
            **dataclasses.asdict(self.looks),
            "busy": self.busy,
            "progress": self.progress,
            "status": self.status,
            "filters": self._filters(),
            "chosen": self._chosen(),
            **self._classes(),
            "pruning": self._pruning(),
            "pictures": {sight: sorted(self.seen.pictures(sight)) for sight in SIGHTS},
        }

    def _filters(self) -> list[dict[str, Any]]:
        kinds, car = self.selectivity, car_of(self.tables, self.bank.filters)
        rows = []
        for filter in self.order:
            kind = "" if kinds is None else str(kinds.kind[filter])
            known = car[filter] == car[filter]
            rows.append(
                {
                    "filter": filter,
                    "kind": kind,
                    "mark": KIND_LETTERS.get(kind, ""),
                    "car": float(car[filter]) if known else None,
                    "car_words": points(car[filter], unit=False) if known else "",
                }
            )
        return rows

    def _chosen(self) -> dict[str, Any]:
        kinds, found = self.selectivity, None
        said: dict[str, Any] = {"filter": self.filter, "measured": self.measured}
        if kinds is not None:
            kind = str(kinds.kind[self.filter])
            index = float(kinds.color_index[self.filter])
            said |= {
                "kind": kind,
                "kind_words": kind_words(kind),
                "color_index": index if index == index else None,
                "index_words": index_words(index),
            }
        if self.table is not None and self.measured:
            found = self.table.summary(self.filter, k=0)
            said |= {
                name: value
                for name, value in dataclasses.asdict(found).items()
                if name not in ("layer", "top", "bottom") and value == value  # no NaN in JSON
            }
            said |= {
                "car_words": points(found.car, unit=False),
                "interval_words": interval_words(found.low, found.high, unit=False),
                "flips_words": flips_words(found.lost, found.gained, found.images),
                "rank_words": rank_words(found, self.bank.filters),
                "apart_words": apart_words(self.table),
                "seen_words": seen_words(self.table),
                "complete": self.table.complete,
            }
        return said

    def _classes(self) -> dict[str, Any]:
        if self.table is None or not self.measured:
            return {"classes": [], "class_notes": []}
        found = class_lists(self.table, self.filter, CLASSES)
        notes = [note for note in (found.doubt, found.rest, found.tie) if note]
        blocks = [
            {
                "title": title,
                "rows": [
                    {
                        **dataclasses.asdict(row),
                        "car_words": points(row.car, unit=False),
                        "interval_words": interval_words(row.low, row.high, unit=False),
                        "counts_words": counts_words(row.lost, row.gained, row.images),
                    }
                    for row in rows
                ],
            }
            for title, rows in found.blocks
        ]
        return {"classes": blocks, "class_notes": notes}

    def _pruning(self) -> dict[str, Any] | None:
        if self.path is None:
            return None
        return {
            "order": self.path.order.tolist(),
            "accuracy": [float(a) for a in self.path.accuracy],
            "accuracy_words": percent(self.path.accuracy[self.count]),
            "paths": {
                path.criterion: {
                    "name": CRITERIA[path.criterion],
                    "order": path.order.tolist(),
                    "accuracy": [float(a) for a in path.accuracy],
                }
                for path in self.paths
            },
            "chosen_on": len(self.path.targets),
            "tie_share": self.path.tie_share if len(self.path) else None,
            "band": None if self.band is None else _band_json(self.band),
            "held_out": None if self.held_out is None else _held_out_json(self.held_out),
            "exported": None if self.exported is None else str(self.exported.path),
        }


def _band_json(band: RandomBand) -> dict[str, Any]:
    """Return a band of random orders: at each place the lowest, the highest and the mean."""
    return {
        "draws": len(band),
        "seed": band.seed,
        "covers": band.covers,
        "lowest": band.lowest.tolist(),
        "highest": band.highest.tolist(),
        "mean": band.mean.tolist(),
        "words": band_words(band),
    }


def _held_out_json(path: PruningPath) -> dict[str, Any]:
    """Return the accuracy of an order on images that had no part in it."""
    return {"images": len(path.targets), "accuracy": [float(a) for a in path.accuracy]}
