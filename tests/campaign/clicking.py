"""An explorer without a browser, clicked at random: nothing raises, and nothing is told as failed.

`PYTHONPATH=.:tests python tests/campaign/clicking.py --minutes 10 --seed 0` runs the campaign; it
prints counts, and ends with 1 where anything failed. Every press, choice and message that a browser
can send is sent, at any moment, also late ones of a bank that is no longer shown.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import logging
import random
import sys
import tempfile
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from ipywidgets.widgets.widget import _instances
from small import Fork, Pooled, Residual, Stubborn, Twice, random_images
from support.shown import send

import carviz

NETWORKS = [Residual, Fork, Pooled, Stubborn, Twice]
ACTIONS = 60
"""Clicks at one explorer."""


class Log(logging.Handler):
    """Keeps what is logged as an error: ipywidgets logs what a callback raises in a kernel."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.told.append(self.format(record))


class Person:
    """Clicks at what an explorer offers."""

    def __init__(self, explorer: Any, chance: random.Random, folder: Path) -> None:
        self.explorer, self.chance, self.folder = explorer, chance, folder
        view = explorer.panels
        self.actions: dict[str, Callable[[], Any]] = {
            "bank": lambda: self._pick(view.layer),
            "sort": lambda: self._pick(view.sort),
            "show": lambda: self._pick(view.show),
            "view": lambda: self._pick(view.view),
            "device": lambda: self._pick(view.device),
            "tile": lambda: send(view.gallery, {"choose": self._number()}),
            "strip": lambda: send(view.pruning.strip, {"choose": self._number()}),
            "class": lambda: send(view.classes, {"open": chance.randint(-1, 4)}),
            "tab": lambda: send(
                view.sight,
                {"look": chance.choice(["weights", "patches", "synthesised", "nothing"])},
            ),
            "siblings": lambda: send(view.siblings, {"open": chance.random() < 0.6}),
            "sibling": lambda: send(view.siblings, {"choose": self._number()}),
            "slider": lambda: send(view.pruning.slider, {"place": chance.randint(-2, 12)}),
            "nonsense": lambda: send(
                view.gallery, chance.choice([None, "choose", {"choose": None}, {"choose": "1"}, 7])
            ),
            "bank's CAR": lambda: self._press(view.compute_bank),
            "filter's CAR": lambda: self._press(view.compute_filter),
            "prune": lambda: self._press(view.prune),
            "compare": lambda: self._press(view.pruning.compare),
            "export": self._export,
            "cancel": lambda: self._press(view.cancel),
            "change": lambda: self._press(view.change),
            "load": self._load,
            "figure": self._figure,
            "wait": lambda: time.sleep(chance.choice([0, 0.01, 0.1, 0.5])),
            "wait for the job": lambda: self._wait(),
        }

    def act(self) -> str:
        name = self.chance.choice(list(self.actions))
        self.actions[name]()
        with contextlib.suppress(Exception):  # what failed stands in the status
            self.explorer.wait(0)  # does at home what is asked for, as a kernel's loop would
        return name

    def _number(self) -> int:
        return self.chance.randint(-1, 13)

    def _pick(self, chooser: Any) -> None:
        if not chooser.disabled:
            chooser.value = self.chance.choice(
                [o[1] if isinstance(o, tuple) else o for o in chooser.options]
            )

    def _press(self, button: Any) -> None:
        if not button.disabled:  # a browser sends nothing else
            button.click()

    def _load(self) -> None:
        choice = {
            "model": self.chance.choice(["", "shapes", "no such network"]),
            "data": self.chance.choice(["", "shapes", "no/such/folder"]),
            "limit": self.chance.choice(["", "2", "-1", "many"]),
        }
        if self.chance.random() < 0.1:
            send(self.explorer.panels.chooser, {"load": choice})
            self._wait()

    def _export(self) -> None:
        if not self.explorer.panels.pruning.export.disabled and self.chance.random() < 0.2:
            self.explorer.export(self.folder / "smaller.pt2")

    def _figure(self) -> None:
        if self.explorer.results().drawable and self.chance.random() < 0.3:
            self.explorer.snapshot()
            self.explorer.save_html(self.folder / "page.html")

    def _wait(self) -> None:
        # What is refused in words stands in the status, too.
        with contextlib.suppress(ValueError, FileNotFoundError):
            self.explorer.wait(60)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    log, chance = Log(), random.Random(options.seed)
    logging.getLogger().addHandler(log)
    logging.getLogger("traitlets").addHandler(log)
    counts: collections.Counter[str] = collections.Counter()
    failures: list[str] = []
    threading.excepthook = lambda raised: failures.append(f"in a thread: {raised.exc_value!r}")
    end, explorers, printed = time.monotonic() + 60 * options.minutes, 0, 0
    with tempfile.TemporaryDirectory() as folder:
        while time.monotonic() < end:
            widgets, threads = set(_instances), set(threading.enumerate())
            torch.manual_seed(chance.randrange(2**31))
            model = chance.choice(NETWORKS)().eval()
            explorer = carviz.explore(model, random_images(60))
            person, done = Person(explorer, chance, Path(folder)), []
            explorers += 1
            try:
                for _ in range(ACTIONS):
                    done.append(person.act())
                    if story := explorer.session.story:
                        words = explorer.status.splitlines()[0][:160]
                        counts[f"told as failed: {words}"] += 1
                        if not _is_refusal(story):
                            failures.append(f"{type(model).__name__}: {done[-8:]}: {story}")
                    if time.monotonic() > end:
                        break
                explorer.close()
            except Exception:
                failures.append(f"{type(model).__name__}: {done[-8:]}: {traceback.format_exc()}")
                explorer.close()
            counts.update(done)
            failures += [f"logged: {told}" for told in log.told]
            log.told.clear()
            time.sleep(0.05)
            if more := set(_instances) - widgets:
                failures.append(f"{len(more)} widgets left")
            if left := [t.name for t in set(threading.enumerate()) - threads]:
                failures.append(f"threads left: {left}")
            for failure in failures[printed:]:
                print(failure, flush=True)
            printed = len(failures)
    for what, count in sorted(counts.items()):
        print(f"{count:6} {what}")
    print(f"{sum(counts.values())} clicks, {explorers} explorers, {len(failures)} failures")
    return bool(failures)


def _is_refusal(story: str) -> bool:
    """Whether a traceback ends in words of carviz's own: ValueError, TypeError, no such file."""
    last = story.strip().splitlines()[-1]
    return last.startswith(("ValueError:", "TypeError:", "FileNotFoundError:"))


if __name__ == "__main__":
    sys.exit(main())
