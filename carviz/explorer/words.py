"""What the status line says."""

from __future__ import annotations

from carviz.explorer.job import Job
from carviz.results import CarTable

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
    filters = len(table.filters)
    seen = f"{len(table.images):,}"
    of = "" if table.complete else f" of {table.total:,}"
    return f"{filters} filter{'s' if filters > 1 else ''} measured on {seen}{of} images"


def how_it_ended(job: Job, table: CarTable | None) -> str:
    """Say how a job ended that left this table, if any."""
    if job.error is not None:
        return f"{type(job.error).__name__}: {job.error}"
    if table is None:
        return "Cancelled before the first images were through."
    if job.stopped:
        return f"Cancelled: {told(table)}, and kept."
    return f"Done in {job.seconds:.1f} s: {told(table)}."
