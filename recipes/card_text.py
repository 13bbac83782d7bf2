"""How the cards of the bundled networks are set."""

from __future__ import annotations

import textwrap


def prose(text: str) -> str:
    """Fill each paragraph to lines of one width, whatever figures were put into it."""
    paragraphs = (" ".join(paragraph.split()) for paragraph in text.strip().split("\n\n"))
    return "\n\n".join(
        textwrap.fill(paragraph, 100, break_long_words=False, break_on_hyphens=False)
        for paragraph in paragraphs
    )
