"""The view of pruning: the order as a strip, the curve with its slider, what was lost, Export."""

from __future__ import annotations

import ipywidgets as w

from carviz.explorer.curve import LEFT, WIDTH, across, curve_drawing, legend
from carviz.explorer.gallery import Gallery
from carviz.explorer.pruning_panels import (
    filter_words,
    lost_panel,
    order_words,
    report_panel,
    tiles_in_order,
)
from carviz.explorer.slider import Slider
from carviz.session import Snapshot
from carviz.wording import percent

MANY = 42
"""Filters that fill two rows of the strip; more are shown a little smaller."""


class PruningView:
    """Its widgets and where they stand."""

    def __init__(self) -> None:
        self.order = w.HTML()
        self.strip = Gallery()
        self.strip.add_class("cv-strip")
        self.curve = w.HTML()
        self.slider = Slider()
        self.legend = w.HTML()
        self.lost = w.HTML()
        self.report = w.HTML()
        self.compare = w.Button(
            description="Compare criteria",
            tooltip="Prune by other criteria too",
        )
        self.export = w.Button(
            description="Export", tooltip="Save the network without the filters pruned so far"
        )
        drawn = w.VBox([self.curve, self.slider])
        beside = w.VBox([self.legend, self.compare])
        told = w.VBox([self.lost, self.export, self.report])
        self.below = w.HBox([drawn, beside, told])
        self.box = w.VBox([self.order, self.strip, self.below])
        names = {
            drawn: "cv-drawn", beside: "cv-beside", told: "cv-told",
            self.below: "cv-below", self.box: "cv-pruning",
        }  # fmt: skip
        for box, name in names.items():
            box.add_class(name)

    def show_bank(self, shown: Snapshot, filters: int) -> None:
        """Begin with another bank."""
        tiles = tiles_in_order(shown.path, shown.count, shown.selectivity, filters)
        (self.strip.add_class if filters > MANY else self.strip.remove_class)("cv-many")
        pictures = None if shown.pictures is None else dict(enumerate(shown.pictures))
        self.strip.show_bank(shown.layer, pictures, tiles, shown.filter, "")

    def paint(self, shown: Snapshot, filters: int) -> None:
        """Show the paths as they are known now, at the slider's place."""
        path, count = shown.path, shown.count
        self.order.value = order_words(path, count, shown.selectivity)
        self.strip.value = shown.filter
        self.strip.tiles = tiles_in_order(path, count, shown.selectivity, filters)
        self.strip.note = filter_words(path, shown.filter)
        self.lost.value = lost_panel(path, count)
        (self.below.remove_class if path is not None else self.below.add_class)("cv-gone")
        if path is None:
            return
        self.report.value = report_panel(shown.exported)
        beside = shown.band, shown.held_out
        self.curve.value = curve_drawing(shown.paths, count, *beside)
        self.legend.value = legend(shown.paths, count, *beside)
        self.export.description = f"Export without these {count}"
        x = across(path.filters)
        with self.slider.hold_sync():
            self.slider.left = 100 * LEFT / WIDTH
            self.slider.width = 100 * (x(len(path)) - x(0)) / WIDTH
            self.slider.words = f"{count} filters pruned, {percent(path.accuracy[count])} right"
            self.slider.most, self.slider.value = len(path), count

    def allow(self, *, compare: bool, export: bool) -> None:
        """Say which buttons can be pressed now."""
        self.compare.disabled, self.export.disabled = not compare, not export
