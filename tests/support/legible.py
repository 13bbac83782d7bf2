"""What a figure really writes, and the check that every word of it can be read."""

import itertools

from matplotlib.text import Text

LEAST = 11.5
"""Points; nothing is written smaller."""
BORDER = 5
"""Pixels of paper that stay empty around the words."""


def texts(figure) -> list[Text]:
    """What is really written: without the labels that matplotlib keeps for ticks out of view."""
    if figure.stale:  # else it has its layout from the last time
        figure.draw_without_rendering()
    unseen = set()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]:
                if not (axes.axison and low <= tick.get_loc() <= high):
                    unseen |= {tick.label1, tick.label2}
    found = figure.findobj(Text)
    return [t for t in found if t.get_visible() and t.get_text().strip() and t not in unseen]


def words(figure) -> str:
    return "\n".join(t.get_text() for t in texts(figure))


def check_legible(figure) -> None:
    """Every word is large enough, whole, and by itself, and the figure is told in words as well.

    By itself: it touches no other word, no picture, and no plot but one that it is written into.
    """
    shown = texts(figure)
    boxes = [(t, t.get_window_extent()) for t in shown]
    page = figure.bbox.padded(-BORDER)
    for text, box in boxes:
        assert text.get_fontsize() >= LEAST, f"{text.get_text()!r} is small"
        inside = page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0 and box.y1 <= page.y1
        assert inside, f"{text.get_text()!r} is at the border or clipped"
    for (one, a), (other, b) in itertools.combinations(boxes, 2):
        # Extents count the empty space above and below letters; a pixel of it may be shared.
        hides = a.padded(-1).overlaps(b.padded(-1))
        assert not hides, f"{one.get_text()!r} and {other.get_text()!r} overlap"
    for axes in figure.axes:
        if axes.axison or axes.images:
            ground = axes.get_window_extent().padded(-1)
            own = [] if axes.images else axes.texts
            over = [t.get_text() for t, box in boxes if t not in own and ground.overlaps(box)]
            assert not over, f"{over} on a picture or a plot"
    assert "nan" not in words(figure).lower(), "a nan is written"
    assert figure.description, "the figure is not told in words"
