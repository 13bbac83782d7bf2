"""What somebody takes along: what is shown as a file, and the lines of Python that make it."""

from __future__ import annotations

import io
import re
import tempfile
from pathlib import Path
from typing import Any

from carviz.results import CarTable
from carviz.screen.image import UNMAPPED
from carviz.screen.page import save_page
from carviz.session import OWN, Session, Snapshot
from carviz.wording import seen_words

TYPES = {"png": "image/png", "svg": "image/svg+xml", "csv": "text/csv", "html": "text/html"}
"""Kinds of file, by their names' ends, and their types."""


def file_name(shown: Snapshot, kind: str) -> str:
    """Return a file's name: "shapes-features.0-filter-12.png"."""
    several = shown.picks.several
    what = {
        "filter": f"filter-{shown.filter}",
        "image": f"filter-{shown.filter}",
        "several": "without-" + "-".join(map(str, several[:6])),
        "bank": "bank",
        "pruning": "pruning",
    }[shown.looks.view]
    what = {"csv": "car", "html": "page"}.get(kind, what)
    return re.sub(r"[^\w.+-]+", "_", f"{shown.model}-{shown.layer}-{what}")[:100] + f".{kind}"


def take(session: Session, shown: Snapshot, kind: str) -> bytes:
    """Return what is shown as a file of this kind.

    Raises
    ------
    ValueError
        If nothing of it is measured yet, or there is no such kind.
    """
    if kind == "html":
        with tempfile.TemporaryDirectory() as folder:
            return save_page(session, Path(folder, "page.html")).read_bytes()
    if kind == "csv":
        if shown.table is None:
            raise ValueError("A table has numbers; nothing is measured yet: compute the bank.")
        return shown.table.to_frame().to_csv(index=False).encode()
    if kind not in TYPES:
        raise ValueError(f"A file is one of {list(TYPES)}; found {kind!r}.")
    buffer = io.BytesIO()
    figure_of(shown).savefig(buffer, format=kind)
    return buffer.getvalue()


def figure_of(shown: Snapshot) -> Any:
    """Return the figure of what is looked at, signed."""
    # Loaded here, for it takes matplotlib along, which a screen can do without.
    from carviz.plots import plot_joint, plot_maps

    view = shown.looks.view
    if view == "several":
        if shown.joint is None:
            raise ValueError("Filters are shown together once they were removed together.")
        figure = plot_joint(shown.joint)
    elif view == "image" and (one := shown.one_image) is not None:
        if one.maps is None:
            raise ValueError(f"There is no map to take along. {UNMAPPED.format(one.layer)}")
        figure = plot_maps(one.maps)
    else:
        return shown.figure()
    figure.sign(shown.about)
    return figure


def lines(shown: Snapshot) -> str:
    """Return the lines of Python that make the figure that is shown.

    A model, or data, that was given as an object has a line in its place that says so. Pruning is
    asked of a session, which holds the same images out and draws the same random orders.

    Raises
    ------
    ValueError
        If several filters are to be shown and none is picked.
    """
    layer, filter, view = shown.layer, shown.filter, shown.looks.view
    if view == "several":
        if not shown.picks.several:
            raise ValueError("Filters are removed together once some are picked.")
        sets = [list(shown.picks.ascending)]
        made = [
            f"table = carviz.measure_joint(model, data, {layer!r}, {sets})",
            "carviz.plot_joint(table)",
        ]
    elif view == "image" and shown.image >= 0:
        numbers = f"numbers=[{shown.image}]"
        made = [
            f"maps = carviz.activation_maps(model, data, {layer!r}, {filter}, {numbers})",
            "carviz.plot_maps(maps)",
        ]
    elif view == "image" and shown.image == OWN:
        made = [
            "image = ...  # your picture, as the network reads it: (channel, height, width)",
            f"maps = carviz.activation_maps(model, image[None], {layer!r}, {filter})",
            "carviz.plot_maps(maps)",
        ]
    elif shown.draws_paths:
        made = _pruned(shown)
    else:
        return "\n".join(["import carviz", "", *_opened(shown, shown.table), *_measured(shown), ""])
    return "\n".join(["import carviz", "", *_opened(shown), *made, ""])


def _measured(shown: Snapshot) -> list[str]:
    """Return the lines that measure CAR, and show the bank or the filter."""
    layer, filter, table = shown.layer, shown.filter, shown.table
    some, said, one = "", [], False
    if table is not None and len(table.filters) < shown.bank.filters:
        some = f", filters={table.filters.tolist()}"
        one = len(table.filters) == 1
    if table is not None and not table.complete:
        said = [f"# What is shown is of {seen_words(table)}; this is of all."]
    measured = [*said, f"table = carviz.measure_car(model, data, {layer!r}{some})"]
    kinds, picture, pictures = "", "", ""
    if shown.selectivity is not None:
        kinds = f", selectivity=carviz.measure_selectivity(model, {layer!r}, data=data)"
    if shown.pictures is not None:
        picture = f", picture=carviz.rgb_weights(model, {layer!r}, {filter}, data=data)"
        pictures = f", pictures=carviz.rgb_weights(model, {layer!r}, data=data)"
    if shown.looks.view == "bank" and not one:
        return [*measured, f"carviz.plot_bank(table{kinds}{pictures})"]
    return [*measured, f"carviz.plot_filter(table, {filter}{picture}{kinds})"]


def _pruned(shown: Snapshot) -> list[str]:
    """Return the lines that prune as the session did, on the images that chose there."""
    assert shown.path is not None
    images = len(shown.images)
    held_out = images - len(shown.path.targets)
    share = f", held_out={held_out / images}" if held_out else ""
    compared = ["session.compare()", "session.wait()"] if len(shown.paths) > 1 else []
    return [
        "session = carviz.open_session(model, data)",
        f"session.layer = {shown.layer!r}",
        f"session.prune({len(shown.path)}{share})",
        "session.wait()",
        *compared,
        "found = session.snapshot()",
        "session.close()",
        "carviz.plot_paths("
        f"found.paths, band=found.band, held_out=found.held_out, count={shown.count})",
    ]


def _opened(shown: Snapshot, table: CarTable | None = None) -> list[str]:
    """Return the lines that load the model and the data; those of a table, if it has others."""
    weights = "" if shown.how.weights == "DEFAULT" else f", weights={shown.how.weights!r}"
    model = f"model = carviz.load_model({shown.model!r}{weights})"
    if not shown.model_named:
        model = "model = ...  # the network that the explorer was given"
    name: str | None = shown.data_asked if shown.data_named else None
    limit, given = shown.limit, "the images that the explorer was given"
    if table is not None and not shown.own_data:
        opened = table.passport.get("opened")
        name, limit = None, None
        if isinstance(opened, dict):
            name, limit = opened.get("data"), opened.get("limit")
        given = f"the {table.total:,} images that the table was measured on"
    if name is None:
        return [model, f"data = ...  # {given}"]
    more = "" if limit is None else f", limit={limit}"
    if shown.how.fitting:
        more += ', classes={"*": None}, unreadable="skip"'
    return [model, f"data = carviz.load_data({name!r}, model=model{more})"]
