"""What somebody takes along: what is shown as a file, and the lines of Python that make it."""

from __future__ import annotations

import io
import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from carviz.pictures import ActivationMaps
from carviz.screen.page import save_page
from carviz.session import OneImage, Session, Snapshot

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
    elif view == "image" and shown.one_image is not None:
        figure = plot_maps(_maps(shown.one_image))
    else:
        return shown.figure()
    figure.sign(shown.about)
    return figure


def _maps(one: OneImage) -> ActivationMaps:
    """Return the map of one image as a record: a place for each pixel."""
    return ActivationMaps(
        one.layer,
        one.filter,
        images=np.array([max(one.key[0], 0)]),
        maps=one.map[None],
        pictures=(one.picture[None] / 255).astype(np.float32),
        field=np.array([1.0, 1.0, 1.0, 1.0, 0.0, 0.0]),
    )


def lines(shown: Snapshot) -> str:
    """Return the lines of Python that make the figure that is shown.

    A model, or data, that was given as an object has a line in its place that says so.
    """
    layer, filter = shown.layer, shown.filter
    table = f"table = carviz.measure_car(model, data, {layer!r})"
    kinds, picture = "", ""
    if shown.selectivity is not None:
        kinds = f", selectivity=carviz.measure_selectivity(model, {layer!r}, data=data)"
    if shown.pictures is not None:
        picture = f", picture=carviz.rgb_weights(model, {layer!r}, {filter}, data=data)"
    match shown.looks.view:
        case "several" if shown.picks.several:
            sets = [list(shown.picks.ascending)]
            made = [
                f"table = carviz.measure_joint(model, data, {layer!r}, {sets})",
                "carviz.plot_joint(table)",
            ]
        case "image" if shown.image >= 0:
            numbers = f"numbers=[{shown.image}]"
            made = [
                f"maps = carviz.activation_maps(model, data, {layer!r}, {filter}, {numbers})",
                "carviz.plot_maps(maps)",
            ]
        case "image" if shown.image < 0:
            made = [
                "image = …  # your picture, as the network reads it",
                f"maps = carviz.activation_maps(model, image[None], {layer!r}, {filter})",
                "carviz.plot_maps(maps)",
            ]
        case "pruning" if shown.path is not None:
            steps = len(shown.path)
            made = [
                f"path = carviz.prune_filters(model, data, {layer!r}, count={steps})",
                f"carviz.plot_paths([path], count={shown.count})",
            ]
        case "bank":
            pictures = picture.replace("picture=", "pictures=").replace(f", {filter}, ", ", ")
            made = [table, f"carviz.plot_bank(table{kinds}{pictures})"]
        case _:
            made = [table, f"carviz.plot_filter(table, {filter}{picture}{kinds})"]
    return "\n".join(["import carviz", "", *_opened(shown), *made, ""])


def _opened(shown: Snapshot) -> list[str]:
    weights = "" if shown.how.weights == "DEFAULT" else f", weights={shown.how.weights!r}"
    model = f"model = carviz.load_model({shown.model!r}{weights})"
    if not shown.model_named:
        model = "model = …  # the network that the explorer was given"
    more = "" if shown.limit is None else f", limit={shown.limit}"
    if shown.how.fitting:
        more += ', classes={"*": None}, unreadable="skip"'
    data = f"data = carviz.load_data({shown.data_asked!r}, model=model{more})"
    if not shown.data_named:
        data = "data = …  # the images that the explorer was given"
    return [model, data]
