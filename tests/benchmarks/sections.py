"""Sections that share the time there is: what fails or has no time left ends no other one."""

from __future__ import annotations

import argparse
import time
import traceback
from collections.abc import Callable
from typing import Any, NamedTuple

from rows import Row, render, save


class Scale(NamedTuple):
    """How large everything is: for a GPU, or so small that a CPU does it in seconds."""

    networks: tuple[str, str] = ("alexnet", "resnet18")
    deep: tuple[str, ...] = ("conv1", "layer3.0.conv1", "layer4.1.conv2")
    sizes: tuple[int, int] = (64, 256)
    many: int = 2000
    said: int = 50_000
    deep_many: int = 1000
    matrix: int | None = None
    rows: int = 256


TINY = Scale(("tiny", "tiny"), ("3",), (8, 16), 24, 100, 24, 32, 8)


class Bench:
    """Where figures go, how much time is left, and what went wrong."""

    def __init__(self, options: argparse.Namespace, scale: Scale) -> None:
        self.device, self.scale, self.json = options.device, scale, options.json
        self.start, self.seconds = time.perf_counter(), options.seconds
        self.judged = 0
        self.wrong: list[str] = []
        self.failed: list[str] = []
        self.left_out: list[Row] = []
        self.sheet: dict[str, Any] = {
            "title": "On a GPU",
            "words": "Printed by `python tests/benchmarks/gpu.py`, on random images and weights. "
            "Hook loop and cached head run in batches of 256 images that are on the device.",
        }  # fmt: skip

    def left(self) -> float:
        """Return the seconds that are left."""
        return self.seconds - (time.perf_counter() - self.start)

    def add(self, title: str, words: str, rows: list[Row]) -> None:
        """Print a table and keep it; what is kept is written at once."""
        print("\n" + render({"title": title, "words": words, "rows": rows}), flush=True)
        self.sheet.setdefault("tables", []).append({"title": title, "words": words, "rows": rows})
        if self.json:
            save(self.json, self.sheet)

    def section(self, name: str, run: Callable[[Bench, float], None], limit: float) -> None:
        """Run a section in the time that it may take; what fails there ends no other one."""
        limit = min(limit, self.left())
        if limit < 2:
            self.left_out.append({"section": name, "why": "no time was left"})
            return
        begun = time.perf_counter()
        try:
            run(self, limit)
        except AssertionError as error:
            self.wrong.append(f"{name}: {error}")
        except Exception as error:
            traceback.print_exc()
            self.failed.append(f"{name} failed: {type(error).__name__}: {error}")
        print(f"({name}: {time.perf_counter() - begun:.0f} s, {self.left():.0f} left)", flush=True)

    def skip(self, what: str) -> None:
        """Note what a section had no time for."""
        self.left_out.append({"section": what, "why": "the section's time was up"})
