"""`carviz cumulative`: filters removed by their importance, up, down and in random orders."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

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
    check_figure,
    check_folder,
    console,
    errors,
    first_bank,
    images_of,
    save_figure,
    weights_of,
)
from carviz.wording import CRITERIA, counted, percent

if TYPE_CHECKING:
    from carviz.results import CumulativeTable


@app.command()
def cumulative(
    model: Model = "shapes",
    data: Data = "shapes",
    layer: Annotated[
        list[str] | None, typer.Option(help="The bank, else the first; again for more.")
    ] = None,
    criterion: Annotated[
        str, typer.Option(help="car-once, log-prob, l1, l2, taylor, apoz, random, or car (greedy).")
    ] = "car-once",
    draws: Annotated[int, typer.Option(help="Random orders beside it, 2 to 1,000.")] = 20,
    count: Annotated[int | None, typer.Option(help="How many filters go; else all.")] = None,
    held_out: Annotated[
        str | None,
        typer.Option(help="Other images, as DATA, on which orders are followed too."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the random orders.")] = 0,
    limit: Limit = None,
    weights: Weights = "default",
    unreadable: Unreadable = "raise",
    root: Root = None,
    download: Download = False,
    device: Device = None,
    save: Annotated[Path | None, typer.Option(help="Save the curves there (.npz).")] = None,
    figure: Annotated[Path | None, typer.Option(help="Draw the curves there.")] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="A folder that keeps curves; the same call resumes there.")
    ] = None,
) -> None:
    """Remove filters by their importance, up, down and at random, and tell what is left."""
    import carviz

    with errors():
        check_folder(save, "The table of curves")
        check_figure(figure)
        network = carviz.load_model(model, weights=weights_of(weights))
        images = images_of(data, network, limit, unreadable, root, download)
        others = None
        if held_out is not None:
            others = images_of(held_out, network, limit, unreadable, root, download)
        chosen = layer or [first_bank(network)]
        console.print(f"[bold]{model}[/] {' and '.join(chosen)}, {len(images):,} images of {data}")
        table = carviz.measure_cumulative(
            network, images, chosen, criterion=criterion, draws=draws, seed=seed, count=count,
            held_out=others, device=device, run=carviz.Run(checkpoint=checkpoint),
        )  # fmt: skip
        if save is not None:
            console.print(f"Saved the curves: [bold]{table.save(save)}[/]")
        _print_areas(table)
        if figure is not None:
            save_figure(carviz.plot_cumulative(table), figure)
            console.print(f"\nThe curves: [bold]{figure}[/]")


def _print_areas(table: CumulativeTable) -> None:
    """Print the area under each curve beside those of the random orders."""
    ranked = CRITERIA.get(table.criterion, table.criterion)
    console.print(
        f"\n{len(table)} of {counted(len(table.order), 'filter')} removed by {ranked}: the mean "
        "accuracy along each curve."
    )
    rows = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    rows.add_column("curve", no_wrap=True)
    for name in ("area", "random orders", "above", "images"):
        rows.add_column(name, justify="right", no_wrap=True)
    for curve, row in table.areas().iterrows():
        low, high = percent(row["lowest"]), percent(row["highest"])
        above = f"{row['above']:.0f} of {row['draws']:.0f}"
        band = f"{percent(row['random'])} ({low} to {high})"
        rows.add_row(str(curve), percent(row["area"]), band, above, f"{row['images']:,.0f}")
    console.print(rows)
    if table.chosen_on == "these images" and table.held_out is None:
        console.print(
            "The ranking was chosen on these same images, which flatters it; --held-out follows it "
            "on others."
        )
