"""The row in which another model and other data are chosen."""

from __future__ import annotations

import dataclasses
from typing import Any

import anywidget
import numpy as np
import traitlets as t

from carviz.explorer.scripts import script
from carviz.session import BUNDLED, Subject, by_name
from carviz.zoo import DATASETS

MOST = 12
"""Names and folders of data that are remembered."""


@dataclasses.dataclass(frozen=True)
class Choice:
    """What was typed into the row, word for word; "" for nothing."""

    model: str
    data: str
    limit: str


class Chooser(anywidget.AnyWidget):
    """Three fields and a button. Python alone writes the traits; a choice comes as one message.

    One message, for with a field's own widget the press of a button overtakes the last letters
    typed while the kernel is busy.
    """

    _esm = script("chooser.js")

    models = t.List(t.Dict()).tag(sync=True)
    sets = t.List(t.Unicode()).tag(sync=True)
    model = t.Unicode().tag(sync=True)
    data = t.Unicode().tag(sync=True)
    limit = t.Unicode().tag(sync=True)
    shown = t.Bool(False).tag(sync=True)
    loading = t.Bool(False).tag(sync=True)

    def show_subject(self, subject: Subject) -> None:
        """Begin with what is explored; data that has a name or folder is remembered."""
        origin = subject.origin
        named = by_name(origin)
        with self.hold_sync():
            self.model = subject.model_name
            self.data = str(origin) if named else subject.data_name
            self.limit = "" if subject.limit is None else str(subject.limit)
            known = [BUNDLED, *DATASETS]
            used = [name for name in self.sets if name not in known]
            if named and str(origin) not in known:
                used = [str(origin), *(name for name in used if name != str(origin))][:MOST]
            self.sets = [*used, *known]


def model_names() -> list[dict[str, str]]:
    """Return the names of `carviz.list_models`, each with a note on where it is from."""
    from carviz.zoo import list_models

    return [{"name": str(row["name"]), "note": _note(row)} for _, row in list_models().iterrows()]


def _note(row: Any) -> str:
    accuracy = row.get("accuracy")
    known = isinstance(accuracy, (float, np.floating)) and accuracy == accuracy
    return f"{row['source']}, {accuracy:.1%} right" if known else str(row["source"])


def what_to_open(choice: Choice, subject: Subject) -> tuple[Any, Any, int | None]:
    """Return model, data and limit of a choice, as `Explorer.load` takes them.

    What stands there already is None: a model or data that was given as an object has no name to
    load it by. An empty limit means all images.

    Raises
    ------
    ValueError
        If the limit is no number of images.
    """
    model = None if choice.model in ("", subject.model_name) else choice.model
    if not by_name(subject.origin) and choice.data in ("", subject.data_name):
        return model, None, None
    if choice.limit and not (choice.limit.isdecimal() and int(choice.limit) > 0):
        raise ValueError(
            "Images a class: a whole number, 1 or more, or nothing for all; "
            f"found {choice.limit!r}."
        )
    data = choice.data or str(subject.origin)
    return model, data, int(choice.limit) if choice.limit else None
