"""The classes that a filter matters to most and least, as bars that open to images."""

from __future__ import annotations

import anywidget
import traitlets as t

from carviz.explorer.scripts import script
from carviz.session import NOTHING


class Classes(anywidget.AnyWidget):
    """Rows of classes. Python alone writes the traits; opening a class comes as a message."""

    _esm = script("classes.js")

    content = t.Dict(NOTHING).tag(sync=True)
    opened = t.Int(-1).tag(sync=True)
    changed = t.Dict({}).tag(sync=True)
    faces = t.Dict({}).tag(sync=True)
