"""The explorer: a session on the screen of a notebook."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import anywidget
import traitlets as t

from carviz.banks import Model
from carviz.evaluate import Data
from carviz.explorer.asking import Listener
from carviz.explorer.notebook import SavedPicture, show_in_notebook
from carviz.explorer.painting import Painter, as_traits
from carviz.explorer.taking import send_along
from carviz.results import CarTable, PruningPath
from carviz.screen import SCRIPT, STYLE
from carviz.session import Exported, News, Session, Snapshot, View

if TYPE_CHECKING:
    from carviz.plots import CarvizFigure

VIEWS = get_args(View)


class Explorer(anywidget.AnyWidget):
    """Explains one filter of a network at a time; `carviz.explore` makes it.

    It shows a `carviz.Session`, and has its values as traits, to be observed and linked. What the
    browser shows stands in the traits ``shown_…``, one a section of `carviz.screen`: Python alone
    writes them, and what somebody presses comes as a message.

    Attributes
    ----------
    session : Session
        What is known and done.
    layer : str
        The bank that is shown; setting it ends a run and shows the other bank.
    filter : int
        The chosen filter's number in its bank.
    view : str
        What is looked at: "filter", "several", "image", "bank" or "pruning".
    picked : tuple of int
        The filters of the bank that are picked to be removed together, by ``compute("together")``;
        another bank begins with none.
    busy : bool
        Whether a job is running.
    progress : float
        Share of the running or last job that is done, 0 to 1.
    status : str
        What it is doing, in words.
    table : CarTable or None
        What is known so far: the table that is shown for the chosen filter.
    path : PruningPath or None
        The path of greedy CAR in the bank that is shown, as far as it is known.
    count : int
        How many of its filters are taken as pruned: the slider's place.
    exported : Exported or None
        The last smaller network that was saved, and what became smaller.
    change : bool
        Whether the screen lets choose another model and other data.

    Examples
    --------
    >>> import carviz
    >>> explorer = carviz.explore("shapes", carviz.load_data("shapes", limit=1))
    >>> explorer.filter = 3
    >>> explorer.compute("filter")
    >>> explorer.wait()
    >>> explorer.table.filters.tolist(), explorer.busy
    ([3], False)
    >>> explorer.close()
    """

    layer = t.Unicode()
    filter = t.Int(0)
    view = t.Enum(VIEWS, "filter")
    picked = t.Tuple()
    busy = t.Bool(False)
    progress = t.Float(0.0)
    status = t.Unicode()
    table = t.Instance(CarTable, allow_none=True)
    path = t.Instance(PruningPath, allow_none=True)
    count = t.Int(0)
    exported = t.Instance(Exported, allow_none=True)

    change = t.Bool(True).tag(sync=True)  # shown; what is heard does not depend on it

    _esm = SCRIPT
    _css = STYLE

    shown_head = t.Dict({}).tag(sync=True)
    shown_names = t.Dict({}).tag(sync=True)
    shown_doubts = t.Dict({}).tag(sync=True)
    shown_choice = t.Dict({}).tag(sync=True)
    shown_work = t.Dict({}).tag(sync=True)
    shown_chooser = t.Dict({}).tag(sync=True)
    shown_bank = t.Dict({}).tag(sync=True)
    shown_numbers = t.Dict({}).tag(sync=True)
    shown_gallery = t.Dict({}).tag(sync=True)
    shown_chosen = t.Dict({}).tag(sync=True)
    shown_classes = t.Dict({}).tag(sync=True)
    shown_changed = t.Dict({}).tag(sync=True)
    shown_sight = t.Dict({}).tag(sync=True)
    shown_siblings = t.Dict({}).tag(sync=True)
    shown_several = t.Dict({}).tag(sync=True)
    shown_beside = t.Dict({}).tag(sync=True)
    shown_image = t.Dict({}).tag(sync=True)
    shown_pruning = t.Dict({}).tag(sync=True)
    shown_place = t.Dict({}).tag(sync=True)
    shown_report = t.Dict({}).tag(sync=True)
    shown_models = t.List(t.Dict(), []).tag(sync=True)

    _gone = True

    def __init__(self, session: Session, *, change: bool = True) -> None:
        self.session = session
        self._painter = Painter(self, session)
        self._listener = Listener(
            self, session, self._painter.send_pictures,
            lambda kind: send_along(self, session, kind), change=change,
        )  # fmt: skip
        self._saved_picture = SavedPicture(session)
        # The first message that a browser gets shows all there is.
        super().__init__(change=change, **as_traits(session.snapshot()))
        self._gone = False
        self.on_msg(self._asked)
        session.listen(self._hear, self._saved_picture.draw)
        with session.lock:
            self._mirror()
            self._painter.paint()
        session.look()

    # -- what is asked for

    def compute(self, scope: Literal["bank", "filter", "together"] = "bank") -> None:
        """Measure CAR in the background; see `Session.compute`."""
        self.session.compute(scope)

    def prune(self, count: int | None = None, *, held_out: float | None = None) -> None:
        """Prune the bank greedily by CAR in the background; see `Session.prune`."""
        self.session.prune(count, held_out=held_out)

    def compare(self) -> None:
        """Prune by the other criteria as well; see `Session.compare`."""
        self.session.compare()

    def export(self, path: str | os.PathLike[str] | None = None) -> None:
        """Save the network without the first `count` filters of `path`; see `Session.export`."""
        self.session.export(path)

    def load(
        self,
        model: Model | str | None = None,
        data: Data | str | Path | None = None,
        *,
        limit: int | None = None,
    ) -> None:
        """Go over to another model, to other data, or both; see `Session.load`."""
        self.session.load(model, data, limit=limit)

    def cancel(self) -> None:
        """Stop the running job within a batch, and keep what there is; see `Session.cancel`."""
        self.session.cancel()

    def wait(self, timeout: float | None = None) -> None:
        """Wait until the job is over, and raise what failed in it; see `Session.wait`."""
        self.session.wait(timeout)

    def show_image(self, picture: Any, name: str = "") -> None:
        """Look at a picture of one's own; see `Session.show_image`."""
        self.session.show_image(picture, name)

    def snapshot(self) -> CarvizFigure:
        """Return a plain figure of what is looked at: the filter, the bank, or pruning.

        ValueError while nothing of it is measured.
        """
        return self.results().figure()

    def results(self) -> Snapshot:
        """Return all that is known and shown at this moment; see `Session.snapshot`."""
        return self.session.snapshot()

    def save_html(self, path: str | os.PathLike[str]) -> Path:
        """Write what is known as one file that is the same screen, without a kernel.

        Raises
        ------
        FileNotFoundError
            If the folder of `path` is not there.
        """
        from carviz.screen import save_page

        return save_page(self.session, path)

    def close(self) -> None:
        """End for good: the job within its batch, and what a browser shows.

        What was measured and saved stays; nothing more can be asked for.
        """
        if self.retire("Closed."):
            self.session.close()

    def retire(self, words: str = "Ended: its cell was run again.") -> bool:
        """End for good, with the last words of its status; return whether it had not ended yet.

        The last batch may go on for a while: `Session.close` waits for it.
        """
        if self._gone:  # never begun, or ended: Python closes what it forgets
            return False
        self._gone = True
        self.session.close(words, wait=False)
        self.layout.close()  # a widget of its own
        super().close()
        self._painter.let_go()  # somebody may hold it
        return True

    # -- the session's values are the traits

    def _hear(self, news: News) -> None:
        self._mirror()
        if not self._gone:
            self._painter.hear(news)
            self._saved_picture.hear()

    def _asked(self, _widget: Any, message: Any, buffers: Any) -> None:
        if not self._gone:
            self._listener.hear(message, buffers or ())

    def _mirror(self) -> None:
        session = self.session
        with self.hold_trait_notifications():
            self.layer, self.filter, self.view = session.layer, session.filter, session.view
            self.picked = session.picked
            self.path, self.count = session.path, session.count
            self.table, self.exported = session.table, session.exported
            self.progress, self.status, self.busy = session.progress, session.status, session.busy

    @t.validate("layer", "filter", "count", "picked")
    def _check(self, proposal: Any) -> Any:
        try:
            return self.session.check(proposal["trait"].name, proposal["value"])
        except (TypeError, ValueError) as error:
            if proposal["trait"].name == "layer":
                raise
            raise t.TraitError(str(error)) from error

    @t.observe("layer", "filter", "count", "view", "picked")
    def _chosen(self, change: Any) -> None:
        # What the session has told is what it has already, and nobody's choice.
        if change["name"] == "view":
            self.session.look(view=change["new"])
        elif getattr(self.session, change["name"]) != change["new"]:
            setattr(self.session, change["name"], change["new"])

    # -- in a notebook

    def _ipython_display_(self) -> None:
        show_in_notebook(self.model_id, self._saved_picture)
