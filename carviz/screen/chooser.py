"""The row in which another model and other data are chosen."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from carviz.screen.refusals import reworded
from carviz.session import BUNDLED, How, Snapshot, Subject, by_name
from carviz.zoo import DATASETS


def chooser(shown: Snapshot) -> dict[str, Any]:
    """Return what the fields begin with, and the names of data: what was opened comes first.

    Where what was asked for last was not opened also why: problem, the field that it is about, and
    what stays.
    """
    problem, field = reworded(shown.refused)
    known = [BUNDLED, *DATASETS]
    used = [name for name in shown.data_names if name not in known]
    return {
        "model": shown.model,
        "weights": weights_word(shown.how.weights),
        "data": shown.data_asked,
        "limit": "" if shown.limit is None else str(shown.limit),
        "fit": shown.how.fitting,
        "sets": [*used, *known],
        "problem": problem,
        "field": field,
        "stays": f"{shown.model} on {shown.data} stays." if problem else "",
    }


def weights_word(weights: str | None) -> str:
    """Return what the row calls weights."""
    return next((word for word, means in WEIGHTS.items() if means == weights), str(weights))


WEIGHTS = {"default": "DEFAULT", "none": None}
"""What the row calls weights that are no file and no entry of torchvision's."""


@dataclasses.dataclass(frozen=True)
class Choice:
    """What was typed into the row, word for word; "" for nothing."""

    model: str
    data: str
    limit: str
    weights: str = ""
    fit: bool = False


def model_names() -> list[dict[str, str]]:
    """Return the names of `carviz.list_models`, each with a note on where it is from."""
    from carviz.zoo import list_models  # here, for it takes torchvision along

    return [{"name": str(row["name"]), "note": _note(row)} for _, row in list_models().iterrows()]


def _note(row: Any) -> str:
    accuracy = row.get("accuracy")
    known = isinstance(accuracy, (float, np.floating)) and accuracy == accuracy
    return f"{row['source']}, {accuracy:.1%} right" if known else str(row["source"])


def what_to_open(choice: Choice, subject: Subject) -> tuple[Any, Any, int | None, How]:
    """Return model, data, limit and how to load them, as `Session.open_other` takes them.

    What stands there already is None: a model or data that was given as an object has no name to
    load it by. An empty limit means all images, no weights the default ones.

    Raises
    ------
    ValueError
        If the limit is no number of images.
    """
    word = choice.weights or "default"
    how = How(WEIGHTS.get(word.casefold(), word), choice.fit)
    stays = choice.model in ("", subject.model_name) and how.weights == subject.how.weights
    model = None if stays else choice.model or subject.model_name
    if not by_name(subject.origin) and choice.data in ("", subject.data_name):
        return model, None, None, how
    if choice.limit and not (choice.limit.isdecimal() and int(choice.limit) > 0):
        raise ValueError(
            "Images a class: a whole number, 1 or more, or nothing for all; "
            f"found {choice.limit!r}."
        )
    data = choice.data or str(subject.origin)
    return model, data, int(choice.limit) if choice.limit else None, how
