"""`carviz prune` and `carviz compress`: which filters can go, and a network without them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from carviz.cli.shell import (
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
    check_figure,
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
from carviz.wording import (
    chance_lines,
    count_words,
    counted,
    criterion_words,
    kind_words,
    percent,
    points,
    share_words,
)

if TYPE_CHECKING:
    from torch import nn

    from carviz.results import PruningPath, RandomBand, SelectivityTable

FORGOTTEN = 3
"""Classes told of that have lost most."""


@app.command()
def prune(
    model: Model = "shapes",
    data: Data = "shapes",
    layer: Annotated[
        list[str] | None, typer.Option(help="The bank, else the first; again for more.")
    ] = None,
    count: Annotated[int | None, typer.Option(help="How many filters go; else all.")] = None,
    floor: Annotated[float | None, typer.Option(help="The accuracy that stays, e.g. 0.85.")] = None,
    criterion: Annotated[
        str, typer.Option(help="car, car-once, log-prob, l1, l2, taylor, apoz or random.")
    ] = "car",
    order: Annotated[
        Path | None, typer.Option(help="A saved path whose order is followed on these images.")
    ] = None,
    draws: Annotated[
        int,
        typer.Option(min=0, help="Random orders in a band beside it, 2 to 1,000; 0: none."),
    ] = 0,
    held_out: Annotated[
        str | None, typer.Option(help="Other images, as DATA, on which its order is followed too.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of what is drawn at random.")] = 0,
    limit: Limit = None,
    weights: Weights = "default",
    unreadable: Unreadable = "raise",
    root: Root = None,
    download: Download = False,
    device: Device = None,
    save: Annotated[Path | None, typer.Option(help="Save the path there (.npz).")] = None,
    figure: Annotated[
        Path | None,
        typer.Option(
            help="Draw the order there; the curve where a bank reads no RGB, or with --draws or "
            "--held-out."
        ),
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="A folder that keeps steps; the same call resumes there.")
    ] = None,
    shown: Annotated[int, typer.Option(min=0, help="Steps to tell about.")] = 20,
) -> None:
    """Prune filters one by one, greedily by CAR or by another criterion, and tell the order."""
    import carviz
    from carviz.evaluate import Images
    from carviz.pruning import check_draws, check_held_out, measure_band, prune_filters

    with errors():
        check_folder(save, "The path")
        check_figure(figure)
        if draws:
            check_draws(draws)
        network = carviz.load_model(model, weights=weights_of(weights))
        images = images_of(data, network, limit, unreadable, root, download)
        others = None
        if held_out is not None:
            others = images_of(held_out, network, limit, unreadable, root, download)
            check_held_out(Images(images), Images(others))
        given = None if order is None else _load(order, network, None, None)
        chosen = layer or ([first_bank(network)] if given is None else list(given.banks))
        total = len(images)
        console.print(f"[bold]{model}[/] {' and '.join(chosen)}, {total:,} images of {data}")
        path = prune_filters(
            network, images, chosen, count=count, floor=floor, criterion=criterion,
            order=given, seed=seed, device=device, run=carviz.Run(checkpoint=checkpoint),
        )  # fmt: skip
        if save is not None:
            console.print(f"Saved the path: [bold]{path.save(save)}[/]")
        beside: dict[str, Any] = {}
        if draws:
            beside["band"] = measure_band(
                network, images, chosen, count=len(path), draws=draws, seed=seed, device=device,
                run=carviz.Run(checkpoint=checkpoint),
            )  # fmt: skip
        if others is not None:
            beside["held_out"] = prune_filters(network, others, chosen, order=path, device=device)
        kinds = _kinds(network, path)
        _print_path(path, kinds)
        _print_beside(path, **beside)
        _print_steps(path, kinds, shown)
        _print_forgotten(path)
        if figure is not None:
            _draw(network, path, kinds, figure, beside)


@app.command()
def compress(
    model: Model = "shapes",
    data: Data = "shapes",
    path: Annotated[Path | None, typer.Option(help="What `carviz prune` saved.")] = None,
    count: Annotated[int | None, typer.Option(help="Its first filters only.")] = None,
    floor: Annotated[
        float | None, typer.Option(help="Its first filters, while the accuracy is at least this.")
    ] = None,
    layer: Annotated[str | None, typer.Option(help="Without a path: the bank.")] = None,
    filters: Filters = None,
    limit: Limit = None,
    weights: Weights = "default",
    unreadable: Unreadable = "raise",
    root: Root = None,
    download: Download = False,
    save: Annotated[Path | None, typer.Option(help="Save the smaller network (.pt2).")] = None,
) -> None:
    """Build the network without pruned filters, physically smaller, and tell what it saves."""
    import carviz
    from carviz.compression import compress as compressed
    from carviz.compression import measure_compression, save_compressed

    with errors():
        check_folder(save, "The network")
        _check_choice(path, filters, {"--layer": layer, "--count": count, "--floor": floor})
        network = carviz.load_model(model, weights=weights_of(weights))
        if path is None:
            plan = {layer or first_bank(network): numbers(filters) or []}
        else:
            steps = _load(path, network, count, floor)
            plan = steps.pruned()
        images = images_of(data, network, limit, unreadable, root, download)
        console.print(f"[bold]{model}[/] without {_plan_words(plan)}")
        if path is not None:
            console.print(f"On the path's images: {_accuracy_words(steps)}.")
        small = compressed(network, plan, images)
        console.print(str(measure_compression(network, small, images)), markup=False)
        if save is not None:
            save_compressed(small, save, images)
            console.print(f"Saved the network: [bold]{save}[/]")


# -- arguments


def _kinds(model: nn.Module, path: PruningPath) -> dict[str, SelectivityTable]:
    """Return what is known of colour and shape, of the banks that read RGB."""
    found = {bank: selectivity_of(model, bank) for bank in path.banks}
    return {bank: table for bank, table in found.items() if table is not None}


def _check_choice(path: Path | None, filters: str | None, rest: dict[str, object]) -> None:
    """Refuse what would leave open which filters go."""
    if (path is None) == (filters is None):
        raise ValueError(
            "What goes is a saved path, --path path.npz, or named, --layer features.0 --filters "
            f"0,3,8; found {'neither' if path is None else 'both'}."
        )
    given = [name for name, value in rest.items() if value is not None]
    if path is None and {"--count", "--floor"} & set(given):
        raise ValueError("--count and --floor shorten a path; found no --path.")
    if path is not None and "--layer" in given:
        raise ValueError("A path names its own banks; found --layer as well.")
    if {"--count", "--floor"} <= set(given):
        raise ValueError("A path is shortened by --count or by --floor; found both.")


def _load(path: Path, model: nn.Module, count: int | None, floor: float | None) -> PruningPath:
    """Return a saved path, cut short; ValueError if it is of another network."""
    from carviz.evaluate import fingerprint_model
    from carviz.results import PruningPath

    loaded = PruningPath.load(path)
    of = loaded.passport.get("model")
    if of is not None and of != fingerprint_model(model):
        raise ValueError(
            f"A path is of the network that is compressed; {str(path)!r} was found on another "
            "one, or with other weights. Give the same MODEL and --weights as to carviz prune."
        )
    if floor is not None:
        return loaded.at_or_above(floor)
    return loaded if count is None else loaded.prefix(count)


def _plan_words(plan: dict[str, list[int]]) -> str:
    parts = [f"{counted(len(filters), 'filter')} of {layer}" for layer, filters in plan.items()]
    return " and ".join(parts) or "no filter"


# -- printing


def _accuracy_words(path: PruningPath) -> str:
    before, after = percent(path.accuracy[0]), percent(path.accuracy[-1])
    return f"accuracy {before} before, [bold]{after}[/] after"


def _print_path(path: PruningPath, kinds: dict[str, SelectivityTable]) -> None:
    console.print(
        f"\nPruned [bold]{count_words(path, len(path))}[/] by {criterion_words(path)}: "
        f"{_accuracy_words(path)}."
    )
    if len(path):
        console.print(f"A tie decided {share_words(path.tie_share)} of the steps.")
    run, naive = int(path.evaluated.sum()), int(path.naive.sum())
    if run:
        console.print(
            f"Run to find them: {run:,} filters × images; trying every filter at every step is "
            f"{naive:,}, {naive / run:.1f} times as many."
        )
    half = min(len(path), path.filters // 2)
    for line in chance_lines(path, kinds, half):
        console.print(line)


def _print_beside(
    path: PruningPath, band: RandomBand | None = None, held_out: PruningPath | None = None
) -> None:
    """Print what random orders leave, and what the order leaves on other images."""
    if band is not None:
        low, high = percent(band.lowest[-1]), percent(band.highest[-1])
        console.print(
            f"{counted(len(band), 'random order')} of as many: {low} to {high} after, "
            f"{percent(band.mean[-1])} in the mean."
        )
    if held_out is not None:
        seen = counted(len(held_out.targets), "held-out image")
        console.print(f"On {seen}: {_accuracy_words(held_out)}.")


def _print_steps(path: PruningPath, kinds: dict[str, SelectivityTable], shown: int) -> None:
    """Print the first steps, and the last."""
    if not len(path) or not shown:
        return
    rows = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    rows.add_column("step", justify="right")
    for name in ["layer"] * (len(path.banks) > 1) + ["filter"] + ["kind"] * bool(kinds):
        rows.add_column(name, justify="right" if name == "filter" else "left", no_wrap=True)
    for name in ("accuracy", "points"):
        rows.add_column(name, justify="right", no_wrap=True)
    rows.add_column("tie")
    places = list(range(min(shown, len(path))))
    if len(path) > shown:
        places[-1] = len(path) - 1
    before = -1
    for i in places:
        if i > before + 1:
            rows.add_row("…")
        rows.add_row(*_cells(path, kinds, i))
        before = i
    console.print()
    console.print(rows)


def _cells(path: PruningPath, kinds: dict[str, SelectivityTable], i: int) -> list[str]:
    bank, filter, accuracy = path.layers[i], int(path.order[i]), path.accuracy
    kind = kind_words(kinds[bank].kind[filter]) if bank in kinds else ""
    return [
        str(i + 1),
        *([bank] if len(path.banks) > 1 else []),
        str(filter),
        *([kind] if kinds else []),
        percent(accuracy[i + 1]),
        points(accuracy[i + 1] - accuracy[0], unit=False),
        "tie" if path.decided_by_tie[i] else "",
    ]


def _print_forgotten(path: PruningPath) -> None:
    """Print the classes that lost most, where one did."""
    frame = path.lost_classes(len(path), FORGOTTEN)
    frame = frame[frame.car > 0]
    if frame.empty:
        console.print("\nNo class lost by it.")
        return
    rows = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    rows.add_column("lost most", no_wrap=True)
    for name in ("points", "before", "after", "images"):
        rows.add_column(name, justify="right", no_wrap=True)
    for _, row in frame.iterrows():
        shares = share_words(row["before"]), share_words(row["after"])
        name, images = escape(str(row["class"])), str(row["images"])
        rows.add_row(name, points(-row["car"], unit=False), *shares, images)
    console.print()
    console.print(rows)


def _draw(
    model: nn.Module, path: PruningPath, kinds: dict[str, SelectivityTable], figure: Path,
    beside: dict[str, Any],
) -> None:  # fmt: skip
    import carviz
    from carviz.plots import plot_order, plot_paths

    if len(kinds) == len(path.banks) and not beside:
        pictures = {bank: carviz.rgb_weights(model, bank) for bank in path.banks}
        save_figure(plot_order(path, pictures, selectivity=kinds), figure)
        console.print(f"\nThe order as pictures: [bold]{figure}[/]")
    else:
        save_figure(plot_paths(path, **beside), figure)
        console.print(f"\nThe curve of the accuracy: [bold]{figure}[/]")
