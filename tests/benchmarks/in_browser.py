"""Time what a person waits for in a real JupyterLab in Chromium, also in another build.

    python tests/benchmarks/in_browser.py [--then PYTHON]

PYTHON is the interpreter of an environment in which the other build is installed, with JupyterLab
and Playwright. Turns alternate, each with a JupyterLab and a browser of its own. The time of
`import torch` is not in it: a cell before has done that. A click is timed in the page, from the
press until what it asks for is in the page; the bytes are those of the kernel's messages.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from rows import Row, markdown, save
from turns import print_about, turn_of

WAITS = {
    "visible": "the cell run, until its 32 filters are seen (torch is imported)",
    "first number": "Compute pressed, until a filter has a number",
    "done": "Compute pressed, until all 800 images are through",
    "filter": "a filter clicked, until its heading and its numbers are there",
    "bank": "a bank chosen, until its filters stand there",
    "view": "Whole bank pressed, until it is drawn",
}
CODE = "import carviz; explorer = carviz.explore(); explorer"
TILES = ".carviz .cv-left .cv-tile"
TIMED = """async ([press, ready, argument]) => {
  const ask = new Function("argument", `return (${ready})`);
  const start = performance.now();
  new Function("argument", press)(argument);
  while (!ask(argument)) {
    if (performance.now() - start > 180000) throw new Error(`in vain: ${ready}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  return (performance.now() - start) / 1000;
}"""
"""Runs in the page: press something, and wait until an expression is true."""
ALL = f"[...document.querySelectorAll('{TILES}')]"
HEADING = "document.querySelector('.carviz .cv-filter h3')?.textContent"
BUTTON = "[...document.querySelectorAll('.carviz button')].find((b) => b.textContent === argument)"


def take_times() -> dict[str, Any]:
    """Return the seconds of one round of what a person does, and the bytes of updates."""
    from support.jupyterlab import Notebook, browser, lab_server

    cells = [{"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None,
              "id": "first", "source": "import torch"}]  # fmt: skip
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    notebook = {"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
    with tempfile.TemporaryDirectory() as folder:
        root, home = Path(folder, "root"), Path(folder, "home")
        root.mkdir()
        home.mkdir()
        (root / "time.ipynb").write_text(json.dumps(notebook))
        with lab_server(root, home) as address, browser() as chromium:
            lab = Notebook(chromium, address, "time.ipynb")
            try:
                return _round(lab)
            finally:
                lab.close()


def _round(lab: Any) -> dict[str, Any]:
    frames: list[int] = []
    page = lab.page

    def heard(socket: Any) -> None:
        socket.on("framereceived", lambda payload: frames.append(len(payload)))

    page.on("websocket", heard)
    page.reload(wait_until="domcontentloaded")  # so that the kernel's socket is heard, too
    page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=90_000)
    lab.wait(lambda: lab.kernel() == "idle", "an idle kernel", 90)
    lab.ask("__import__('torch').ones(1).sum().item()")

    def timed(press: str, ready: str, argument: Any = None) -> float:
        return float(page.evaluate(TIMED, [press, ready, argument]))

    cell = lab.add(CODE)
    run = (
        "const notebook = window.jupyterapp.shell.currentWidget;"
        "notebook.content.activeCellIndex = argument;"
        "window.jupyterapp.commands.execute('notebook:run-cell');"
    )
    found: dict[str, Any] = {"visible": timed(run, f"{ALL}.length === 32", cell)}
    page.wait_for_timeout(4000)  # its pictures are made
    frames.clear()
    words = "document.querySelector('.carviz .cv-words')?.textContent"
    numbered = f"{ALL}.some((t) => /[0-9]/.test(t.querySelector('.cv-tile-car').textContent))"
    press = f"{BUTTON}.click()"
    found["first number"] = timed(press, numbered, "Compute the bank")
    more = timed("", f"({words} || '').includes('Done in')")
    found["done"] = found["first number"] + more
    found["messages"], found["bytes"] = len(frames), sum(frames)
    page.wait_for_timeout(3000)
    choose = f"{ALL}[argument].click()"
    chosen = f"({HEADING} || '').startsWith(`Filter ${{argument}} `)"
    found["filter"] = statistics.median(timed(choose, chosen, n) for n in (20, 7, 28, 3, 16))
    view = "[...document.querySelectorAll('.carviz .cv-bank svg')].some((s) => s.clientWidth)"
    found["view"] = timed(press, view, "Whole bank")
    timed(press, f"!({view})", "One filter")
    bank = (
        "const s = document.querySelector('.carviz .cv-controls select');"
        "s.selectedIndex = argument; s.dispatchEvent(new Event('change', {bubbles: true}));"
    )
    shown = f"({HEADING} || '').includes('features.6') && {ALL}.length === 64"
    found["bank"] = timed(bank, shown, 2)
    return found


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--then", metavar="PYTHON", help="interpreter that has the other build")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", metavar="FILE", type=Path, help="write every figure there")
    parser.add_argument("--turn", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.turn:
        print(json.dumps(take_times()))
        return
    builds = {"now": sys.executable, **({"then": options.then} if options.then else {})}
    turns: dict[str, list[dict[str, Any]]] = {build: [] for build in builds}
    for _ in range(options.repeats):
        for build, python in builds.items():
            turns[build].append(turn_of(python, __file__, ["--turn"], options.threads))
    about = print_about(threads=options.threads, repeats=options.repeats)
    waits = [_row(words, name, turns) for name, words in WAITS.items()]
    weights = [
        {"build": build, "messages": [turn["messages"] for turn in found],
         "kilobytes": [turn["bytes"] / 1000 for turn in found],
         "kilobytes a message": [turn["bytes"] / 1000 / turn["messages"] for turn in found]}
        for build, found in turns.items()
    ]  # fmt: skip
    print(markdown(waits), markdown(weights), sep="\n\n")
    if options.json:
        words = (
            "What a person waits for in the default explorer in a real JupyterLab in Chromium, in "
            "seconds; and what the kernel sends while the first bank is measured."
        )
        tables = [{"title": "Waiting", "rows": waits}, {"title": "Messages", "rows": weights}]
        save(options.json, {"title": "The explorer in a browser", "words": words, **about,
                            "tables": tables})  # fmt: skip


def _row(words: str, name: str, turns: dict[str, list[dict[str, Any]]]) -> Row:
    seconds = {build: [turn[name] for turn in found] for build, found in turns.items()}
    row: Row = {"what": words, **{f"{build}, s": found for build, found in seconds.items()}}
    if "then" in seconds:
        row["now / then"] = statistics.median(seconds["now"]) / statistics.median(seconds["then"])
    return row


if __name__ == "__main__":
    main()
