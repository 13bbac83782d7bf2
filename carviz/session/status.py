"""What the status line says."""

from __future__ import annotations

from carviz.results import CarTable, PruningPath
from carviz.session.subject import Subject
from carviz.session.worker import Job
from carviz.wording import counted, points, seen_words

READY = "Nothing measured yet: press “Compute the bank”."


def under_way(what: str, share: float, total: int, seconds: float) -> str:
    """Say how far a measurement is."""
    left = time_left(seconds, share)
    seen = min(int(share * total), total)
    return f"{what}: {seen:,} of {total:,} images" + (f", {left}" if left else "")


def time_left(seconds: float, share: float) -> str:
    """Write how long the rest takes if it goes on as so far; "" while that is a guess."""
    if share <= 0.02 or seconds < 0.5 or share >= 1:
        return ""
    left = seconds * (1 - share) / share
    if left < 1.5:
        return "about 1 s left"
    return f"about {left:.0f} s left" if left < 100 else f"about {left / 60:.0f} min left"


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


def pruning_words(layer: str, done: int, total: int, share: float, seconds: float) -> str:
    """Say how far a pruning is."""
    left = time_left(seconds, share)
    return f"{layer}: {done} of {total} filters pruned" + (f", {left}" if left else "")


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
