"""Everything that a session knows and shows at one moment, frozen: records, words and choices."""

from __future__ import annotations

import dataclasses
import datetime
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from carviz.banks import Bank
from carviz.evaluate import Images, Normalization
from carviz.results import CarTable, JointTable, PruningPath, RandomBand, SelectivityTable
from carviz.session.bank_paths import missing_criteria
from carviz.session.exporting import Exported
from carviz.session.loading import PLAINLY, How
from carviz.session.looks import Looks
from carviz.session.one_image import Needed, OneImage
from carviz.session.own_image import OwnImage
from carviz.session.picks import Picks
from carviz.session.seeing.kept import Seen
from carviz.session.snapshot_json import as_json

if TYPE_CHECKING:
    from carviz.plots import CarvizFigure


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
    joint
        What they cost together; None before that was measured.
    sets_tried
        How many sets of two filters or more were measured in the bank.
    image
        The number of the image that is looked at, -2 for the reader's own.
    one_image, needed
        What is known of that image and the chosen filter, and of it and the bank; None before.
    own_image
        The reader's own picture.
    image_problem
        Why nothing can be known of that image; "" where it can.
    image_refused
        Why the last picture of one's own was not taken; "" where it was.
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
    model_named, data_named
        Whether they were given so.
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
    joint: JointTable | None = None
    sets_tried: int = 1
    image: int = 0
    one_image: OneImage | None = None
    needed: Needed | None = None
    own_image: OwnImage | None = None
    image_problem: str = ""
    image_refused: str = ""
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
    model_named: bool = False
    data_named: bool = False
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
    def draws_paths(self) -> bool:
        """Whether its figure is that of pruning: it is looked at, or all that there is."""
        return (
            self.pruned
            and not self._whole_bank
            and (self.looks.view == "pruning" or not self.measured)
        )

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
        if self.draws_paths:
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
            picked, pinned, together (what the picked filters cost removed together, and each alone;
            None before it is measured), pruning (None before), pictures.
        """
        return as_json(self)
