"""`carviz demo`, `models`, `banks` and `car`: measure a bank and tell about its filters."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from carviz.checks import check_no_file
from carviz.cli.printing import print_all_banks, print_bank, print_banks, print_filter, print_models
from carviz.cli.shell import (
    Checkpoint,
    Data,
    Device,
    Download,
    Filters,
    Limit,
    Model,
    Root,
    Unreadable,
    Weights,
    app,
    built_only,
    check_folder,
    console,
    errors,
    first_bank,
    images_of,
    numbers,
    save_figure,
    selectivity_of,
    weights_of,
)

if TYPE_CHECKING:
    from torch import nn

    from carviz.results import CarTable, SelectivityTable

ALL = "all"
"""Stands for every bank that is no gate."""


@app.command()
def demo(
    output: Annotated[Path, typer.Option(help="Where the figure goes.")] = Path("carviz-demo.png"),
    limit: Limit = None,
    shown: Annotated[int, typer.Option(min=1, help="Filters to tell about.")] = 3,
) -> None:
    """Measure the first bank of the bundled network and tell about a few of its filters."""
    import carviz

    with errors():
        model = carviz.load_model("shapes")
        data = images_of("shapes", model, limit, "raise", None, False)
        layer = first_bank(model)
        console.print(
            f"[bold]shapes[/], the bundled network, on {len(data):,} images of "
            f"{len(data.classes)} classes, drawn by carviz."
        )
        table = carviz.measure_car(model, data, layer)
        selectivity = carviz.measure_selectivity(model, layer, data=data)
        print_bank(table, selectivity)
        for filter in _telling(table, selectivity, shown):
            print_filter(table, filter, selectivity)
        pictures = carviz.rgb_weights(model, layer)
        best = int(table.order[0])
        figure = carviz.plot_filter(table, best, picture=pictures[best], selectivity=selectivity)
        save_figure(figure, output)
        console.print(f"\nFigure of filter {best}: [bold]{output}[/]")


@app.command()
def models() -> None:
    """List the networks that carviz knows by name: the bundled ones and torchvision's."""
    from carviz.zoo import list_models

    print_models(list_models())


@app.command()
def banks(
    model: Model = "shapes",
    gates: Annotated[bool, typer.Option("--gates", help="List gates as well.")] = False,
) -> None:
    """List the banks of a network: its convolutions, in forward order."""
    import carviz

    with errors():
        frame = carviz.list_banks(carviz.load_model(model, weights=built_only(model)))
    hidden = 0 if gates else int(frame.gate.sum())
    print_banks(frame if gates else frame[~frame.gate], gates)
    if hidden:
        console.print(f"{hidden} gates (squeeze-and-excite) are left out; --gates lists them.")


@app.command()
def car(
    model: Model = "shapes",
    data: Data = "shapes",
    layer: Annotated[
        str | None, typer.Option(help="The bank, or 'all' for every bank; else the first.")
    ] = None,
    filters: Filters = None,
    limit: Limit = None,
    weights: Weights = "default",
    unreadable: Unreadable = "raise",
    root: Root = None,
    download: Download = False,
    device: Device = None,
    answers: Annotated[
        str | None,
        typer.Option(help="What the network gives, logits or probabilities; else it is found out."),
    ] = None,
    value: Annotated[
        str,
        typer.Option(
            help="What stands in a filter's channel: zero, mean, resample, optimal or a number."
        ),
    ] = "zero",
    top: Annotated[
        int, typer.Option(min=1, help="Tell also whether the class is among so many first ones.")
    ] = 1,
    checkpoint: Checkpoint = None,
    save: Annotated[
        Path | None,
        typer.Option(help="Save the table there (.npz); of all banks a folder, a file a bank."),
    ] = None,
    shown: Annotated[int, typer.Option(min=0, help="Filters to tell about.")] = 3,
) -> None:
    """Measure CAR: the accuracy that the network loses without each filter of a bank."""
    import carviz
    from carviz.evaluate import check_answers

    with errors():
        check_folder(save, "The table")
        network = carviz.load_model(model, weights=weights_of(weights))
        whole = layer == ALL and ALL not in set(carviz.list_banks(network).layer)
        if whole and save is not None:
            check_no_file(save, "The tables of all banks")
        images = images_of(data, network, limit, unreadable, root, download)
        if whole:
            console.print(f"[bold]{model}[/] all banks, {len(images):,} images of {data}")
            options: dict[str, Any] = {
                "filters": numbers(filters), "device": device, "answers": answers,
                "value": _value(value), "top": top, "run": carviz.Run(checkpoint=checkpoint),
            }  # fmt: skip
            _all_banks(network, images, save, options)
            return
        chosen = layer or first_bank(network)
        count = len(images)
        console.print(f"[bold]{model}[/] {chosen}, {count:,} images of {data}")
        table = carviz.measure_car(
            network, images, chosen,
            filters=numbers(filters), device=device, answers=check_answers(answers),
            value=_value(value), top=top, run=carviz.Run(checkpoint=checkpoint),
        )  # fmt: skip
        if table.passport["remark"]:
            console.print(f"[yellow]Note:[/] {escape(table.passport['remark'])}")
        if save is not None:
            console.print(f"Saved the table: [bold]{table.save(save)}[/]")
        selectivity = selectivity_of(network, chosen)
        print_bank(table, selectivity)
        for filter in table.order[:shown]:
            print_filter(table, int(filter), selectivity)


def _value(words: str) -> Any:
    """Return what stands in a channel's place: a number where it is one, else the words."""
    try:
        return float(words)
    except ValueError:
        return words


def _all_banks(network: nn.Module, images: Any, save: Path | None, options: Any) -> None:
    """Measure every bank of a network, and print a row for each."""
    import carviz

    tables = carviz.measure_car(network, images, None, **options)
    for remark in dict.fromkeys(str(table.passport["remark"] or "") for table in tables.values()):
        if remark:
            console.print(f"[yellow]Note:[/] {escape(remark)}")
    if save is not None:
        console.print(f"Saved the tables into the folder: [bold]{tables.save(save)}[/]")
    print_all_banks(tables)


def _telling(table: CarTable, selectivity: SelectivityTable, count: int) -> list[int]:
    """Return the filters with the highest CAR, the best one of each kind among them."""
    order = [int(filter) for filter in table.order]
    kinds = [str(selectivity.kind[filter]) for filter in order]
    best = [order[kinds.index(kind)] for kind in ("shape", "color") if kind in kinds]
    chosen = [*best, *(filter for filter in order if filter not in best)][:count]
    return sorted(chosen, key=order.index)
