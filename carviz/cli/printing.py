"""What measuring found, as text and tables in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from carviz.cli.shell import console

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
    for model, counted, judged in zip(
        frame.itertuples(), frame.parameters.notna(), frame.accuracy.notna(), strict=True
    ):
        table.add_row(
            model.name,
            model.source,
            f"{model.parameters / 1e6:.1f} M" if counted else "?",
            f"{model.accuracy:.1%}" if judged else "?",
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
    seen = f"{len(table.images):,}"
    console.print(
        f"\nAccuracy [bold]{100 * table.accuracy:.1f}%[/] on {seen} images. Bank "
        f"[bold]{escape(table.layer)}[/], {len(table.filters)} filters: removing one costs "
        f"{points_words(table.car.min())} to {points_words(table.car.max())} points."
    )
    if not table.lost.any() and not table.gained.any():
        console.print("No single filter of it changes whether an image is classified rightly.")
    if selectivity is not None:
        counts = selectivity.counts().loc["all"]
        console.print(
            f"{counts.color:.0f} of them select colour, {counts['shape']:.0f} shape"
            + (f", {counts.dead:.0f} are dead" if counts.dead else "")
            + f" (colour index above {selectivity.threshold:g} is colour)."
        )


def print_all_banks(tables: CarTables) -> None:
    """Print the banks of a network, a row each: its largest CAR, and what costs nothing."""
    first = next(iter(tables.values()))
    filters = sum(len(table.filters) for table in tables.values())
    console.print(
        f"\nAccuracy [bold]{100 * first.accuracy:.1f}%[/] on {len(first.images):,} images. "
        f"{filters:,} filters in {len(tables)} bank{'s' if len(tables) > 1 else ''}; CAR in points."
    )
    rows = Table("layer", box=None, header_style="bold", pad_edge=False)
    for name in ("filters", "largest CAR", "of filter", "CAR 0 or below"):
        rows.add_column(name, justify="right")
    for layer, table in tables.items():
        best = int(table.order[0])
        rows.add_row(
            escape(layer),
            f"{len(table.filters):,}",
            points_words(table.car[table.row(best)]),
            str(best),
            f"{int((table.car <= 0).sum()):,}",
        )
    console.print(rows)


def print_filter(table: CarTable, filter: int, selectivity: SelectivityTable | None) -> None:
    """Print what a filter is worth, and to which classes."""
    from carviz.results.statistics import paired_interval

    i = table.row(filter)
    lost, gained, n = int(table.lost_all[i]), int(table.gained_all[i]), len(table.images)
    low, high = (points_words(float(bound)) for bound in paired_interval(lost, gained, n))
    kind = ""
    if selectivity is not None:
        index = selectivity.color_index[filter]
        kind = f" [bold]{selectivity.kind[filter]}[/]" + (
            "" if index != index else f" {index:.2f},"
        )
    console.print(
        f"\n[bold]Filter {filter}[/] (rank {table.rank(filter)} of {len(table.filters)}):{kind} "
        f"CAR [bold]{points_words(table.car[i])}[/] points ({low} to {high}), "
        f"{lost} images lost, {gained} gained of {n:,}"
    )
    rows = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    rows.add_column("matters", no_wrap=True)
    rows.add_column("class", no_wrap=True)
    for name in ("CAR", "95% interval", "lost", "gained", "of", "p"):
        rows.add_column(name, justify="right", no_wrap=True)
    for label, frame in (
        ("most to", table.top_classes(filter, 3)),
        ("least to", table.bottom_classes(filter, 3)),
    ):
        row: Any
        for place, row in enumerate(frame.itertuples()):
            rows.add_row(
                label if place == 0 else "",
                escape(str(row[1])),
                points_words(row.car),
                f"{points_words(row.low)} to {points_words(row.high)}",
                str(row.lost),
                str(row.gained),
                str(row.images),
                f"{row.p_value:.2g}",
            )
    console.print(rows)


def points_words(fraction: float) -> str:
    """Write an accuracy reduction in percentage points, with its sign."""
    text = f"{100 * fraction:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text
