"""Chooses what to make next of what is looked at, and makes it a step at a time.

The most urgent comes first; a long piece is left for a more urgent one and gone on with later.
Beside a job only what is looked at is made, and only of a network that was traced: of any other,
pictures and the job would watch the same layers.
"""

from __future__ import annotations

from collections.abc import Iterable

from carviz.evaluate import Watch, inference_mode
from carviz.session.seeing.kept import Demand, Piece, Seen, Sight, is_looked_at, still_wanted
from carviz.session.seeing.making import Maker
from carviz.session.seeing.one_image import ImageLooks
from carviz.session.seeing.pieces import Pieces, Steps
from carviz.session.state import State
from carviz.session.subject import Subject
from carviz.session.worker import Step, Throttle, words_of

PAUSE = 0.3
"""Seconds between two times that pictures which came are told of."""


class Seeing:
    """Whoever calls holds the session's lock; the steps that it returns are done without."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._begun: dict[Piece, Steps] = {}
        self._place: tuple[Subject, str, str] | None = None
        self._fresh: dict[Sight, list[int]] = {}
        self._due, self._better = Throttle(PAUSE), Throttle()
        self._images = ImageLooks(state)

    def next_step(self, beside_job: bool) -> Step | None:
        """Return the next step; None if nothing is to be made now."""
        state = self._state
        demand = state.demand()
        if demand is None or state.closed:
            return None
        if beside_job and state.network.untraceable:
            return None
        if (step := self._images.next_step()) is not None:
            return step
        self._turn_to_here()
        wanted = still_wanted(state.seen, demand, state.layer in state.findings.kinds)
        for piece in [piece for piece in self._begun if piece not in wanted]:
            self._begun.pop(piece).close()
        if beside_job:
            wanted = [piece for piece in wanted if is_looked_at(piece, state.seen, demand)]
        if not wanted:
            self._tell()
            return None
        return self._step_of(wanted[0], demand)

    def _turn_to_here(self) -> None:
        """Let go of what was begun for another subject, bank or device."""
        state, place = self._state, self._here()
        if place == self._place:
            return
        for steps in self._begun.values():
            steps.close()
        if self._place is None or place[:2] != self._place[:2]:
            state.seen.failed.clear()  # coming anew, it is tried again
        self._begun, self._fresh, self._place = {}, {}, place

    def _here(self) -> tuple[Subject, str, str]:
        state = self._state
        return state.subject, state.layer, state.device

    def close(self) -> None:
        """Let go of all that was begun; the thread has ended."""
        for steps in self._begun.values():
            steps.close()
        self._begun = {}

    # -- pictures of what the filters see

    def _step_of(self, piece: Piece, demand: Demand) -> Step:
        state, place = self._state, self._here()

        def came(sort: Sight, numbers: Iterable[int]) -> None:
            if self._here() == place:  # else another bank was chosen in the midst of a step
                self._came(sort, numbers)

        if piece not in self._begun:
            maker = Maker(state.subject, state.device, demand.layer)
            pieces = Pieces(maker, demand, state.findings, state.lock, came)
            self._begun[piece] = _of_weights_that_stand(state.network.watch, pieces.make(piece))
        steps, seen = self._begun[piece], state.seen

        def step() -> None:
            try:
                # A job gives way in the midst of its own inference mode.
                with inference_mode(False):
                    over = next(steps, steps) is steps
            except Exception as error:
                self._fail(piece, seen, demand, error)
                return
            with state.lock:
                if over:
                    self._begun.pop(piece, None)
                    if self._here() == place:
                        self._ended(piece)

        return step

    def _came(self, sort: Sight, numbers: Iterable[int]) -> None:
        """Take note of pictures that came, and tell of all new ones once in a while."""
        self._fresh.setdefault(sort, []).extend(numbers)
        if self._due.due():
            self._tell(more=True)
        elif sort == "synthesised" and self._better.due():  # the large one, ever better
            self._state.tell("sight", more=True)

    def _ended(self, piece: Piece) -> None:
        self._tell()
        self._state.tell("known" if piece[0] == "kinds" else "sight")

    def _tell(self, more: bool = False) -> None:
        """Tell of all pictures that came since the last time."""
        fresh, self._fresh = self._fresh, {}
        for sort, numbers in fresh.items():
            self._state.tell("gallery", sort, dict.fromkeys(numbers), more)
        if fresh:
            self._state.tell("sight", more=more)

    def _fail(self, piece: Piece, seen: Seen, demand: Demand, error: Exception) -> None:
        story, words = words_of(error), f"{type(error).__name__}: {error}"
        state = self._state
        with state.lock:
            self._begun.pop(piece, None)
            here = state.seen is seen
            # What nobody looks at fails silently, until somebody does; what failed is not wanted.
            asked = is_looked_at(piece, seen, state.demand() or demand)
            seen.failed[piece] = words
            if here and asked and not state.busy:
                state.story, state.status = story, f"Pictures of {state.layer}: {words}"
                state.tell("work")
            if here:
                self._ended(piece)


def _of_weights_that_stand(watch: Watch | None, steps: Steps) -> Steps:
    """Refuse to begin where weights have changed: half of the layers would be those of then."""
    if watch is not None and watch.soon_changed():
        raise ValueError("The network has changed since it was opened; measuring opens it anew.")
    yield from steps
