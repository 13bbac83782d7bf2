"""What a session is about, what it knows, what is chosen in it, and what it is doing."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from carviz.banks import Bank, Network
from carviz.results import CarTable, PruningPath
from carviz.session.bank_paths import BankPaths, good_place
from carviz.session.bank_tables import best, car_of
from carviz.session.exporting import Exported
from carviz.session.findings import Findings
from carviz.session.home import Cancelled
from carviz.session.loading import by_name
from carviz.session.looks import OWN, Looks
from carviz.session.one_image import ImageState, Key, changed_images
from carviz.session.picks import Picks
from carviz.session.seeing.kept import Demand, Seen, Sight
from carviz.session.snapshot import Snapshot
from carviz.session.status import READY, told
from carviz.session.subject import Subject
from carviz.session.worker import Job, Worker

NAMES = 12
"""Names and folders of data that are remembered."""

What = Literal["subject", "bank", "known", "place", "view", "work", "gallery", "sight"]


@dataclasses.dataclass(frozen=True)
class News:
    """Something that has changed, told with the session's lock held.

    Parameters
    ----------
    what
        "subject": another model or other data. "bank": another bank. "known": the chosen filter, or
        what is known of it and its bank. "place": how many filters are taken as pruned. "view":
        what is looked at, or picked. "work": busy, progress, status or traceback. "gallery":
        pictures came for it. "sight": the chosen filter's picture, or its siblings, came or became
        better.
    sight, filters
        For "gallery": which pictures, of which filters.
    more
        Whether more of it is sure to come: whoever shows it may leave some out.
    """

    what: What
    sight: Sight = "weights"
    filters: tuple[int, ...] = ()
    more: bool = False


Hear = Callable[[News], None]


class State:
    """Whoever writes holds the worker's lock, and of the jobs only `job` may.

    Attributes
    ----------
    subject, findings
        The model on its data, and what is known of it.
    device
        Where to run: one of the subject's.
    offered
        The banks that can be chosen.
    layer, filter, count
        The bank that is shown, the chosen filter, and how many filters are taken as pruned.
    table, path
        What is shown of them: the table for the chosen filter, the path of greedy CAR.
    exported
        The last smaller network that was saved of this bank.
    pictures
        (F, height, width, 3) in [0, 1]: RGB weights of the bank; None if it reads no RGB.
    picks
        Filters that are chosen beside that one.
    image
        The reader's own image, and what is known of the one that is looked at.
    looks, looked
        What is looked at, and whether anybody has looked.
    filter_asked, gallery_asked
        Whether somebody chose the filter, or the pictures of the gallery: else the one of highest
        CAR is shown once that is known, and of a deep bank patches, which say more than weights.
    data_names
        The names and folders of the data that was opened, the last one first.
    busy, progress, status, story
        What the running or last job does or did; the traceback of what failed.
    job
        The job that may write; None when there was none.
    opening_job, refused
        The last job that opens another model or other data, and why what was asked for beside
        another job was not begun.
    running
        The table that it is filling.
    """

    def __init__(self, subject: Subject, worker: Worker) -> None:
        self.worker, self.lock = worker, worker.lock
        self.hearers: list[Hear] = []
        self.device = next(iter(subject.networks))
        self.layer, self.filter, self.count = "", 0, 0
        self.table: CarTable | None = None
        self.path: PruningPath | None = None
        self.exported: Exported | None = None
        self.pictures: NDArray[Any] | None = None
        self.looked = False
        self.filter_asked, self.gallery_asked = False, False
        self.looks, self.picks, self.image = Looks(), Picks(), ImageState()
        self.data_names: list[str] = []
        self.busy, self.progress, self.status, self.story = False, 0.0, READY, ""
        self.job: Job | None = None
        self.opening_job: Job | None = None
        self.refused = ""
        self.running: CarTable | None = None
        self.closed = False
        self.take(subject, Findings())

    # -- what it is about

    def take(self, subject: Subject, findings: Findings) -> None:
        """Be about another subject, of which this much is known."""
        self.subject, self.findings = subject, findings
        self.image.forget()
        if by_name(subject.origin):
            asked = subject.data_asked
            former = [name for name in self.data_names if name != asked]
            self.data_names = [asked, *former][:NAMES]
        self.banks = {bank.layer: bank for bank in subject.banks()}

    def show_subject(self, layer: str) -> None:
        """Show the subject as if freshly opened, at one of its banks."""
        self.offered = self._offer({layer})
        self.layer = layer
        self.tell("subject")
        self.show_bank()

    def _offer(self, gates: set[str]) -> list[str]:
        """Return the banks that can be chosen: of gates only these."""
        return [b.layer for b in self.banks.values() if not b.gate or b.layer in gates]

    def show_bank(self) -> None:
        """Show the bank as if it had just been chosen."""
        self.supersede()
        self.findings.read_weights(self.subject, self.bank)
        self.pictures = self.subject.pictures(self.bank)
        self.filter, self.filter_asked, self.exported = 0, False, None
        self.picks = Picks()
        usual = "patches" if self.is_deep else "weights"
        gallery = self.looks.gallery if self.gallery_asked else usual
        self.looks = self.looks.changed(opened=-1, gallery=gallery)
        self.busy, self.progress, self.status, self.story = False, 0.0, READY, ""
        self._refresh()
        if self.table is not None:
            self.status = f"{self.layer}: {told(self.table)}."
        self.tell("bank")
        self.worker.wake()

    def come_back(self, filter: int, count: int) -> None:
        """Choose what was chosen when this subject was left."""
        self.filter, self.count = filter, min(count, 0 if self.path is None else len(self.path))
        self.refresh()

    def renew(self) -> None:
        """Show the same bank of a subject whose weights have changed, while a job goes on."""
        self.running, self.table, self.path, self.exported = None, None, None, None
        self.offered = self._offer({*self.offered, self.layer})  # other modules may stand there
        if self.filter >= self.bank.filters:
            self.filter = 0
        self.picks = self.picks.within(self.bank.filters)
        self.pictures = self.subject.pictures(self.bank)
        self._refresh()
        self.tell("subject")
        self.tell("bank")

    @property
    def bank(self) -> Bank:
        """The bank that is shown."""
        return self.banks[self.layer]

    @property
    def network(self) -> Network:
        """The network on the device that is chosen."""
        return self.subject.networks[self.device]

    @property
    def opening(self) -> bool:
        """Whether another model or other data is being opened."""
        return self.busy and self.opening_job is not None and self.opening_job is self.job

    def _refused(self) -> str:
        """Return why what was asked for last could not be opened; "" where it could."""
        if self.refused:
            return self.refused
        job = self.job
        failed = job is not None and job is self.opening_job and job.error is not None
        return str(job.error) if failed and job is not None else ""

    @property
    def is_deep(self) -> bool:
        """Whether the bank reads something else than the image's RGB, of a network that does."""
        return self.pictures is None and self.reads_rgb

    @property
    def reads_rgb(self) -> bool:
        """Whether any bank reads RGB, so that there are pictures in colour."""
        return any(bank.reads_rgb for bank in self.banks.values())

    # -- what is known

    def tables(self) -> list[CarTable]:
        """Return what is known of the bank, the table of the running job last."""
        running = self.running
        here = running is not None and running.layer == self.layer
        return [
            *self.findings.tables_of(self.layer).tables,
            *([running] if running is not None and here else []),
        ]

    def paths_of(self, layer: str) -> BankPaths:
        """Return the paths of a bank, to be added to."""
        return self.findings.paths_of(layer)

    @property
    def seen(self) -> Seen:
        """What is kept of pictures of the bank that is shown."""
        return self.findings.seen_of(self.layer)

    def own_data(self, table: CarTable | None) -> bool:
        """Whether a table was measured on the data at hand, so that its images can be shown."""
        return table is not None and table.passport.get("data") == self.subject.data_digest

    def refresh(self, more: bool = False) -> None:
        """Show what is known now of the chosen filter and of its bank."""
        self._refresh()
        self.tell("known", more=more)
        self.worker.wake()

    def _refresh(self) -> None:
        self.table = best(self.tables(), self.filter)
        self._take_path()

    def _take_path(self) -> None:
        """Take the bank's path, and let the place go on with its end where it stood there."""
        path, old = self.paths_of(self.layer).greedy, self.path
        same = old is not None and path is not None and old.banks == path.banks
        at_end = old is None or self.count == len(old)
        steps = 0 if path is None else len(path)
        if path is None:
            place = 0
        elif not same:
            place = good_place(path) if not self.busy else steps
        else:
            place = steps if at_end else min(self.count, steps)
        self.path, self.count = path, place

    def choose_highest(self) -> None:
        """Choose the filter of highest CAR, unless somebody has chosen, or opened a class."""
        tables = [table for table in self.tables() if len(table.filters) == self.bank.filters]
        free = not self.filter_asked and self.looks.opened < 0
        if free and tables and tables[-1].car.max() > 0:  # else many cost nothing
            self.filter = int(tables[-1].order[0])

    def image_key(self) -> Key:
        """Return which image is looked at: the chosen one, else the first the filter changes."""
        number, own = self.looks.image, self.image.own
        if number == OWN and own is not None:
            return OWN, own.version
        if 0 <= number < len(self.subject.images):
            return number, 0
        table = self.table if self.own_data(self.table) else None
        return next(iter(changed_images(table, self.filter)), 0), 0

    def order(self) -> list[int]:
        """Return the bank's filters as the gallery has them; what is not known comes last."""
        key = np.arange(self.bank.filters, dtype=float)
        kinds = self.findings.kinds.get(self.layer)
        if self.looks.order == "car":
            key = -car_of(self.tables(), self.bank.filters)
        elif self.looks.order == "color" and kinds is not None:
            key = -kinds.color_index
        return [int(filter) for filter in np.argsort(key, kind="stable")]

    def demand(self) -> Demand | None:
        """Return what is looked at, so that it is made first; None while nobody looks."""
        if not self.looked:
            return None
        return Demand(
            self.layer, self.filter,
            deep=self.is_deep, order=tuple(self.order()),
            large=self.looks.large, gallery=self.looks.gallery, siblings=self.looks.siblings,
            beside=self.reads_rgb, pinned=self.picks.pinned,
        )  # fmt: skip

    def snapshot(self) -> Snapshot:
        """Return all that is known and chosen at this moment."""
        subject, known, key = self.subject, self.paths_of(self.layer), self.image_key()
        return Snapshot(
            model=subject.model_name,
            data=subject.data_name,
            device=self.device,
            untraceable=bool(self.network.untraceable),
            banks=tuple(self.banks[layer] for layer in self.offered),
            layer=self.layer,
            filter=self.filter,
            table=self.table,
            tables=tuple(self.tables()),
            selectivity=self.findings.kinds.get(self.layer),
            pictures=self.pictures,
            images=subject.images,
            normalization=subject.normalization(),
            path=self.path,
            paths=known.paths,
            band=known.band,
            held_out=known.held_out,
            count=self.count,
            exported=self.exported,
            looks=self.looks,
            picks=self.picks,
            sets_tried=self.findings.sets_tried(self.layer),
            image=key[0],
            one_image=self.image.one_of(key, self.layer, self.filter),
            needed=self.image.needed_of(key, self.layer),
            own_image=self.image.own,
            image_problem=self.image.problem_of(key, self.layer, self.filter),
            image_refused=self.image.refused,
            joint=self.findings.sets_of(self.layer).get(self.picks.ascending),
            order=tuple(self.order()),
            seen=self.seen.copy(),
            subject="-".join(digest[:12] for digest in subject.digests),
            devices=tuple(subject.networks),
            data_asked=subject.data_asked,
            data_names=tuple(self.data_names),
            limit=subject.limit,
            opening=self.opening,
            refused=self._refused(),
            how=subject.how,
            model_named=subject.model_name != type(subject.model).__name__,
            data_named=by_name(subject.origin),
            has_colour=self.reads_rgb,
            own_data=self.own_data(self.table),
            accuracy=self.findings.accuracy(subject.data_digest, len(subject.images)),
            busy=self.busy,
            progress=self.progress,
            status=self.status,
            story=self.story,
        )

    # -- what it is doing

    def tell(
        self,
        what: What,
        sight: Sight = "weights",
        filters: Iterable[int] = (),
        more: bool = False,
    ) -> None:
        """Tell everybody who listens that something has changed."""
        news = News(what, sight, tuple(filters), more)
        for hear in list(self.hearers):
            hear(news)

    def only(self, job: Job) -> None:
        """Raise `Cancelled` in a job that another has taken the place of."""
        if self.job is not job:
            raise Cancelled

    def say(self, progress: float, status: str, more: bool = False) -> None:
        """Say how far the running job is."""
        self.progress, self.status = progress, status
        self.tell("work", more=more)

    def end(self, job: Job, progress: float, status: str) -> None:
        """Say how a job ended; of whoever holds the lock, the last word."""
        self.story, self.progress, self.status = job.story, progress, status
        self.busy = False
        self.tell("work")
        self.refresh()

    def supersede(self) -> None:
        """Take the pen from a running job, and keep what it has written."""
        if self.job is not None:
            self.job.cancel()
            self.job = None
        for paths in self.findings.paths.values():
            paths.keep()
        self.keep_running()

    def keep_running(self) -> CarTable | None:
        """Keep the table that the running job has filled so far."""
        table, self.running = self.running, None
        if table is not None:
            self.findings.tables_of(table.layer).add(table)
        return table
