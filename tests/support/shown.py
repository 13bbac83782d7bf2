"""What a browser and a notebook get of an explorer, and what a browser sends."""

import io
import json

import numpy as np
from IPython.core.formatters import DisplayFormatter
from PIL import Image
from support.waiting import eventually

from carviz.screen import make_picture
from carviz.screen.bank import gallery


def decode(data: bytes) -> np.ndarray:
    """Return a picture (height, width, 3) in [0, 1]."""
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")) / 255


def picture(shown, key: str) -> np.ndarray:
    """Return the picture of a name, in [0, 1]."""
    return decode(make_picture(shown, key).data)


def tiles(shown) -> dict[int, np.ndarray]:
    """Return the pictures in the gallery, by filter, cut out of their sheets."""
    found = {}
    for key, _ in gallery(shown)["sheets"]:
        made = make_picture(shown, key)
        about, sheet = made.about, decode(made.data)
        w, h = about["width"], about["height"]
        for place, filter in enumerate(about["filters"]):
            y, x = divmod(place, about["columns"])
            found[filter] = sheet[y * h : (y + 1) * h, x * w : (x + 1) * w]
    return found


def numbers(data: bytes) -> np.ndarray:
    """Return numbers as a browser reads them."""
    return np.frombuffer(data, "<f8")


def text(lines) -> str:
    """Return lines, each [before, strong, after], as somebody reads them."""
    return " ".join("".join(line) for line in lines)


def displayed(thing) -> dict:
    """Return what a notebook makes of the last line of a cell."""
    return DisplayFormatter().format(thing)[0]


def send(widget, content) -> None:
    """Send what a browser would: a message."""
    data = {"method": "custom", "content": content}
    widget.comm.handle_msg({"content": {"data": data}, "buffers": []})


class Browser:
    """What reaches a browser of a widget from now on.

    Attributes
    ----------
    updates
        Of each update its bytes, and the traits that it brings.
    pictures
        What was told of each picture that was asked for, with its bytes.
    """

    def __init__(self, widget) -> None:
        self.widget = widget
        self.updates: list[tuple[int, set[str]]] = []
        self.pictures: dict[str, dict] = {}
        widget.comm.publish_msg = self.hear

    def hear(self, kind, data=None, metadata=None, buffers=None, **keys) -> None:
        method = data.get("method")
        if method == "update":
            size = len(json.dumps(data)) + sum(len(buffer) for buffer in buffers)
            names = {path[0] for path in data["buffer_paths"]} | set(data["state"])
            self.updates.append((size, names))
        elif method == "custom":
            for told in data["content"]["pictures"]:
                found = {"data": bytes(buffers[told["at"]])} if "at" in told else {}
                self.pictures[told["key"]] = {**told, **found}

    def ask(self, keys) -> dict[str, dict]:
        """Ask for pictures, as a browser does, and return what comes."""
        send(self.widget, {"want": list(keys)})
        eventually(lambda: set(keys) <= set(self.pictures))
        return {key: self.pictures[key] for key in keys}
