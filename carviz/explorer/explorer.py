"""The explorer: a session on the screen of a notebook."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import ipywidgets as w
import traitlets as t

from carviz.banks import Model
from carviz.evaluate import Data
from carviz.explorer.listener import Listener
from carviz.explorer.paper import Paper, page
from carviz.explorer.screen import Screen
from carviz.explorer.view import View, every_widget
from carviz.results import CarTable, PruningPath
from carviz.session import Exported, News, Session, Snapshot

if TYPE_CHECKING:
    from carviz.plots import CarvizFigure

VIEWS = ("filter", "bank", "pruning")


class Explorer(w.VBox):  # type: ignore[misc]
    """Explains one filter of a network at a time; `carviz.explore` makes it.

    It shows a `carviz.Session`, and has its values as traits, to be observed and linked.

    Attributes
    ----------
    session : Session
        What is known and done.
    layer : str
        The bank that is shown; setting it ends a run and shows the other bank.
    filter : int
        The chosen filter's number in its bank.
    view : str
        What is looked at: "filter", "bank" or "pruning".
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
    panels : View
        The widgets that it is made of.
    listener : Listener
        What hears them.

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
    busy = t.Bool(False)
    progress = t.Float(0.0)
    status = t.Unicode()
    table = t.Instance(CarTable, allow_none=True)
    path = t.Instance(PruningPath, allow_none=True)
    count = t.Int(0)
    exported = t.Instance(Exported, allow_none=True)

    _gone = True

    def __init__(self, session: Session) -> None:
        self.session = session
        super().__init__()
        self.add_class("carviz")
        self._paper = Paper()
        self.panels = View(list(session.subject.networks))
        self._screen = Screen(self.panels, session)
        self.listener = Listener(self.panels, session)
        self.listener.connect()
        self._screen.show()
        self._mirror()
        self.children = self.panels.children
        self._gone = False
        session.listen(self._hear, self._draw)
        session.look()

    # -- what is asked for

    def compute(self, scope: Literal["bank", "filter"] = "bank") -> None:
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

    def snapshot(self) -> CarvizFigure:
        """Return a plain figure of the chosen filter, or of pruning where that is looked at.

        ValueError while the filter is not measured, and the bank not pruned.
        """
        return self.results().figure()

    def results(self) -> Snapshot:
        """Return all that is known and shown at this moment; see `Session.snapshot`."""
        return self.session.snapshot()

    def save_html(self, path: str | os.PathLike[str]) -> Path:
        """Write what is shown as a static page that opens anywhere and prints; return its path.

        Raises
        ------
        ValueError
            While the chosen filter is not measured, and the bank not pruned.
        FileNotFoundError
            If the folder of `path` is not there.
        """
        from carviz.cards import save_page  # here, for it takes matplotlib along

        return save_page(page(self.session), path)

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
        for widget in [*self.panels.widgets(), *every_widget([self.layout])]:
            widget.close()
        self.panels.forget()
        super().close()
        return True

    # -- the session's values are the traits

    def _hear(self, news: News) -> None:
        self._mirror()
        if not self._gone:
            self._screen.hear(news)

    def _mirror(self) -> None:
        session = self.session
        with self.hold_trait_notifications():
            self.layer, self.filter, self.view = session.layer, session.filter, session.view
            self.path, self.count = session.path, session.count
            self.table, self.exported = session.table, session.exported
            self.progress, self.status, self.busy = session.progress, session.status, session.busy

    @t.validate("layer", "filter", "count")
    def _check(self, proposal: Any) -> Any:
        try:
            return self.session.check(proposal["trait"].name, proposal["value"])
        except ValueError as error:
            if proposal["trait"].name == "layer":
                raise
            raise t.TraitError(str(error)) from error

    @t.observe("layer", "filter", "count", "view")
    def _chosen(self, change: Any) -> None:
        # What the session has told is what it has already, and changes nothing there.
        if change["name"] == "view":
            self.session.look(view=change["new"])
        else:
            setattr(self.session, change["name"], change["new"])

    # -- in a notebook

    def _draw(self) -> None:
        """Draw the plain figure that stays without a kernel."""
        shown = self.results()
        if self._paper.laid and shown.drawable:
            self._paper.draw(shown.figure())

    def _ipython_display_(self) -> None:
        self._paper.display(self.results(), self.model_id)
