"""The document around a page's content: one file, which needs nothing else and asks for nothing."""

from __future__ import annotations

import base64
import hashlib
import re
from html import escape

from carviz.screen.scripts import HERE, SCRIPT, STYLE

PAGE_STYLE = HERE / "page.css"
"""Colours of a page, which a notebook's theme gives else; and how it is printed."""


def document(title: str, data: str) -> bytes:
    """Return a page.

    Parameters
    ----------
    title
        What it is of.
    data
        JSON that the script shows.
    """
    script = SCRIPT.read_text("utf-8").strip()
    style = STYLE.read_text("utf-8") + PAGE_STYLE.read_text("utf-8")
    policy = (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
    # No name of a class ends the element, whatever it holds: `<` is only ever within a string.
    data = data.replace("<", "\\u003c")
    text = (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n"
        "<noscript>This page shows itself by a script that it holds; allow scripts to read it."
        "</noscript>\n"
        f'<script type="application/json" id="carviz-data">{data}</script>\n'
        f'<script type="module">{script}</script>\n</body>\n</html>\n'
    )
    # Half of a pair of UTF-16 may stand in a name; JSON has a way to write it, UTF-8 has none.
    return re.sub("[\ud800-\udfff]", lambda half: f"\\u{ord(half[0]):04x}", text).encode()


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
