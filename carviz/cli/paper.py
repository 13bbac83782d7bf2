"""`carviz paper`: all that the paper's claims are judged by, for any network, saved in a folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

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
    from torch.utils.data import Subset

    from carviz.results import PruningPath

RIVALS = ("car-once", "taylor", "l1", "l2", "apoz", "random")
"""The criteria that greedy CAR is held against."""
SHOWN = 24
"""Filters of the deeper bank whose pictures are saved: those that greedy CAR prunes first."""
TELLING = 12
"""Filters of the last bank whose classes are measured on all images: those with the highest CAR."""

UNFINISHED = "unfinished"
"""Folder of the steps of a pruning that is not done yet."""

Kind = TypeVar("Kind")


@dataclass(frozen=True)
class Desk:
    """What the claims are put to, and where the answers go.

    Attributes
    ----------
    network
        The network.
    choosing, held_out
        Images on which filters are chosen, and others on which the choice is judged.
    all_images
        Every image that was read.
    folder
        Where the tables are saved.
    device
        Where to run; None for the CPU.
    """

    network: nn.Module
    choosing: Subset[Any]
    held_out: Subset[Any]
    all_images: Any
    folder: Path
    device: str | None

    def keep(self, name: str, kind: type[Kind], make: Callable[[], Kind]) -> Kind:
        """Return what is saved under a name, where it is of this network, else make and save it."""
        from carviz.evaluate.fingerprints import fingerprint_model

        path = self.folder / f"{name}.npz"
        if not path.is_file():
            console.print(f"[bold]{name}[/]")
            made = make()
            made.save(path)  # type: ignore[attr-defined]
            return made
        kept: Kind = kind.load(path)  # type: ignore[attr-defined]
        if kept.passport["model"] != fingerprint_model(self.network):  # type: ignore[attr-defined]
            raise ValueError(
                f"A folder holds the tables of one network; {str(path)!r} is of another one, or of "
                "other weights. Name another --folder."
            )
        console.print(f"{name}: kept as it was")
        return kept


@app.command()
def paper(
    model: Model = "tiny-alexnet",
    data: Data = "shapes",
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

    with errors():
        network = carviz.load_model(model, weights=weights_of(weights))
        banks = _banks(network, layer)
        everything = images_of(
            data, network, max(images, choosing + held_out), unreadable, root, download
        )
        desk = Desk(network, *_split(everything, choosing, held_out), everything, folder, device)
        folder.mkdir(parents=True, exist_ok=True)
        console.print(
            f"[bold]{model}[/] {', '.join(banks)}: {len(desk.choosing):,} images of {data} to "
            f"choose on, {len(desk.held_out):,} others to judge on"
        )
        for bank, count in zip(banks[:2], (None, steps), strict=True):
            _prune(desk, bank, count)
            _describe(desk, bank)
        _tell_classes(desk, banks[-1])
        shutil.rmtree(folder / UNFINISHED, ignore_errors=True)


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


def _split(data: Any, choosing: int, held_out: int) -> tuple[Subset[Any], Subset[Any]]:
    """Return the first images of each class, and the next."""
    import numpy as np
    from torch.utils.data import Subset

    targets = np.asarray(data.targets)
    places = np.zeros(len(targets), dtype=int)  # of each image among those of its class
    for label in np.unique(targets):
        members = np.flatnonzero(targets == label)
        places[members] = np.arange(len(members))
    chosen = np.flatnonzero(places < choosing)
    others = np.flatnonzero((places >= choosing) & (places < choosing + held_out))
    if not len(others):
        raise ValueError(
            f"Other images judge what the first {choosing} of each class have chosen; there are "
            "none. Choose on fewer with --choosing."
        )
    return Subset(data, chosen.tolist()), Subset(data, others.tolist())


def _prune(desk: Desk, bank: str, count: int | None) -> None:
    """Prune a bank by every criterion, and judge each order on the held-out images."""
    import carviz
    from carviz.results import PruningPath

    sizes = carviz.list_banks(desk.network).set_index("layer").filters
    half = int(sizes[bank]) // 2
    for criterion in ("car", *RIVALS):
        wanted = half if criterion != "car" and count is None else count

        def chosen(criterion: str = criterion, wanted: int | None = wanted) -> PruningPath:
            run = carviz.Run(checkpoint=desk.folder / UNFINISHED)
            return carviz.prune_filters(
                desk.network, desk.choosing, bank, count=wanted, criterion=criterion,
                device=desk.device, run=run,
            )  # fmt: skip

        path = desk.keep(f"{bank}-{criterion}", PruningPath, chosen)

        def judged(path: PruningPath = path) -> PruningPath:
            return carviz.prune_filters(
                desk.network, desk.held_out, bank, count=min(len(path), half), order=path,
                device=desk.device,
            )  # fmt: skip

        desk.keep(f"{bank}-{criterion}-held-out", PruningPath, judged)


def _describe(desk: Desk, bank: str) -> None:
    """Tell colour from shape, and what is alike; picture what greedy CAR prunes first."""
    import carviz
    from carviz.results import PruningPath, SelectivityTable, SiblingTable

    desk.keep(
        f"{bank}-selectivity", SelectivityTable,
        lambda: carviz.measure_selectivity(desk.network, bank, data=desk.choosing),
    )  # fmt: skip
    desk.keep(
        f"{bank}-siblings", SiblingTable,
        lambda: carviz.measure_siblings(desk.network, desk.choosing, bank, device=desk.device),
    )  # fmt: skip
    if not carviz.list_banks(desk.network).set_index("layer").reads_rgb[bank]:
        path = PruningPath.load(desk.folder / f"{bank}-car.npz")
        _picture(desk, bank, path.order[:SHOWN].tolist())


def _picture(desk: Desk, bank: str, filters: list[int]) -> None:
    """Save pictures of a deeper bank's filters, eight bits a channel."""
    import io

    import numpy as np

    import carviz
    from carviz.results import write_whole

    target = desk.folder / f"{bank}-pictures.npz"
    if target.is_file():
        return
    console.print(f"[bold]{bank}-pictures[/]")
    pictures = carviz.rgb_weights(desk.network, bank, filters, data=desk.choosing)
    buffer = io.BytesIO()
    eight = np.round(pictures * 255).astype(np.uint8)
    np.savez_compressed(buffer, filters=np.asarray(filters), pictures=eight)
    write_whole(target, buffer.getvalue())


def _tell_classes(desk: Desk, bank: str) -> None:
    """Measure the classes of the filters that matter most, on all images that were read."""
    import carviz
    from carviz.results import CarTable

    few = desk.keep(
        f"{bank}-car-of-all", CarTable,
        lambda: carviz.measure_car(desk.network, desk.choosing, bank, device=desk.device),
    )  # fmt: skip
    filters = sorted(few.order[:TELLING].tolist())
    desk.keep(
        f"{bank}-classes", CarTable,
        lambda: carviz.measure_car(
            desk.network, desk.all_images, bank, filters=filters, device=desk.device
        ),
    )  # fmt: skip
