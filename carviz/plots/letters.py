"""Words that a user wrote, as a figure can draw them: any name of a class or a layer."""

from __future__ import annotations

from functools import lru_cache

from matplotlib import rcParams
from matplotlib.font_manager import FontProperties, findfont, get_font

STAND_IN = "\N{WHITE SQUARE}"
"""Drawn for a letter that no font has, as matplotlib does, but without its warning."""


def drawable(words: str) -> str:
    """Return words with a stand-in for each letter that the fonts of the figure do not have.

    A line break stays. Marks that show nothing (which way a script runs, how a letter before looks)
    go where no font knows them.
    """
    if words.isascii() and words.isprintable():
        return words
    families = tuple(rcParams["font.family"]), tuple(rcParams["font.sans-serif"])
    return "".join(letter if letter == "\n" else _drawn(letter, families) for letter in words)


def told_apart(name: str, number: int) -> str:
    """Return a class's name as it is drawn, with its number where a letter of it cannot be drawn.

    `name` is one of `shown_names`, `number` the class's. Squares look all alike.
    """
    words = drawable(name)
    if STAND_IN not in words or words.endswith(f"({number})"):
        return words
    return f"{words} ({number})"


@lru_cache(maxsize=4096)
def _drawn(letter: str, _families: tuple[tuple[str, ...], ...]) -> str:
    """Return a letter, or what is drawn in its place; `_families` are the fonts it holds for."""
    import unicodedata

    kind = unicodedata.category(letter)
    if kind == "Cc":  # matplotlib has no picture of a bell
        return " " if letter.isspace() else STAND_IN
    if any(get_font(path).get_char_index(ord(letter)) for path in _fonts()):
        return letter
    return "" if kind in ("Cf", "Mn", "Me") else STAND_IN


def _fonts() -> list[str]:
    """Return the files of the fonts that matplotlib tries in turn."""
    return [str(findfont(FontProperties(family=[name]))) for name in FontProperties().get_family()]
