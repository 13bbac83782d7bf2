"""What a browser and a notebook show of an explorer, as numbers."""

import base64
import io

import numpy as np
from IPython.core.formatters import DisplayFormatter
from PIL import Image


def decode(src: str | bytes) -> np.ndarray:
    """Return a picture (height, width, 3) in [0, 1] of an ``<img>``'s source or of a PNG."""
    png = base64.b64decode(src.split(",")[1]) if isinstance(src, str) else src
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")) / 255


def tiles(gallery) -> dict[int, np.ndarray]:
    """Return the pictures that the browser was last sent, by filter."""
    sheet, w, h = decode(gallery.sprite), gallery.tile_width, gallery.tile_height
    places = (divmod(i, gallery.columns) for i in range(len(gallery.drawn)))
    cut = [sheet[y * h : (y + 1) * h, x * w : (x + 1) * w] for y, x in places]
    return dict(zip(gallery.drawn, cut, strict=True))


def is_gone(widget) -> bool:
    """Whether a widget takes no room."""
    return "cv-gone" in widget.get_state("_dom_classes")["_dom_classes"]


def displayed(thing) -> dict:
    """Return what a notebook makes of the last line of a cell."""
    return DisplayFormatter().format(thing)[0]


def send(panel, content) -> None:
    """Send what a browser would: a message of a panel's."""
    data = {"method": "custom", "content": content}
    panel.comm.handle_msg({"content": {"data": data}, "buffers": []})
