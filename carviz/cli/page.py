"""`carviz page`: a network measured, pruned and pictured, as one file that opens anywhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from carviz.cli.shell import (
    Data,
    Device,
    Download,
    Limit,
    Model,
    Root,
    Unreadable,
    Weights,
    app,
    check_folder,
    console,
    errors,
    images_of,
    weights_of,
)
from carviz.wording import counted

if TYPE_CHECKING:
    from carviz.session import Session

MEGABYTE = 1_000_000


@app.command()
def page(
    model: Model = "shapes",
    data: Data = "shapes",
    save: Annotated[Path, typer.Option(help="Where the page goes (.html).")] = Path("page.html"),
    layer: Annotated[
        list[str] | None,
        typer.Option(help="The bank, else every one that is no gate; again for more."),
    ] = None,
    prune: Annotated[
        bool, typer.Option(help="Prune each bank greedily, beside ten random orders.")
    ] = True,
    count: Annotated[
        int | None, typer.Option(min=1, help="Prune so many of each at most; else all.")
    ] = None,
    pictures: Annotated[
        list[str] | None,
        typer.Option(
            help="weights, patches or synthesised, else the first two; again for more. Weights of "
            "RGB are there anyhow."
        ),
    ] = None,
    siblings: Annotated[bool, typer.Option(help="Find filters that answer alike.")] = True,
    limit: Limit = None,
    weights: Weights = "default",
    unreadable: Unreadable = "raise",
    root: Root = None,
    download: Download = False,
    device: Device = None,
) -> None:
    """Compute what the explorer shows, and save it as a page that opens anywhere."""
    import carviz
    from carviz.screen import save_page

    with errors():
        check_folder(save, "The page")
        sights = _check_pictures(pictures)
        network = carviz.load_model(model, weights=weights_of(weights))
        images = images_of(data, network, _usual(data, limit), unreadable, root, download)
        session = carviz.open_session(
            network, images, layer=layer[0] if layer else None, device=device or "cpu"
        )
        try:
            banks = [session.check("layer", name) for name in layer or []]
            banks = list(dict.fromkeys(banks or [bank.layer for bank in session.banks]))
            console.print(
                f"[bold]{model}[/] {counted(len(banks), 'bank')}, {len(images):,} images of {data}"
            )
            for bank in banks:
                session.layer = bank
                _fill(session, prune, count, sights, siblings)
            session.layer = banks[0]
            session.filter = int(session.table.order[0])  # type: ignore[union-attr]  # measured
            path = save_page(session, save, model=model, data=data, view="filter")
        finally:
            session.close()
        size = path.stat().st_size / MEGABYTE
        console.print(f"The page: [bold]{path}[/], {size:.1f} MB. It opens in any browser.")


def _usual(data: str, limit: int | None) -> int | None:
    """Return the images a class that an explorer of such data takes where nobody says."""
    from carviz.session import usual_limit

    return usual_limit(data) if limit is None else limit


def _check_pictures(pictures: list[str] | None) -> tuple[Any, ...]:
    from carviz.checks import did_you_mean
    from carviz.session import SIGHTS

    if pictures is None:
        return SIGHTS[:2]
    for name in pictures:
        if name not in SIGHTS:
            raise ValueError(
                f"--pictures is one of {', '.join(SIGHTS)}; found {name!r}."
                f"{did_you_mean(name, SIGHTS)}"
            )
    return tuple(dict.fromkeys(pictures))


def _fill(
    session: Session, prune: bool, count: int | None, sights: tuple[Any, ...], siblings: bool
) -> None:
    """Measure the bank that is shown, prune it and make its pictures, each behind a bar."""
    _job(session, session.compute, f"{session.layer}: CAR")
    if prune:
        most = session.snapshot().bank.filters
        _job(session, lambda: session.prune(min(count or most, most)), f"{session.layer}: pruning")
    session.see_all(sights, siblings=siblings, progress=True)


def _job(session: Session, begin: Callable[[], None], words: str) -> None:
    """Begin a job, and wait for it behind a bar."""
    from carviz.evaluate import telling

    with telling(True, words) as tell:
        begin()
        while session.busy:
            tell(session.progress)
            try:
                session.wait(0.2)
            except TimeoutError:
                continue
        session.wait()  # raises what failed
        tell(1.0)
