"""What every command shares: the app, its arguments, and errors told in words."""

from __future__ import annotations

import codecs
import io
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from carviz.checks import check_home

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import nn

    from carviz.results import SelectivityTable

app = typer.Typer(
    help="Explain a convolutional network filter by filter.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
console = Console(highlight=False)

Model = Annotated[str, typer.Argument(help="A network's name; `carviz models` lists them.")]
Data = Annotated[
    str,
    typer.Argument(
        help="'shapes' (bundled), a torchvision data set, or a folder, a folder a class."
    ),
]
Weights = Annotated[
    str, typer.Option(help="'default', 'none' (random), a torchvision entry, or a file.")
]
Checkpoint = Annotated[
    Path | None, typer.Option(help="A folder that keeps parts; the same call resumes there.")
]
Limit = Annotated[
    int | None,
    typer.Option(
        min=1, help="Images a class at most; of the bundled ones 50 where nothing is said."
    ),
]
Unreadable = Annotated[str, typer.Option(help="'skip' leaves out files that are no images.")]
Root = Annotated[Path | None, typer.Option(help="Where torchvision's data sets are.")]
Download = Annotated[
    bool, typer.Option("--download", help="Let torchvision download a data set that is missing.")
]
Device = Annotated[str | None, typer.Option(help="A torch device, e.g. cuda; else the CPU.")]
Filters = Annotated[str | None, typer.Option(help="Filter numbers, e.g. 0,3,8; else all.")]

LISTS = "carviz.list_banks(model) lists"
"""What an error about a bank's name points to, in Python."""
PLAIN = {
    "−": "-",
    "–": "-",
    "×": "x",
    "…": "...",
    "→": "->",
    "≥": ">=",
    "≤": "<=",
    "“": '"',
    "”": '"',
}
"""What is written where an encoding lacks a letter: a minus must not become a question mark."""


def write_plainly() -> None:
    """Let terminals and pipes whose encoding lacks a letter have a plain one in its place."""

    def plain(error: UnicodeError) -> tuple[str, int]:
        assert isinstance(error, UnicodeEncodeError)
        letters = error.object[error.start : error.end]
        return "".join(PLAIN.get(letter, "?") for letter in letters), error.end

    codecs.register_error("carviz.plain", plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="carviz.plain")


@contextmanager
def errors() -> Iterator[None]:
    """Tell a person what went wrong in words; a traceback is for programmers."""
    try:
        yield
    except (TypeError, ValueError, OSError) as error:
        words = str(error).replace(LISTS, "`carviz banks MODEL` lists")
        Console(stderr=True, highlight=False).print(
            f"[red]Error:[/] {escape(words)}", soft_wrap=True
        )
        raise typer.Exit(2) from error
    except KeyboardInterrupt:
        sys.exit(130)


def check_folder(path: Path | None, what: str) -> None:
    """Say that a file's folder is missing before the work that fills the file."""
    if path is not None:
        check_home(path, what)


def check_figure(figure: Path | None) -> None:
    """Refuse a figure's path before the work: its folder is missing, or its kind unknown."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    check_folder(figure, "The figure")
    kinds = FigureCanvasAgg.filetypes
    if figure is not None and figure.suffix.lower().removeprefix(".") not in kinds:
        raise ValueError(
            f"A figure is a .png, .pdf or .svg file, or another of {', '.join(sorted(kinds))}; "
            f"found {str(figure)!r}."
        )


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure, whole or not at all, in the format that its file's name says; else PNG."""
    from carviz.results import write_whole

    buffer = io.BytesIO()
    figure.savefig(buffer, format=path.suffix.removeprefix(".") or "png")
    write_whole(path, buffer.getvalue())


def weights_of(word: str) -> str | None:
    """Return the weights that a word of the command line means."""
    return {"default": "DEFAULT", "none": None}.get(word.lower(), word)


def images_of(
    data: str, network: nn.Module, limit: int | None, unreadable: str, root: Path | None,
    download: bool,
) -> Any:  # fmt: skip
    """Load the data that the network will look at, and tell what was left out."""
    import carviz
    from carviz.session import usual_limit

    limit = usual_limit(data) if limit is None else limit
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        images = carviz.load_data(
            data, model=network, limit=limit, root=root, download=download,
            unreadable=unreadable,  # type: ignore[arg-type]  # load_data checks it
        )  # fmt: skip
    for warning in caught:
        console.print(f"[yellow]Note:[/] {escape(str(warning.message))}")
    return images


def built_only(model: str) -> str | None:
    """Return the weights for listing banks: none are needed, so none are downloaded."""
    return "DEFAULT" if model == "shapes" else None


def numbers(text: str | None) -> list[int] | None:
    """Return the numbers of `--filters`."""
    if text is None:
        return None
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise ValueError(
            f"--filters are numbers with commas, e.g. 0,3,8; found {text!r}."
        ) from error


def first_bank(model: nn.Module) -> str:
    """Return the name of the first bank; ValueError for a network without one."""
    import carviz

    frame = carviz.list_banks(model)
    if frame.empty:
        raise ValueError(
            f"A network with convolutions is needed; {type(model).__name__} has none. "
            "Choose one of AlexNet's, VGG's, ResNet's … kind."
        )
    return str(frame.layer.iloc[0])


def selectivity_of(model: nn.Module, layer: str) -> SelectivityTable | None:
    """Colour or shape is told of banks that read RGB."""
    import carviz

    frame = carviz.list_banks(model).set_index("layer")
    return carviz.measure_selectivity(model, layer) if frame.reads_rgb[layer] else None
