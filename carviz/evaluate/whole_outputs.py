"""All that a model gives for one image, whatever its form: what a user's own score is taken of.

Which parts of an output follow the images is seen from two passes, on several images and on one.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor

from carviz.evaluate.describing import described
from carviz.evaluate.last_steps import LastSteps
from carviz.evaluate.outputs import Pick

Leaf = Literal["row", "each", "whole", "mixed"]


@dataclasses.dataclass(frozen=True)
class Layout:
    """What follows the images in a part of an output.

    Parameters
    ----------
    leaf
        "row": a tensor with a row an image; "each": a list with a member an image; "whole": the
        same for all images; "mixed": of all images at once, a loss or their number say, which is
        None for one image. None where it is made of parts.
    parts
        The parts, by key, place or name of field.
    kind
        What mapping it is: a traced network gives a plain one.
    fractions
        Of the whole: whether any number in a row is no whole one.
    """

    leaf: Leaf | None = None
    parts: tuple[tuple[Any, Layout], ...] = ()
    kind: type | None = None
    fractions: bool = True

    @property
    def leaves(self) -> set[str]:
        """The kinds of leaves that there are."""
        found = set() if self.leaf is None else {str(self.leaf)}
        return found.union(*(part.leaves for _, part in self.parts))

    @property
    def ragged(self) -> bool:
        """Whether an image's answer may be of any length, as a list of objects is."""
        return "each" in self.leaves


def find_layout(many: Any, one: Any, rows: int) -> Layout:
    """Return what follows the images in a model's output.

    Parameters
    ----------
    many, one
        What the model gives for several images, and for the first of them alone.
    rows
        How many images these were, two or more.

    Raises
    ------
    ValueError
        If nothing follows the images, it cannot be told what does, or a tensor is sparse.
    """
    for output in (many, one):
        _check_strided(output)
    found = _layout(many, one, rows)
    if found is None or not found.leaves & {"row", "each"}:
        raise ValueError(
            "A score is taken of what the model gives for one image: a tensor with a row an image, "
            f"a list with a member an image, or mappings and records of these; for {rows} images "
            f"it gives {described(many)}, for one {described(one)}. Wrap it in a module that "
            "returns such."
        )
    fractions = any(not _is_whole(tensor) for tensor in tensors_of(many, found))
    return dataclasses.replace(found, fractions=fractions)


def _check_strided(output: Any) -> None:
    """Refuse tensors that are sparse or nested, in words."""
    if isinstance(output, Tensor):
        if output.layout != torch.strided or output.is_nested:
            kind = "nested" if output.is_nested else str(output.layout).removeprefix("torch.")
            raise ValueError(
                f"A score is taken of dense tensors; the model gives one that is {kind}. Wrap it "
                "in a module that returns it dense (to_dense(), or to_padded_tensor(0.0))."
            )
        return
    for key in _keys(output) or ():
        _check_strided(_part(output, key))


def _layout(many: Any, one: Any, rows: int) -> Layout | None:
    if type(many) is not type(one):
        return None
    if isinstance(many, Tensor):
        if many.ndim and many.shape == (rows, *one.shape[1:]) and one.shape[:1] == (1,):
            return Layout("row")
        if many.shape != one.shape:
            return None
        return Layout("whole" if torch.equal(many, one) else "mixed")
    listed = isinstance(many, (list, tuple))
    if listed and len(many) == rows and len(one) == 1:
        return Layout("each")
    keys = _keys(many)
    if keys is None:
        number = isinstance(many, (bool, int, float, str))
        return Layout("mixed" if number and many != one else "whole")
    if keys != _keys(one):
        return None
    parts = [(key, _layout(_part(many, key), _part(one, key), rows)) for key in keys]
    if any(part is None for _, part in parts):
        return None
    kind = type(many) if isinstance(many, Mapping) else None
    return Layout(None, tuple((key, part) for key, part in parts if part is not None), kind)


def _keys(output: Any) -> list[Any] | None:
    """Return by what the parts of an output go; None where it has none."""
    if isinstance(output, Mapping):
        return list(output)
    if isinstance(output, (list, tuple)):
        return list(range(len(output)))
    if dataclasses.is_dataclass(output):
        return [field.name for field in dataclasses.fields(output)]
    return None


def _part(output: Any, key: Any) -> Any:
    indexed = isinstance(output, (Mapping, list, tuple))
    return output[key] if indexed else getattr(output, key)


def _with_parts(output: Any, parts: list[tuple[Any, Any]], kind: type | None = None) -> Any:
    """Return an output of the same kind with other parts."""
    if isinstance(output, tuple):
        values = [value for _, value in parts]
        return type(output)(*values) if hasattr(output, "_fields") else tuple(values)
    if isinstance(output, list):
        return [value for _, value in parts]
    if isinstance(output, Mapping):
        made, named = kind or type(output), dict(parts)
        try:
            return made(**named) if dataclasses.is_dataclass(made) else made(named)
        except Exception:  # a mapping that is made otherwise
            return named
    made = copy.copy(output)
    for key, value in parts:
        object.__setattr__(made, key, value)
    return made


def count_rows(output: Any, layout: Layout) -> int:
    """Return for how many images an output is."""
    if layout.leaf in ("row", "each"):
        return len(output)
    counts = (count_rows(_part(output, key), part) for key, part in layout.parts)
    return max(counts, default=0)


def answer_of(output: Any, layout: Layout, row: int) -> Any:
    """Return what an output says of one image: its row of all that follows the images."""
    if layout.leaf == "whole":
        return output
    if layout.leaf == "mixed":
        return None
    if layout.leaf is not None:
        return output[row]
    parts = [(key, answer_of(_part(output, key), part, row)) for key, part in layout.parts]
    return _with_parts(output, parts, layout.kind)


def on_cpu(output: Any) -> Any:
    """Return an output whose tensors are on the CPU."""
    if isinstance(output, Tensor):
        return output.detach().cpu()
    keys = _keys(output)
    if keys is None:
        return output
    return _with_parts(output, [(key, on_cpu(_part(output, key))) for key in keys])


def cloned(output: Any) -> Any:
    """Return an output whose tensors are its own, for a function that may write into them."""
    if isinstance(output, Tensor):
        return output.clone()
    keys = _keys(output)
    if keys is None:
        return output
    return _with_parts(output, [(key, cloned(_part(output, key))) for key in keys])


def tensors_of(output: Any, layout: Layout) -> list[Tensor]:
    """Return the tensors with a row an image, those with fractions if there are any."""
    found = _rows(output, layout)
    return [x for x in found if not _is_whole(x)] or found


def _is_whole(tensor: Tensor) -> bool:
    return not (tensor.is_floating_point() or tensor.is_complex())


def _rows(output: Any, layout: Layout) -> list[Tensor]:
    if layout.leaf == "row":
        return [output]
    return [x for key, part in layout.parts for x in _rows(_part(output, key), part)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class WholePick(Pick):
    """Take all numbers of what a model gives, ``(image, number)``: what a plan is judged by.

    Numbers that are not finite, as masks have them, count as 0.
    """

    key: str | int | None = None
    classes: int = 0
    layout: Layout

    def __call__(self, output: Any, steps: LastSteps | None = None) -> Tensor:
        """Return the numbers of each image in a row."""
        rows = count_rows(output, self.layout)
        found = []
        for tensor in tensors_of(output, self.layout):
            if len(tensor) != rows:
                raise ValueError(f"Parts of the output are of {rows} and {len(tensor)} images.")
            real = torch.view_as_real(tensor) if tensor.is_complex() else tensor
            wide = real if real.dtype in (torch.float32, torch.float64) else real.float()
            found.append(torch.nan_to_num(wide, 0.0, 0.0, 0.0).reshape(rows, -1))
        return torch.cat(found, 1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class AnswersPick(WholePick):
    """Take what a model gives for each image, as a list; tensors are on the CPU."""

    def __call__(  # type: ignore[override]
        self, output: Any, steps: LastSteps | None = None
    ) -> list[Any]:
        """Return the answer to each image."""
        there = on_cpu(output)
        rows = range(count_rows(there, self.layout))
        return [answer_of(there, self.layout, row) for row in rows]
