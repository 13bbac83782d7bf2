"""What measuring found, as text and tables in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from carviz.cli.shell import console
from carviz.wording import (
    NONE,
    NOT_APART,
    accuracy_words,
    apart_sentence,
    counted,
    flips_words,
    index_words,
    interval_words,
    kind_words,
    order_words,
    percent,
    place_words,
    points,
    probability,
    value_words,
)

if TYPE_CHECKING:
    import pandas as pd

    from carviz.results import CarTable, CarTables, SelectivityTable


def print_banks(frame: pd.DataFrame, gates: bool) -> None:
    """Print the banks of a network, a row each."""
    table = Table("layer", box=None, header_style="bold", pad_edge=False)
    for name in ("filters", "channels in", "kernel", "stride", "sees (pixels)"):
        table.add_column(name, justify="right")
    table.add_column("reads RGB")
    if gates:
        table.add_column("gate")
    bank: Any
    for bank in frame.itertuples():
        cells = [
            bank.layer, str(bank.filters), str(bank.in_channels), _size(bank.kernel_size),
            _size(bank.stride), _size(bank.receptive_field), "yes" if bank.reads_rgb else "",
        ]  # fmt: skip
        table.add_row(*cells, *(["gate" if bank.gate else ""] if gates else []))
    console.print(table)


def print_models(frame: pd.DataFrame) -> None:
    """Print the networks that there are by name, a row each."""
    table = Table("name", "from", box=None, header_style="bold", pad_edge=False)
    for name in ("parameters", "accuracy", "image"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("weights, the default first")
    model: Any
    for model, sized, judged in zip(
        frame.itertuples(), frame.parameters.notna(), frame.accuracy.notna(), strict=True
    ):
        table.add_row(
            model.name,
            model.source,
            f"{model.parameters / 1e6:.1f} M" if sized else "?",
            percent(model.accuracy) if judged else "?",
            f"{model.image_size} px",
            model.weights,
        )
    console.print(table)


def _size(pair: Any) -> str:
    if pair is None:
        return "?"
    if pair[0] == float("inf"):
        return "all"
    return f"{pair[0]:g} × {pair[1]:g}"


def print_bank(table: CarTable, selectivity: SelectivityTable | None) -> None:
    """Print what a bank is worth, and how many of its filters are of which kind."""
    doing = "replacing" if value_words(table) else "removing"
    console.print(
        f"\n{accuracy_words(table)}. Bank [bold]{escape(table.layer)}[/], "
        f"{counted(len(table.filters), 'filter')}: {doing} one costs "
        f"{interval_words(table.car.min(), table.car.max())}."
    )
    if table.top > 1:
        console.print(
            f"The class is among the {table.top} first on {percent(table.top_accuracy)} of the "
            f"images: {doing} one costs "
            f"{interval_words(table.top_car.min(), table.top_car.max())} of that."
        )
    if len(table.filters) > 1:
        _print_orders(table)
    if not table.lost.any() and not table.gained.any():
        console.print("No single filter of it changes whether an image is classified rightly.")
    if selectivity is not None:
        counts = selectivity.counts().loc["all"]
        console.print(
            f"{counts.color:.0f} of them select colour, {counts['shape']:.0f} shape"
            + (f", {counts.dead:.0f} are dead" if counts.dead else "")
            + f" (colour index above {selectivity.threshold:g} is colour)."
        )


def _print_orders(table: CarTable) -> None:
    """Print how far the orders of the filters can be relied on."""
    if doubt := apart_sentence(table):
        console.print(doubt)
    console.print(order_words(table.agreement()))
    if table.has_image_log_prob_drop:
        console.print(order_words(table.agreement(order="log_prob")))


def print_all_banks(tables: CarTables) -> None:
    """Print the banks of a network, a row each: its largest CAR, and what costs nothing."""
    first = next(iter(tables.values()))
    filters = sum(len(table.filters) for table in tables.values())
    console.print(
        f"\n{accuracy_words(first)}. {counted(filters, 'filter')} in "
        f"{counted(len(tables), 'bank')}; CAR in points."
    )
    rows = Table("layer", box=None, header_style="bold", pad_edge=False)
    for name in ("filters", "largest CAR", "of filter", "CAR 0 or below"):
        rows.add_column(name, justify="right")
    for layer, table in tables.items():
        best = int(table.order[0])
        rows.add_row(
            escape(layer),
            f"{len(table.filters):,}",
            points(table.car[table.row(best)], unit=False),
            str(best) if table.tells_apart() else NONE,
            f"{int((table.car <= 0).sum()):,}",
        )
    console.print(rows)
    doubted = [table for table in tables.values() if not table.tells_apart()]
    if doubted:
        console.print(f"{NONE} for a filter: {NOT_APART}.")
    told = [
        escape(table.layer)
        for table in doubted
        if table.has_image_log_prob_drop and table.tells_apart(order="log_prob")
    ]
    if told:
        console.print(
            f"Log p tells them apart in {', '.join(told)}; --layer with one of these says how far "
            "its order by log p can be relied on."
        )


def print_filter(table: CarTable, filter: int, selectivity: SelectivityTable | None) -> None:
    """Print what a filter is worth, and to which classes."""
    found = table.summary(filter, k=3)
    kind = ""
    if selectivity is not None:
        index = index_words(selectivity.color_index[filter])
        kind = f" [bold]{kind_words(selectivity.kind[filter])}[/], {index},"
    console.print(
        f"\n[bold]Filter {filter}[/] ({place_words(found)}):{kind} "
        f"CAR [bold]{points(found.car)}[/] ({interval_words(found.low, found.high, unit=False)}), "
        f"{flips_words(found.lost, found.gained, found.images)}"
    )
    rows = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    rows.add_column("matters", no_wrap=True)
    rows.add_column("class", no_wrap=True)
    for name in ("CAR", "95% interval", "lost", "gained", "of", "q"):
        rows.add_column(name, justify="right", no_wrap=True)
    for label, classes in (("most to", found.top), ("least to", found.bottom)):
        for place, row in enumerate(classes):
            rows.add_row(
                label if place == 0 else "",
                escape(row.name),
                points(row.car, unit=False),
                interval_words(row.low, row.high, unit=False),
                str(row.lost),
                str(row.gained),
                str(row.images),
                probability(row.q_value),
            )
    console.print(rows)
