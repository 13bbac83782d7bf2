"""The command line: `carviz demo`, `carviz banks`, `carviz car`, `carviz lab`. A thin shell."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

    from carviz.results import CarTable, SelectivityTable

app = typer.Typer(
    help="Explain a convolutional network filter by filter.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
console = Console(highlight=False)

Model = Annotated[str, typer.Argument(help="'shapes' (bundled) or a torchvision classifier.")]
Data = Annotated[str, typer.Argument(help="'shapes' (bundled) or a folder, a folder a class.")]
Weights = Annotated[str, typer.Option(help="'default', 'none' (random) or a torchvision entry.")]
Limit = Annotated[int | None, typer.Option(min=1, help="Images a class at most.")]
Device = Annotated[str | None, typer.Option(help="A torch device, e.g. cuda; else the CPU.")]
Filters = Annotated[str | None, typer.Option(help="Filter numbers, e.g. 0,3,8; else all.")]

DEMO_IMAGES = 50
"""Images a class that `carviz demo` looks at."""


@app.command()
def demo(
    output: Annotated[Path, typer.Option(help="Where the figure goes.")] = Path("carviz-demo.png"),
    limit: Limit = DEMO_IMAGES,
    shown: Annotated[int, typer.Option(min=1, help="Filters to tell about.")] = 3,
) -> None:
    """Measure the first bank of the bundled network and tell about a few of its filters."""
    import carviz

    with _errors():
        model = carviz.load_model("shapes")
        data = carviz.load_data("shapes", limit=limit)
        layer = _first_bank(model)
        console.print(
            f"[bold]shapes[/], the bundled network, on {len(data):,} images of "  # type: ignore[arg-type]
            f"{len(data.classes)} classes, drawn by carviz."  # type: ignore[attr-defined]
        )
        table = carviz.measure_car(model, data, layer)
        selectivity = carviz.measure_selectivity(model, layer, data=data)
        _print_bank(table, selectivity)
        for filter in _telling(table, selectivity, shown):
            _print_filter(table, filter, selectivity)
        pictures = carviz.rgb_weights(model, layer)
        best = int(table.order[0])
        figure = carviz.plot_filter(table, best, picture=pictures[best], selectivity=selectivity)
        figure.savefig(output)
        console.print(f"\nFigure of filter {best}: [bold]{output}[/]")


@app.command()
def banks(
    model: Model = "shapes",
    gates: Annotated[bool, typer.Option("--gates", help="List gates as well.")] = False,
) -> None:
    """List the banks of a network: its convolutions, in forward order."""
    import carviz

    with _errors():
        frame = carviz.list_banks(carviz.load_model(model, weights=_built_only(model)))
    hidden = 0 if gates else int(frame.gate.sum())
    _print_banks(frame if gates else frame[~frame.gate], gates)
    if hidden:
        console.print(f"{hidden} gates (squeeze-and-excite) are left out; --gates lists them.")


@app.command()
def car(
    model: Model = "shapes",
    data: Data = "shapes",
    layer: Annotated[str | None, typer.Option(help="The bank; else the first.")] = None,
    filters: Filters = None,
    limit: Limit = None,
    weights: Weights = "default",
    device: Device = None,
    save: Annotated[Path | None, typer.Option(help="Save the table there (.npz).")] = None,
    shown: Annotated[int, typer.Option(min=0, help="Filters to tell about.")] = 3,
) -> None:
    """Measure CAR: the accuracy that the network loses without each filter of a bank."""
    import carviz

    with _errors():
        if save is not None and not save.absolute().parent.is_dir():
            raise FileNotFoundError(
                f"The table is saved into a folder that exists; {save.parent} does not. Make it, "
                "or choose another path."
            )
        network = carviz.load_model(model, weights=_weights(weights))
        images = carviz.load_data(data, model=network, limit=limit)
        chosen = layer or _first_bank(network)
        count = len(images)  # type: ignore[arg-type]
        console.print(f"[bold]{model}[/] {chosen}, {count:,} images of {data}")
        table = carviz.measure_car(
            network, images, chosen, filters=_numbers(filters), device=device
        )
        if table.passport["remark"]:
            console.print(f"[yellow]Note:[/] {table.passport['remark']}")
        if save is not None:
            console.print(f"Saved the table: [bold]{table.save(save)}[/]")
        selectivity = _selectivity(network, chosen)
        _print_bank(table, selectivity)
        for filter in table.order[:shown]:
            _print_filter(table, int(filter), selectivity)


@app.command()
def lab(
    folder: Annotated[Path, typer.Argument(help="Where your copies of the notebooks go.")] = Path(
        "carviz-notebooks"
    ),
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Open no browser; for servers.")
    ] = False,
    copy_only: Annotated[
        bool, typer.Option("--copy-only", help="Copy the notebooks and stop.")
    ] = False,
) -> None:
    """Copy the tutorial notebooks, overwriting nothing, and open JupyterLab on the first."""
    with _errors():
        for path, new in _copy_notebooks(folder):
            console.print(f"{path}: {'copied' if new else '[yellow]kept as it was[/]'}")
        if not copy_only:
            console.print("Opening JupyterLab; Ctrl-C ends it.")
            raise typer.Exit(_run_lab(folder, no_browser))


def main() -> None:
    """Run the command line; the entry point of the `carviz` command."""
    app()


# -- arguments


@contextmanager
def _errors() -> Iterator[None]:
    """Tell a person what went wrong in words; a traceback is for programmers."""
    try:
        yield
    except (TypeError, ValueError, FileNotFoundError) as error:
        Console(stderr=True, highlight=False).print(f"[red]Error:[/] {error}", soft_wrap=True)
        raise typer.Exit(2) from error
    except KeyboardInterrupt:
        sys.exit(130)


def _weights(word: str) -> str | None:
    return {"default": "DEFAULT", "none": None}.get(word.lower(), word)


def _built_only(model: str) -> str | None:
    """Return the weights for listing banks: none are needed, so none are downloaded."""
    return "DEFAULT" if model == "shapes" else None


def _numbers(text: str | None) -> list[int] | None:
    if text is None:
        return None
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise ValueError(
            f"--filters are numbers with commas, e.g. 0,3,8; found {text!r}."
        ) from error


def _first_bank(model: nn.Module) -> str:
    import carviz

    frame = carviz.list_banks(model)
    if frame.empty:
        raise ValueError(
            f"A network with convolutions is needed; {type(model).__name__} has none. "
            "Choose one of AlexNet's, VGG's, ResNet's … kind."
        )
    return str(frame.layer.iloc[0])


def _selectivity(model: nn.Module, layer: str) -> SelectivityTable | None:
    """Colour or shape is told of banks that read RGB."""
    import carviz

    frame = carviz.list_banks(model).set_index("layer")
    return carviz.measure_selectivity(model, layer) if frame.reads_rgb[layer] else None


# -- notebooks

FIRST_NOTEBOOK = "1-explore.ipynb"


def _shipped_notebooks() -> list[Path]:
    """Return the notebooks: in the package from a wheel, beside it in a clone of the repository."""
    package = Path(__file__).parent
    for folder in (package / "notebooks", package.parent / "notebooks"):
        if (folder / FIRST_NOTEBOOK).is_file():
            return sorted(folder.glob("*.ipynb"))
    raise FileNotFoundError(
        "The tutorial notebooks are installed with carviz; they are missing beside "
        f"{str(package)!r}. Install carviz again."
    )


def _copy_notebooks(folder: Path) -> Iterator[tuple[Path, bool]]:
    """Copy what is not there yet; yield each notebook's path and whether it is new."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for notebook in _shipped_notebooks():
            target = folder / notebook.name
            try:
                with target.open("xb") as file:
                    file.write(notebook.read_bytes())
            except FileExistsError:
                yield target, False
            else:
                yield target, True
    except (FileExistsError, NotADirectoryError, PermissionError) as error:
        raise ValueError(
            f"Notebooks are copied into a folder that can be written; {str(folder)!r} is not one "
            f"({error.strerror}). Name another: carviz lab FOLDER."
        ) from error


def _run_lab(folder: Path, no_browser: bool) -> int:
    """Run JupyterLab in `folder` until it ends, and return its exit code."""
    command = [sys.executable, "-m", "jupyterlab", "-y"]
    command.append(f"--ServerApp.root_dir={folder.absolute()}")
    command.append(f"--LabApp.default_url=/lab/tree/{FIRST_NOTEBOOK}")  # the printed address too
    if no_browser:
        command.append("--no-browser")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")  # who runs carviz as root, in a container, is there already
    with subprocess.Popen(command, cwd=folder) as server:
        # Whatever ends carviz ends the server too, with its kernels; -y spares the question.
        signal.signal(signal.SIGTERM, lambda *_: server.terminate())
        while True:
            try:
                return server.wait()
            except KeyboardInterrupt:
                server.terminate()


def _telling(table: CarTable, selectivity: SelectivityTable, count: int) -> list[int]:
    """Return the filters with the highest CAR, the best one of each kind among them."""
    order = [int(filter) for filter in table.order]
    kinds = [str(selectivity.kind[filter]) for filter in order]
    best = [order[kinds.index(kind)] for kind in ("shape", "color") if kind in kinds]
    chosen = [*best, *(filter for filter in order if filter not in best)][:count]
    return sorted(chosen, key=order.index)


# -- printing


def _print_banks(frame: pd.DataFrame, gates: bool) -> None:
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


def _size(pair: Any) -> str:
    if pair is None:
        return "?"
    if pair[0] == float("inf"):
        return "all"
    return f"{pair[0]:g} × {pair[1]:g}"


def _print_bank(table: CarTable, selectivity: SelectivityTable | None) -> None:
    seen = f"{len(table.images):,}"
    console.print(
        f"\nAccuracy [bold]{100 * table.accuracy:.1f}%[/] on {seen} images. Bank "
        f"[bold]{table.layer}[/], {len(table.filters)} filters: removing one costs "
        f"{_points(table.car.min())} to {_points(table.car.max())} points."
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


def _print_filter(table: CarTable, filter: int, selectivity: SelectivityTable | None) -> None:
    from carviz.results.statistics import paired_interval

    i = table.row(filter)
    lost, gained, n = int(table.lost_all[i]), int(table.gained_all[i]), len(table.images)
    low, high = (_points(float(bound)) for bound in paired_interval(lost, gained, n))
    kind = ""
    if selectivity is not None:
        index = selectivity.color_index[filter]
        kind = f" [bold]{selectivity.kind[filter]}[/]" + (
            "" if index != index else f" {index:.2f},"
        )
    console.print(
        f"\n[bold]Filter {filter}[/] (rank {table.rank(filter)} of {len(table.filters)}):{kind} "
        f"CAR [bold]{_points(table.car[i])}[/] points ({low} to {high}), "
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
                str(row[1]),
                _points(row.car),
                f"{_points(row.low)} to {_points(row.high)}",
                str(row.lost),
                str(row.gained),
                str(row.images),
                f"{row.p_value:.2g}",
            )
    console.print(rows)


def _points(fraction: float) -> str:
    """Write an accuracy reduction in percentage points, with its sign."""
    text = f"{100 * fraction:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text
