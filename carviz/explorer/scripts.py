"""The scripts of the widgets, as the browser gets them."""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).parent


def script(name: str) -> str:
    """Return a widget's script with what the scripts share: a browser loads each one alone."""
    return "\n".join((HERE / part).read_text(encoding="utf-8") for part in ("make.js", name))
