"""A slider over the number of filters pruned, under the axis that it walks along."""

from __future__ import annotations

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
