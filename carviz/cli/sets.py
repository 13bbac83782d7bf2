"""`carviz joint` and `carviz pairs`: what sets of filters cost together, and two of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from rich.markup import escape
from rich.table import Table

from carviz.cli.shell import (
    Checkpoint,
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
from carviz.wording import (
    accuracy_share_words,
    counted,
    interval_words,
    nats,
    points,
    probability,
)

if TYPE_CHECKING:
    from carviz.results import JointTable, PairTable

ALL = "all"
"""Stands for every pair of a bank, and for sets of several banks."""

Place = Annotated[str | None, typer.Argument(metavar="LAYER", help="As --layer.")]
Save = Annotated[Path | None, typer.Option(help="Save the table there (.npz).")]
FigurePath = Annotated[Path | None, typer.Option(help="Draw it there.")]


@app.command()
def joint(
    *,
    model: Model = "shapes",
    data: Data = "shapes",
    place: Place = None,
    layer: Annotated[
        str | None, typer.Option(help="The bank, else the first; 'all' for sets of several banks.")
    ] = None,
    sets: Annotated[
        str,
        typer.Option(
            help="Sets of filters, e.g. '1,2;3,4,5'; of several banks 'conv1:1,2|conv2:3;conv1:0'."
        ),
    ],
    limit: Limit = None,
    weights: Weights = "default",
    unreadable: Unreadable = "raise",
    root: Root = None,
    download: Download = False,
    device: Device = None,
    save: Save = None,
    figure: FigurePath = None,
    checkpoint: Checkpoint = None,
) -> None:
    """Measure what sets of filters cost together, beside the sum of what each filter costs."""
    import carviz

    with errors():
        check_folder(save, "The table")
        check_figure(figure)
        layer = _bank(place, layer)
        several = layer == ALL
        given: Any = _mappings(sets) if several else _sets(sets, "--sets")
        network = carviz.load_model(model, weights=weights_of(weights))
        images = images_of(data, network, limit, unreadable, root, download)
        layer = layer or first_bank(network)
        bank = "several banks" if several else layer
        console.print(f"[bold]{model}[/] {escape(bank)}, {len(images):,} images of {data}")
        table = carviz.measure_joint(
            network, images, None if several else layer, given,
            device=device, run=carviz.Run(checkpoint=checkpoint),
        )  # fmt: skip
        if save is not None:
            console.print(f"Saved the table: [bold]{table.save(save)}[/]")
        _print_sets(table)
        if figure is not None:
            save_figure(carviz.plot_joint(table), figure)
            console.print(f"Figure: [bold]{figure}[/]")


@app.command()
def pairs(
    model: Model = "shapes",
    data: Data = "shapes",
    place: Place = None,
    layer: Annotated[str | None, typer.Option(help="The bank, else the first.")] = None,
    pairs: Annotated[
        str | None,
        typer.Option(help="Pairs of filters, e.g. '1,2;3,4', or 'all'; else each with siblings."),
    ] = None,
    limit: Limit = None,
    weights: Weights = "default",
    unreadable: Unreadable = "raise",
    root: Root = None,
    download: Download = False,
    device: Device = None,
    save: Save = None,
    figure: FigurePath = None,
    checkpoint: Checkpoint = None,
    shown: Annotated[int, typer.Option(min=0, help="Pairs to tell about.")] = 20,
) -> None:
    """Measure which pairs of filters do one another's work, beyond what each costs alone."""
    import carviz

    with errors():
        check_folder(save, "The table")
        check_figure(figure)
        given: Any = pairs if pairs in (None, ALL) else _sets(str(pairs), "--pairs")
        layer = _bank(place, layer)
        network = carviz.load_model(model, weights=weights_of(weights))
        layer = layer or first_bank(network)
        images = images_of(data, network, limit, unreadable, root, download)
        console.print(f"[bold]{model}[/] {escape(layer)}, {len(images):,} images of {data}")
        if given == ALL:
            _print_cost(carviz.plan_car(network, images, layer, device=device))
        table = carviz.measure_pairs(
            network, images, layer,
            pairs=given, device=device, run=carviz.Run(checkpoint=checkpoint),
        )  # fmt: skip
        if save is not None:
            console.print(f"Saved the table: [bold]{table.save(save)}[/]")
        _print_pairs(table, shown)
        if figure is not None:
            save_figure(carviz.plot_pairs(table), figure)
            console.print(f"Figure: [bold]{figure}[/]")


# -- banks and sets in words


def _bank(place: str | None, layer: str | None) -> str | None:
    """Return the bank that is named, by its place or by the option; None for the first."""
    if place is not None and layer is not None and place != layer:
        raise ValueError(f"The bank is named once; found {place!r}, and --layer {layer}.")
    return place if layer is None else layer


def _sets(text: str, option: str) -> list[list[int]]:
    """Return the sets that an option has."""
    try:
        return [[int(part) for part in one.split(",")] for one in text.split(";")]
    except ValueError as error:
        raise ValueError(
            f"{option} are numbers with commas, and a semicolon between sets, e.g. '1,2;3,4'; "
            f"found {text!r}."
        ) from error


def _mappings(text: str) -> list[dict[str, list[int]]]:
    """Return the sets of several banks that --sets has."""
    found: list[dict[str, list[int]]] = []
    for one in text.split(";"):
        parts = [part.rpartition(":") for part in one.split("|")]
        if not all(bank for bank, _, _ in parts) or len({b for b, _, _ in parts}) < len(parts):
            raise ValueError(
                "With 'all' --sets name each bank once, e.g. 'conv1:1,2|conv2:3;conv1:0'; found "
                f"{text!r}."
            )
        found.append({bank.strip(): _sets(numbers, "--sets")[0] for bank, _, numbers in parts})
    return found


# -- what was found


def _print_cost(plan: Any) -> None:
    """Tell what all pairs of a bank cost, before they are run."""
    from carviz.ablation import in_short

    count = plan.filters * (plan.filters - 1) // 2
    work = plan.tail * count * plan.images
    passes = work / plan.network if plan.network else 0.0
    console.print(
        f"All {counted(count, 'pair')}: {in_short(work)} multiply-adds at most, as "
        f"{passes:,.0f} images through the whole network; {count / plan.filters:,.1f} times the "
        "filters alone."
    )


def _print_head(table: JointTable) -> None:
    if table.passport["remark"]:
        console.print(f"[yellow]Note:[/] {escape(table.passport['remark'])}")
    told = table.passport["sets"]
    console.print(
        f"\n{accuracy_share_words(table.accuracy, len(table.images))}. Sets of filters × "
        f"images: {told['ran']:,} of {told['pairs']:,} ran; in the others silent channels leave "
        "nothing, or what another set has."
    )


def _print_sets(table: JointTable) -> None:
    _print_head(table)
    rows = _table("set", "together", "sum", "beyond it", "95% interval", "q", "in log p", "q")
    for row, one in enumerate(table.sets):
        rows.add_row(
            escape(_words(one)),
            points(table.car[row], unit=False),
            points(table.sum_of_cars[row], unit=False),
            points(table.excess[row], unit=False),
            interval_words(table.low[row], table.high[row], unit=False),
            probability(table.q_value[row]),
            nats(table.log_prob_excess[row]),
            probability(table.log_prob_q_value[row]),
        )
    console.print(rows)


def _words(one: Any) -> str:
    if isinstance(one, dict):
        return "; ".join(f"{bank}: {_words(filters)}" for bank, filters in one.items())
    return ", ".join(map(str, one)) if len(one) <= 8 else counted(len(one), "filter")


def _print_pairs(table: PairTable, shown: int) -> None:
    _print_head(table)
    for what, kinds in (("accuracy", table.kind), ("log p", table.log_prob_kind)):
        redundant, compensating = (
            int((kinds == kind).sum()) for kind in ("redundancy", "compensation")
        )
        console.print(
            f"By {what} {redundant:,} of {counted(len(table), 'pair')} are redundant and "
            f"{compensating:,} compensate one another beyond chance (q at most 0.05)."
        )
    rows = _table("pair", "both", "sum", "beyond it", "95% interval", "q", "in log p", "q")
    order = np.lexsort((-np.abs(table.interaction), table.q_value))[:shown]
    for row in order.tolist():
        rows.add_row(
            " and ".join(map(str, table.pairs[row].tolist())),
            points(table.car[row], unit=False),
            points(table.sum_of_cars[row], unit=False),
            points(table.interaction[row], unit=False),
            interval_words(table.low[row], table.high[row], unit=False),
            probability(table.q_value[row]),
            nats(table.log_prob_interaction[row]),
            probability(table.log_prob_q_value[row]),
        )
    if shown:
        console.print(rows)


def _table(first: str, *heads: str) -> Table:
    rows = Table(first, box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for head in heads:
        rows.add_column(head, justify="right", no_wrap=True)
    return rows
