"""Pieces of a page: sections, tables, pictures as data, and the document around them."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from carviz.plots import CarvizFigure

PRINT_DPI = 200
"""Dots an inch of the figures: a page is printed as well as looked at."""

LEAST_SIDE = 96
"""Small pictures are enlarged to this many pixels: not every reader's program keeps them crisp."""


def section(title: str, content: str) -> str:
    """Return a section under its title."""
    return f"<section><h2>{escape(title)}</h2>{content}</section>"


def details(summary: str, content: str) -> str:
    """Return what opens on demand."""
    return f"<details><summary>{escape(summary)}</summary>{content}</details>"


def fact_list(facts: Iterable[tuple[str, str]]) -> str:
    """Return names (plain) and values (HTML) as a list of definitions."""
    rows = "".join(f"<div><dt>{escape(name)}</dt><dd>{value}</dd></div>" for name, value in facts)
    return f"<dl>{rows}</dl>"


def remark(words: str) -> str:
    """Return a remark in small print."""
    return f'<p class="note">{escape(words)}</p>'


def html_table(
    title: str,
    columns: list[str],
    rows: Iterable[list[str]],
    *,
    text: set[str],
    css: str = "numbers",
) -> str:
    """Return a table of cells (HTML); columns in `text` are words, the others numbers."""
    head = "".join(
        f'<th scope="col"{" class=words" if name in text else ""}>{escape(name)}</th>'
        for name in columns
    )
    body = "".join(f"<tr>{''.join(cells)}</tr>" for cells in rows)
    caption = f"<caption>{escape(title)}</caption>" if title else ""
    # A table wider than the window scrolls by itself, also by keyboard.
    return (
        f'<div class="wide" tabindex="0"><table class="{css}">{caption}'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def th(words: str) -> str:
    """Return a row's head."""
    return f'<th scope="row">{escape(words)}</th>'


def td(html: str) -> str:
    """Return a cell of a table."""
    return f"<td>{html}</td>"


def text_cell(words: Any) -> str:
    """Return a cell that holds words."""
    return f'<td class="words">{escape(str(words))}</td>'


def figure_tag(figure: CarvizFigure) -> str:
    """Return a figure, with its words for who cannot see it."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=PRINT_DPI)
    return (
        f'<figure class="paper"><img src="{_data(buffer.getvalue())}" '
        f'alt="{escape(figure.description)}"></figure>'
    )


def image_tag(picture: NDArray[np.float64], alt: str, *, css: str) -> str:
    """Return a picture ``(height, width, 3)``, enlarged where it is small."""
    from PIL import Image

    times = -(-LEAST_SIDE // max(picture.shape[:2]))
    pixels = np.rint(255 * picture).astype(np.uint8).repeat(times, axis=0).repeat(times, axis=1)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="png", optimize=True)
    return f'<img class="{css}" src="{_data(buffer.getvalue())}" alt="{escape(alt)}">'


def _data(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def document(title: str, parts: Iterable[str]) -> str:
    """Return the whole page. The policy in its head forbids scripts and fetching, to be sure."""
    body = "\n".join(part for part in parts if part)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(title)} · carviz</title>
<style>{STYLE}</style>
</head>
<body>
<main>
{body}
</main>
<footer><p>Made with carviz. CAR: Abbasi-Asl and Yu, arXiv 1711.02329.</p></footer>
</body>
</html>
"""


STYLE = """
:root { --paper: #ffffff; --ink: #1a1a1a; --soft: #595959; --line: #c8c8c8; --band: #f3f3f3;
  --color: #b34700; --shape: #00629b; --dead: #5f5f5f; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #16181b; --ink: #ececec; --soft: #b4b4b4; --line: #4a4d52; --band: #212429; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, "Segoe UI", "Helvetica Neue", "DejaVu Sans", sans-serif; }
main, footer { max-width: 66rem; margin: 0 auto; padding: 1.2rem 1.5rem; }
footer { padding-top: 0; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0.3rem 0 0.6rem; overflow-wrap: anywhere; }
h2 { font-size: 1.3rem; margin: 2rem 0 0.6rem; padding-top: 0.6rem;
  border-top: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1rem 0 0.1rem; }
p { margin: 0.15rem 0; }
header p, footer p, .note, figcaption { color: var(--soft); margin: 0.15rem 0; }
.note { font-size: 0.9rem; margin: 0.5rem 0 0; }
figure { margin: 0; }
img { max-width: 100%; height: auto; display: block; }
.glance { display: flex; flex-wrap: wrap; gap: 1.2rem 2.4rem; margin: 1.2rem 0;
  align-items: flex-start; }
.weights { width: 13rem; image-rendering: pixelated; border: 1px solid var(--line); }
dl { margin: 0; display: grid; gap: 0.7rem; flex: 1 1 18rem; }
dt { color: var(--soft); font-size: 0.9rem; }
dd { margin: 0; font-size: 1.1rem; }
.large { font-size: 2rem; line-height: 1.2; }
.kind { display: inline-block; color: #ffffff; padding: 0 0.5em; border-radius: 0.3em;
  font-weight: 600; }
.kind.color { background: var(--color); border-radius: 1em; }
.kind.shape { background: var(--shape); }
.kind.dead { background: var(--dead); }
.paper { background: #ffffff; border-radius: 6px; padding: 0.4rem; margin: 0.8rem 0; }
.wide { overflow-x: auto; margin: 0.8rem 0; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding: 0.3rem 0; }
th, td { padding: 0.3rem 0.6rem; border-bottom: 1px solid var(--line); text-align: right;
  white-space: nowrap; }
thead th { color: var(--soft); font-weight: 600; font-size: 0.9rem; vertical-align: bottom; }
tbody tr:nth-child(even) { background: var(--band); }
tbody th, td.words, th.words { text-align: left; }
td.words, tbody th { white-space: normal; }
table.bank { font-size: 0.9rem; }
table.bank th, table.bank td { padding: 0.25rem 0.4rem; }
table.bank tbody th { white-space: nowrap; }
.swatch { width: 2.6rem; max-width: none; image-rendering: pixelated;
  border: 1px solid var(--line); }
.gallery { list-style: none; padding: 0; margin: 0.8rem 0; display: grid; gap: 0.9rem;
  grid-template-columns: repeat(auto-fill, minmax(7.5rem, 1fr)); }
.gallery figcaption { font-size: 0.9rem; line-height: 1.3; color: var(--ink);
  overflow-wrap: anywhere; }
.gallery small { color: var(--soft); font-size: 0.9em; }
.thumbnail { width: 100%; max-width: 8rem; border: 1px solid var(--line); }
details { margin: 1rem 0; border: 1px solid var(--line); border-radius: 6px;
  padding: 0.4rem 0.8rem; }
summary { cursor: pointer; font-weight: 600; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font-size: 0.85rem; margin: 0.2rem 0; }
@page { size: A4; margin: 14mm; }
@media print {
  :root { --paper: #ffffff; --ink: #000000; --soft: #404040; --line: #b0b0b0; --band: #f3f3f3;
    color-scheme: light; }
  html { font-size: 10pt; }
  body { font-size: 10pt; }
  main, footer { max-width: none; padding: 0; }
  h2, h3, caption { break-after: avoid; }
  h2 { margin-top: 1.2rem; }
  figure, tr, li, dl, p, .glance, .numbers { break-inside: avoid; }
  .wide { overflow: visible; }
  .kind, tbody tr, .paper { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  .paper { padding: 0; }
  .weights { width: 42mm; }
  .gallery { grid-template-columns: repeat(6, 1fr); }
  table { font-size: 8.5pt; }
  table.bank { font-size: 7.5pt; }
  thead th { font-size: inherit; }
  table.bank th, table.bank td, th, td { padding: 0.5mm 1mm; }
  .swatch { width: 7mm; }
}
"""
