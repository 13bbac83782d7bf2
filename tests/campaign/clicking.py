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
from support.small import Fork, Pooled, Residual, Stubborn, Twice, random_images

import carviz

NETWORKS = [Residual, Fork, Pooled, Stubborn, Twice]
SIGHTS = ("weights", "patches", "synthesised")
ACTIONS = 60
"""Clicks at one explorer."""


class Log(logging.Handler):
    """Keeps what is logged as an error: ipywidgets logs what a message's callback raises."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.told.append(self.format(record))


class Person:
    """Clicks at what an explorer offers."""

    def __init__(
        self, explorer: Any, model: torch.nn.Module, chance: random.Random, folder: Path
    ) -> None:
        self.explorer, self.model, self.chance, self.folder = explorer, model, chance, folder
        send = self._send
        self.actions: dict[str, Callable[[], Any]] = {
            "bank": lambda: send({"layer": self._pick(self._shown("names")["banks"])["layer"]}),
            "device": lambda: send({"device": self._pick(self._shown("names")["devices"])}),
            "sort": lambda: self._look("order", "number", "car", "color"),
            "show": lambda: self._look("gallery", *SIGHTS),
            "view": lambda: self._look("view", "filter", "bank", "pruning"),
            "tab": lambda: self._look("large", *SIGHTS, "nothing"),
            "siblings": lambda: self._look("siblings", True, True, False),
            "class": lambda: self._look("opened", *range(-1, 5)),
            "tile": lambda: send({"filter": chance.randint(-1, 13)}),
            "slider": lambda: send({"count": chance.randint(-2, 12)}),
            "nonsense": lambda: send(
                self._pick([None, "filter", {"filter": None}, {"count": "1"}, {"look": []}, 7])
            ),
            "pictures": self._want,
            "bank's CAR": lambda: self._press("compute bank", "choose"),
            "filter's CAR": lambda: self._press("compute filter", "choose"),
            "prune": lambda: self._press("prune", "choose"),
            "compare": lambda: self._press("compare", "compare"),
            "export": self._export,
            "cancel": lambda: self._press("cancel", "cancel"),
            "change": lambda: send({"models": True}),
            "load": self._load,
            "figure": self._figure,
            "wait": lambda: time.sleep(chance.choice([0, 0.01, 0.1, 0.5])),
            "wait for the job": lambda: self._wait(),
            "train": self._train,
        }

    def act(self) -> str:
        name = self.chance.choice(list(self.actions))
        self.actions[name]()
        with contextlib.suppress(Exception):
            self.explorer.wait(
                0
            )  # traces what waits for it, as the kernel's loop between two cells
        return name

    def _shown(self, section: str) -> Any:
        return getattr(self.explorer, f"shown_{section}")

    def _send(self, content: Any) -> None:
        data = {"method": "custom", "content": content}
        self.explorer.comm.handle_msg({"content": {"data": data}, "buffers": []})

    def _pick(self, values: Any) -> Any:
        return self.chance.choice(list(values))

    def _look(self, name: str, *values: Any) -> None:
        self._send({"look": {name: self._pick(values)}})

    def _want(self) -> None:
        """Ask for all pictures that are named."""
        keys = [key for key, _ in self._shown("gallery")["sheets"]]
        keys += [key for key, _ in self._shown("classes")["faces"].values()]
        keys += [item[0] for item in self._shown("changed")["items"]]
        for tab in self._shown("sight")["tabs"]:
            pictures = [tab["small"], tab["large"]["picture"], *tab["large"]["items"]]
            keys += [picture[0] for picture in pictures if picture]
        self._send({"want": keys})

    def _press(self, name: str, which: str) -> None:
        if self._shown("work")["can"][which]:  # a browser sends nothing else
            self._send({"press": name})

    def _load(self) -> None:
        choice = {
            "model": self.chance.choice(["", "shapes", "no such network"]),
            "data": self.chance.choice(["", "shapes", "no/such/folder"]),
            "limit": self.chance.choice(["", "2", "-1", "many"]),
        }
        if self.chance.random() < 0.1:
            self._send({"load": choice})
            self._wait()

    def _export(self) -> None:
        if self._shown("work")["can"]["export"] and self.chance.random() < 0.2:
            self.explorer.export(self.folder / "smaller.pt2")

    def _figure(self) -> None:
        if self.explorer.results().drawable and self.chance.random() < 0.3:
            self.explorer.snapshot()
            self.explorer.save_html(self.folder / "page.html")

    def _train(self) -> None:
        if self.chance.random() < 0.3:
            with torch.no_grad():
                for value in self.model.parameters():
                    value.add_(0.05 * torch.randn_like(value))

    def wrong(self, data: Any) -> str:
        """Measure the bank that is shown once more; return what is wrong with its table."""
        explorer = self.explorer
        if explorer.results().model != type(self.model).__name__:
            return ""  # another one was loaded
        explorer.compute()
        explorer.wait(60)
        found = carviz.measure_car(self.model, data, explorer.layer, progress=False)
        return "" if found == explorer.table else f"{explorer.layer}: another table"

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
            data = random_images(60)
            explorer = carviz.explore(model, data)
            person, done = Person(explorer, model, chance, Path(folder)), []
            explorers += 1
            try:
                for _ in range(ACTIONS):
                    done.append(person.act())
                    if story := explorer.session.snapshot().story:
                        words = explorer.status.splitlines()[0][:160]
                        counts[f"told as failed: {words}"] += 1
                        if not _is_refusal(story):
                            failures.append(f"{type(model).__name__}: {done[-8:]}: {story}")
                    if time.monotonic() > end:
                        break
                if wrong := person.wrong(data):
                    failures.append(f"{type(model).__name__}: {done[-8:]}: {wrong}")
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
