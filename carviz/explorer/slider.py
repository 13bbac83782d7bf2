"""A slider over the number of filters pruned, under the axis that it walks along."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anywidget
import traitlets as t

from carviz.explorer.scripts import script


class Slider(anywidget.AnyWidget):
    """From 0 to `most`. Python alone writes the traits; a move comes as a message."""

    _esm = script("slider.js")

    value = t.Int(0).tag(sync=True)
    most = t.Int(0).tag(sync=True)
    words = t.Unicode().tag(sync=True)
    left = t.Float(0.0).tag(sync=True)
    width = t.Float(100.0).tag(sync=True)

    def __init__(self, move: Callable[[int], None]) -> None:
        super().__init__()
        self._move = move
        self.on_msg(self._heard)

    def _heard(self, _widget: Any, content: Any, _buffers: Any) -> None:
        if isinstance(content, dict) and isinstance(content.get("place"), int):
            self._move(content["place"])
