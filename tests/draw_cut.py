"""Draw the README's picture of head, bank and tail: `make picture`."""

from __future__ import annotations

from pathlib import Path

PICTURE = Path(__file__).parent.parent / "docs" / "cut.svg"
WIDTH, HEIGHT = 860, 250
BLUE, GREY, INK = "#2b6cb0", "#e8edf3", "#1a202c"
LOST = 2
"""The channel that is zero in the lower row."""


def text(x: float, y: float, words: str, size: int = 14, weight: str = "normal") -> str:
    """Return words centred at a place."""
    style = f'font-size="{size}" font-weight="{weight}" text-anchor="middle"'
    return f'<text x="{x:g}" y="{y:g}" {style}>{words}</text>'


def box(x: float, y: float, width: float, height: float, fill: str, dashed: bool = False) -> str:
    """Return a rectangle with round corners."""
    dash = ' stroke-dasharray="4 3"' if dashed else ""
    size = f'width="{width:g}" height="{height:g}" rx="4"'
    return f'<rect x="{x:g}" y="{y:g}" {size} fill="{fill}" stroke="{BLUE}"{dash}/>'


def arrow(x: float, y: float, end: float) -> str:
    """Return an arrow to the right."""
    head = f"M{end - 7:g} {y - 4:g}L{end:g} {y:g}L{end - 7:g} {y + 4:g}"
    return f'<path d="M{x:g} {y:g}H{end:g}{head}" fill="none" stroke="{INK}" stroke-width="1.5"/>'


def bank(y: float, lost: int | None) -> str:
    """Return five channels, of which one may be zero."""
    return "".join(
        box(345 + 30 * i, y, 22, 44, "white" if i == lost else BLUE, i == lost) for i in range(5)
    )


def drawn() -> str:
    """Return the picture."""
    parts = [
        text(40, 79, "images"), arrow(70, 74, 105), box(108, 40, 190, 68, GREY),
        text(203, 70, "head", 17, "bold"), text(203, 92, "up to the bank", 13),
        arrow(302, 74, 340), text(416, 28, "bank", 17, "bold"), bank(52, None), arrow(496, 74, 533),
        box(536, 40, 190, 68, GREY), text(631, 70, "tail", 17, "bold"),
        text(631, 92, "behind the bank", 13), arrow(730, 74, 767), text(807, 79, "classes"),
        text(203, 130, "runs once", 13), text(203, 148, "for all filters", 13),
        text(416, 130, "one channel a filter", 13),
        bank(165, LOST), arrow(496, 187, 533), box(536, 153, 190, 68, GREY),
        text(631, 183, "tail again", 17, "bold"), text(631, 205, "for what can change", 13),
        arrow(730, 187, 767), text(807, 192, "classes"),
        text(416, 236, f"without filter {LOST}: its channel is zero", 13),
    ]  # fmt: skip
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" fill="{INK}">\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


if __name__ == "__main__":
    PICTURE.write_text(drawn(), "utf-8")
