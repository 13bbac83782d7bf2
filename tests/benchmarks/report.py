"""Write BENCHMARKS.md from the saved figures: `make benchmark`; nobody writes it by hand.

    python tests/benchmarks/report.py

Each file of `results/` is a sheet of figures, as `rows.py` says.
"""

from __future__ import annotations

import json
from pathlib import Path

from rows import Sheet, render

RESULTS = Path(__file__).resolve().parent / "results"
PAGE = RESULTS.parents[2] / "BENCHMARKS.md"
TITLES = {
    "compare": "Beside the hook loop, Captum, and a cached head",
    "gpu": "On a GPU",
    "banks": "All banks in one call",
    "joint": "Pairs and sets beside single filters",
    "preparing": "Preparation",
    "screen": "The explorer",
    "in_browser": "The explorer in a browser",
    "busy": "Beside busy processes",
    "prune": "Greedy pruning beside the naive loop",
}
"""The sheets that there should be, in the page's order; others follow by name."""
MAKERS = dict.fromkeys(TITLES, "make benchmark") | {"gpu": "make benchmark-gpu"}
OPENING = """\
# How fast carviz is

`make benchmark` makes this page from the figures in `tests/benchmarks/results`, which the
benchmarks beside that folder save; `make benchmark-gpu` takes those of a GPU. Several runs are told
as median [least–most]. × is how many times as long something else takes."""


def report(folder: Path) -> str:
    """Return the page of all sheets of a folder."""
    sheets = {path.stem: _read(path) for path in sorted(folder.glob("*.json"))}
    names = [name for name in TITLES if name in sheets]
    names += [name for name in sheets if name not in TITLES]
    parts = [OPENING]
    missing = [
        f"* *{title}*: `{MAKERS[name]}` takes them."
        for name, title in TITLES.items() if name not in sheets
    ]  # fmt: skip
    if missing:
        parts.append("Figures that are not there yet:\n\n" + "\n".join(missing))
    parts += [render({"title": TITLES.get(name, name), **sheets[name]}) for name in names]
    return "\n\n".join(parts) + "\n"


def _read(path: Path) -> Sheet:
    """Return a sheet; one that is rows alone has no title and no words."""
    found = json.loads(path.read_text(encoding="utf-8"))
    sheet: Sheet = {"rows": found} if isinstance(found, list) else found
    return sheet


if __name__ == "__main__":
    PAGE.write_text(report(RESULTS), encoding="utf-8")
