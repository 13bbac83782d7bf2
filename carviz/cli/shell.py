"""What every command shares: the app, its arguments, and errors told in words."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

if TYPE_CHECKING:
    from torch import nn

    from carviz.results import SelectivityTable

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


@contextmanager
def errors() -> Iterator[None]:
    """Tell a person what went wrong in words; a traceback is for programmers."""
    try:
        yield
    except (TypeError, ValueError, FileNotFoundError) as error:
        Console(stderr=True, highlight=False).print(f"[red]Error:[/] {error}", soft_wrap=True)
        raise typer.Exit(2) from error
    except KeyboardInterrupt:
        sys.exit(130)


def check_folder(path: Path | None, what: str) -> None:
    """Say that a file's folder is missing before the work that fills the file."""
    if path is not None and not path.absolute().parent.is_dir():
        raise FileNotFoundError(
            f"{what} is saved into a folder that exists; {path.parent} does not. Make it, "
            "or choose another path."
        )


def weights_of(word: str) -> str | None:
    """Return the weights that a word of the command line means."""
    return {"default": "DEFAULT", "none": None}.get(word.lower(), word)


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
