"""Time what a person waits for in the explorer, and weigh it, also in another build.

    python tests/benchmarks/screen.py [--then PYTHON]

PYTHON is the interpreter of an environment in which the other build is installed. No browser is in
it: the explorer is driven by its traits and by the messages that a browser sends. Builds up to
d15ac8b had a widget for each panel, which sends its own. Turns alternate, each in a process of its
own. Memory is what the process holds above one that has only imported torch.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from rows import Row, markdown, save
from turns import print_about, turn_of

WAITS = {
    "open": "explore() of the default",
    "first number": "Compute pressed, until a table is there",
    "done": "Compute pressed, until all 800 images are through",
    "filter": "another filter chosen, until Python has shown it",
    "bank": "another bank chosen, until Python has shown it",
    "cancel": "Cancel pressed in the midst, until nothing runs",
    "picture": "a patch asked for while a bank is measured, until it is there",
    "changed": "a class opened when all is done, until its images are there",
}
PATIENCE = 120.0


def held() -> dict[str, float]:
    """Return the GiB that this process holds, and the most that it held."""
    lines = Path("/proc/self/status").read_text().splitlines()
    found = {line.split(":")[0]: line.split()[1] for line in lines if line.startswith("Vm")}
    return {name: int(found[key]) / 2**20 for name, key in (("now", "VmRSS"), ("most", "VmHWM"))}


class Screen:
    """What a browser does: it sends messages, and asks for the pictures that are named."""

    def __init__(self, explorer: Any) -> None:
        self.explorer = explorer
        self.there: set[str] = set()
        self.asked: set[str] = set()
        explorer.comm.publish_msg = self._hear

    def _hear(self, _kind: str, data: Any = None, **_more: Any) -> None:
        told = data.get("content", {}).get("pictures", []) if data else []
        self.there.update(picture["key"] for picture in told)

    def send(self, content: Any) -> None:
        data = {"method": "custom", "content": content}
        self.explorer.comm.handle_msg({"content": {"data": data}, "buffers": []})

    def first_class(self) -> int:
        return int(self.explorer.shown_classes["blocks"][0]["rows"][0]["number"])

    def open(self, number: int) -> None:
        self.send({"look": {"opened": number}})

    def look_at_patches(self) -> None:
        self.send({"look": {"large": "patches"}})

    def has_opened(self) -> bool:
        """Whether the images of the class that was opened are there."""
        return self._have(item[0] for item in self.explorer.shown_changed["items"])

    def has_patches(self) -> bool:
        tabs = {tab["name"]: tab["large"]["items"] for tab in self.explorer.shown_sight["tabs"]}
        return self._have(key for key, _ in tabs["patches"])

    def _have(self, keys: Iterable[str]) -> bool:
        wanted = list(keys)
        if new := [key for key in wanted if key not in self.asked]:
            self.asked.update(new)
            self.send({"want": new})
        return bool(wanted) and self.there.issuperset(wanted)


class Panels:
    """The same of a build whose panels are widgets of their own, found by their classes' names."""

    def __init__(self, explorer: Any) -> None:
        left, self.panels = [explorer], {}
        while left:
            widget = left.pop()
            self.panels[type(widget).__name__] = widget
            left.extend(getattr(widget, "children", ()))

    def first_class(self) -> int:
        return int(self.panels["Classes"].content["blocks"][0]["rows"][0]["number"])

    def open(self, number: int) -> None:
        self.panels["Classes"]._handle_custom_msg({"open": number}, [])

    def look_at_patches(self) -> None:
        self.panels["SightPanel"]._handle_custom_msg({"look": "patches"}, [])

    def has_opened(self) -> bool:
        return bool(self.panels["Classes"].changed.get("items"))

    def has_patches(self) -> bool:
        return bool(self.panels["SightPanel"].content.get("items"))


def until(true: Callable[[], object], start: float) -> float:
    """Return the seconds since `start` when something becomes true; looked at every millisecond."""
    while not true():
        if time.perf_counter() - start > PATIENCE:
            raise TimeoutError
        time.sleep(0.001)
    return time.perf_counter() - start


def settle() -> None:
    """Wait until no picture is made any more."""
    names = ("carviz-session", "carviz-explorer", "carviz-sights", "carviz-faces")
    until(
        lambda: not any(thread.name in names for thread in threading.enumerate()),
        time.perf_counter(),
    )


def take_times() -> dict[str, float]:
    """Return the seconds of one round of what a person does."""
    import carviz

    found: dict[str, float] = {}
    start = time.perf_counter()
    explorer = carviz.explore()
    found["open"] = time.perf_counter() - start
    screen = Screen(explorer) if hasattr(explorer, "shown_head") else Panels(explorer)
    settle()
    start = time.perf_counter()
    explorer.compute()
    found["first number"] = until(lambda: explorer.table is not None, start)
    found["done"] = until(lambda: not explorer.busy, start)
    settle()
    start = time.perf_counter()
    for filter in range(1, 9):
        explorer.filter = filter
    found["filter"] = (time.perf_counter() - start) / 8
    settle()
    first = screen.first_class()
    start = time.perf_counter()
    screen.open(first)
    found["changed"] = until(screen.has_opened, start)
    screen.open(-1)
    second = carviz.list_banks(carviz.load_model("shapes"))["layer"][1]
    settle()
    start = time.perf_counter()
    explorer.layer = second
    found["bank"] = time.perf_counter() - start
    settle()
    start = time.perf_counter()
    explorer.compute()
    until(lambda: explorer.table is not None, start)
    explorer.filter = 5
    start = time.perf_counter()
    screen.look_at_patches()
    found["picture"] = until(screen.has_patches, start)
    explorer.wait(PATIENCE)
    settle()
    explorer.compute()
    until(lambda: explorer.progress > 0.2, time.perf_counter())
    start = time.perf_counter()
    explorer.cancel()
    found["cancel"] = until(lambda: not explorer.busy, start)
    explorer.close()
    return found


def take_memory(what: str) -> dict[str, float]:
    """Return the GiB of a bare torch, of the default opened, or of all that is done with it."""
    import torch  # noqa: F401 - what is measured

    if what != "torch":
        import carviz

        explorer = carviz.explore()
        if what == "used":
            for ask in (explorer.compute, explorer.prune, explorer.compare):
                ask()
                explorer.wait(600)
        else:
            settle()
    return held()


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--then", metavar="PYTHON", help="interpreter that has the other build")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", metavar="FILE", type=Path, help="write every figure there")
    parser.add_argument("--turn", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.turn:
        print(json.dumps(take_times() if options.turn == "times" else take_memory(options.turn)))
        return
    builds = {"now": sys.executable, **({"then": options.then} if options.then else {})}
    turns: dict[tuple[str, str], list[dict[str, float]]] = {}
    for _ in range(options.repeats):
        for what in ("times", "torch", "opened", "used"):
            for build, python in builds.items():
                turn = turn_of(python, __file__, ["--turn", what], options.threads)
                turns.setdefault((build, what), []).append(turn)
    about = print_about(threads=options.threads, repeats=options.repeats)
    times = [times_row(wait, words, builds, turns) for wait, words in WAITS.items()]
    memory = [memory_row(build, turns) for build in builds]
    print(markdown(times), markdown(memory), sep="\n\n")
    if options.json:
        words = (
            "What a person waits for in the default explorer (shapes, 800 images), without a "
            "browser, in seconds, and the memory of it in GiB above a process that has imported "
            "torch: after opening, and at most while the first bank is measured, pruned whole and "
            "compared by all criteria."
        )
        tables = [{"title": "Waiting", "rows": times}, {"title": "Memory", "rows": memory}]
        save(options.json, {"title": "The explorer", "words": words, **about, "tables": tables})


def times_row(wait: str, words: str, builds: dict[str, str], turns: Any) -> Row:
    """Return the seconds of one wait in each build."""
    seconds = {build: [turn[wait] for turn in turns[build, "times"]] for build in builds}
    row: Row = {"what": words, **{f"{build}, s": found for build, found in seconds.items()}}
    if "then" in seconds:
        row["now / then"] = statistics.median(seconds["now"]) / statistics.median(seconds["then"])
    return row


def memory_row(build: str, turns: Any) -> Row:
    """Return the GiB of one build above a bare torch."""
    bare = statistics.median(turn["now"] for turn in turns[build, "torch"])
    return {
        "build": build,
        "opened": [turn["now"] - bare for turn in turns[build, "opened"]],
        "at most": [turn["most"] - bare for turn in turns[build, "used"]],
    }


if __name__ == "__main__":
    main()
