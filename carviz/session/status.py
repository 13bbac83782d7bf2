"""What the status line says."""

from __future__ import annotations

from collections.abc import Sequence

from carviz.results import CarTable, JointTable, PruningPath
from carviz.session.subject import Subject
from carviz.session.worker import Job
from carviz.wording import counted, points, seen_words

READY = "Nothing measured yet: press “Compute the bank”."


def under_way(what: str, share: float, left: str) -> str:
    """Say how far a measurement is, and the time left.

    As a share: it grows while images run together whose numbers are not there yet, and the count of
    images beside the numbers is theirs.
    """
    return f"{what}: {share:.0%} done" + (f", {left}" if left else "")


class TimeLeft:
    """How long the rest of a job takes if it goes on as so far, from how far it was when.

    Preparing is not counted, and at the beginning everything is slow, so nothing is said before
    enough is known. Then what is said runs down by itself, drawn by a part towards each new guess.
    """

    def __init__(self) -> None:
        self._first: tuple[float, float] | None = None
        self._said: tuple[float, float] | None = None

    def __call__(self, seconds: float, share: float) -> str:
        """Write it for a share of the work that is done after so many seconds; "" for unknown."""
        if share <= 0 or share >= 1:
            return ""
        if self._first is None:
            self._first = seconds, share
        began, before = self._first
        spent, done = seconds - began, share - before
        if spent < KNOWN[0] or done < KNOWN[1] or (spent < KNOWN[2] and done < KNOWN[3]):
            return ""
        left = spent * (1 - share) / done
        if self._said is not None:
            then, value = self._said
            goes_on = max(value - (seconds - then), 0.0)
            left = goes_on + DRAWN * (left - goes_on)
        self._said = seconds, left
        return time_words(left)


KNOWN = (1.0, 0.03, 4.0, 0.12)
"""Time left is told after so many seconds and so much of the work, and so many seconds or so much
of the work."""
DRAWN = 0.2
"""How far the time left is drawn towards a new guess, each time that it is told."""


def time_words(left: float) -> str:
    """Write a time that is left, as roughly as it is known."""
    if left < 1.5:
        return "about 1 s left"
    if left < 100:
        step = 1 if left < 10 else 5
        return f"about {step * round(left / step)} s left"
    return f"about {left / 60:.0f} min left"


def told(table: CarTable) -> str:
    """Say what a table holds."""
    seen = seen_words(table).removesuffix(" so far")
    return f"{counted(len(table.filters), 'filter')} measured on {seen}"


def how_it_ended(job: Job, table: CarTable | None) -> str:
    """Say how a job ended that left this table, if any."""
    if job.error is not None:
        return _failure(job)
    if table is None:
        return "Cancelled before the first images were through."
    if job.stopped:
        return f"{job.remark}Cancelled: {told(table)}, and kept."
    return f"{job.remark}Done in {job.seconds:.1f} s: {told(table)}."


def set_words(filters: Sequence[int], layer: str) -> str:
    """Name a set of filters: "3, 5 and 8 of features.0"; of many their number."""
    if len(filters) > NAMED:
        return f"{len(filters)} filters of {layer} together"
    *first, last = map(str, filters)
    which = f"{', '.join(first)} and {last} together" if first else f"Filter {last}"
    return f"{which}, of {layer}"


NAMED = 6
"""Filters of a set that are named one by one."""


def how_set_ended(job: Job, table: JointTable | None, filters: Sequence[int]) -> str:
    """Say how the measurement of a set ended."""
    if job.error is not None:
        return _failure(job)
    if table is None:
        return "Cancelled: nothing of the set is known yet."
    count = len(filters)
    what = "together, and one by one" if count > 1 else "by itself"
    return f"{job.remark}Done in {job.seconds:.1f} s: {counted(count, 'filter')} removed {what}."


def pruning_words(layer: str, done: int, total: int, left: str) -> str:
    """Say how far a pruning is."""
    return f"{layer}: {done} of {total} filters pruned" + (f", {left}" if left else "")


def comparing_words(
    layer: str, name: str, place: tuple[int, int], done: int, total: int, left: str
) -> str:
    """Say how far a comparison is: the criterion, its place among all, and its filters."""
    which = f"{name} ({place[0]} of {place[1]})"
    words = f"{layer}: comparing with {which}, {done} of {total} filters pruned"
    return words + (f", {left}" if left else "")


def how_pruning_ended(
    job: Job, done: int, good: int | None, drawn: int = 0, held_out: PruningPath | None = None
) -> str:
    """Say how a pruning ended that found so many steps, `good` of them at a small cost.

    The cost is that on the images that chose; what `held_out` images lose there is told beside it.
    `drawn` random orders stand beside it; one that is stopped when all steps are there lacks some.
    """
    if job.error is not None:
        return _failure(job)
    found = f"{counted(done, 'filter')} pruned"
    cost = "" if good is None else f"; {good} of them at the cost of a point of accuracy at most"
    if good is not None and held_out is not None and len(held_out) >= good:
        change = float(held_out.accuracy[good] - held_out.accuracy[0])
        cost += f" on the images that chose them, and {points(change)} on those held out"
    if job.stopped and good is not None:
        return f"{found}{cost}. Cancelled then: {counted(drawn, 'random order')} beside it."
    if job.stopped:
        return f"Cancelled: {found}, and kept." if done else "Cancelled before the first filter."
    return f"{job.remark}Done in {job.seconds:.1f} s: {found}{cost}."


def how_comparing_ended(job: Job, known: int, drawn: int) -> str:
    """Say how a comparison ended that knows so many rivals of greedy CAR, and random orders."""
    if job.error is not None:
        return _failure(job)
    how = "Cancelled" if job.stopped else f"Done in {job.seconds:.1f} s"
    return (
        f"{job.remark}{how}: greedy CAR beside {known} other criteri{'on' if known == 1 else 'a'} "
        f"and {counted(drawn, 'random order')}."
    )


def how_exporting_ended(job: Job, name: str) -> str:
    """Say how an export ended that writes a file of this name."""
    if job.error is not None:
        return _failure(job)
    return "Cancelled: nothing was saved." if job.stopped else f"Saved as {name}."


def how_opening_ended(job: Job, subject: Subject) -> str:
    """Say how the opening of something else ended that did not come to its end."""
    if job.error is not None:
        return _failure(job)
    return f"Cancelled: {subject.model_name} on {subject.data_name} stays."


def _failure(job: Job) -> str:
    return f"{type(job.error).__name__}: {job.error}"
