"""Write the README's list of public names anew, from the docstrings: `make names`."""

from __future__ import annotations

from pathlib import Path

import carviz

README = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- made by `make names` -->\n", "<!-- end of what `make names` makes -->\n"
PARTS = {
    "Networks and images": ("carviz.zoo", "carviz.banks"),
    "Measure": (
        "carviz.car",
        "carviz.ablation",
        "carviz.joint",
        "carviz.selectivity",
        "carviz.siblings",
    ),
    "Records": ("carviz.results",),
    "See": ("carviz.pictures",),
    "Prune and compress": ("carviz.pruning", "carviz.compression"),
    "Draw": ("carviz.plots",),
    "Explore": ("carviz.explorer", "carviz.session"),
}
"""The heading that stands over the names of rooms."""


def first_line(name: str) -> str:
    """Return the first sentence of a public name's docstring, on one line."""
    return " ".join(getattr(carviz, name).__doc__.strip().split("\n\n")[0].split())


def room_of(name: str) -> str:
    """Return the room that a public name comes from, e.g. `carviz.zoo`."""
    return ".".join(getattr(carviz, name).__module__.split(".")[:2])


def listed() -> str:
    """Return the list: a heading for each part, and a line for each name."""
    parts = {name: heading for heading, rooms in PARTS.items() for name in rooms}
    rows = ["| name | what it is |", "|---|---|"]
    for heading in PARTS:
        rows.append(f"| **{heading}** | |")
        names = [name for name in carviz.__all__ if parts[room_of(name)] == heading]
        rows += [f"| `{name}` | {first_line(name)} |" for name in names]
    return "\n".join(rows) + "\n"


def with_names(text: str) -> str:
    """Return a page whose list is that of today.

    Raises
    ------
    ValueError
        If the page has not exactly one place for it.
    """
    if (text.count(BEGIN), text.count(END)) != (1, 1) or text.index(BEGIN) > text.index(END):
        raise ValueError(f"The list stands once between {BEGIN!r} and {END!r}; put them back.")
    above, below = text.split(BEGIN)[0], text.split(END)[1]
    return above + BEGIN + listed() + END + below


if __name__ == "__main__":
    README.write_text(with_names(README.read_text("utf-8")), "utf-8")
