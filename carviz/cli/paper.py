"""`carviz paper`: the claims of the paper on CAR, put to any network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from carviz.cli.shell import (
    Data,
    Device,
    Download,
    Model,
    Root,
    Unreadable,
    Weights,
    app,
    console,
    errors,
    images_of,
    weights_of,
)

if TYPE_CHECKING:
    from torch import nn


@app.command()
def paper(
    model: Model,
    data: Data,
    folder: Annotated[Path, typer.Option(help="Where the tables go; what is there is kept.")] = (
        Path("paper")
    ),
    layer: Annotated[
        list[str] | None,
        typer.Option(
            help="The two banks to prune, and the one whose classes "
            "are told; else the first two and the last."
        ),
    ] = None,
    choosing: Annotated[int, typer.Option(min=1, help="Images a class to choose on.")] = 3,
    held_out: Annotated[int, typer.Option(min=1, help="Images a class to judge on.")] = 5,
    images: Annotated[int, typer.Option(min=1, help="Images a class for classes' CAR.")] = 50,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Steps in the second bank; else all, half by rivals.")
    ] = None,
    weights: Weights = "default",
    unreadable: Unreadable = "raise",
    root: Root = None,
    download: Download = False,
    device: Device = None,
) -> None:
    """Put the claims of the paper on CAR to a network: hours on a CPU, and it goes on where it was.

    Abbasi-Asl and Yu, arXiv 1711.02329 and 1705.07356. The notebook 4-the-paper-again reads what
    this saves.
    """
    import carviz
    from carviz.claims import Claims

    with errors():
        network = carviz.load_model(model, weights=weights_of(weights))
        banks = _banks(network, layer)
        most = max(images, choosing + held_out)
        everything = images_of(data, network, most, unreadable, root, download)
        claims = Claims(
            network, everything, folder, banks, choosing, held_out, steps, device,
            tell=lambda words: console.print(words),
        )  # fmt: skip
        console.print(
            f"[bold]{model}[/] {', '.join(banks)}: {len(claims.choosers):,} images of {data} to "
            f"choose on, {len(claims.judges):,} others to judge on"
        )
        claims.put()


def _banks(model: nn.Module, named: Sequence[str] | None) -> list[str]:
    """Return the names of the banks to prune, and of that whose classes are told."""
    import carviz

    frame = carviz.list_banks(model)
    layers = frame[~frame.gate].layer.tolist()
    chosen = list(named) if named else [*layers[:2], *layers[-1:]]
    if len(chosen) != 3 or not set(chosen) <= set(layers):
        raise ValueError(
            "The claims are about three banks, --layer once for each: two to prune, and one whose "
            f"classes are told. Found {', '.join(chosen) or 'none'}; the network has "
            f"{', '.join(layers) or 'none'}."
        )
    return chosen
