"""Which of a model's outputs are the logits, and how to take them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from torch import Tensor

WAY_OUT = "Wrap it in a module that returns the logits alone."


@dataclasses.dataclass(frozen=True)
class Pick:
    """Take the logits out of what a model returns.

    Parameters
    ----------
    key
        The name or the number under which the output holds them; None where it is the logits.
    classes
        How many classes they have.
    words
        What was taken, for the passport; "" where the output is the logits.
    """

    key: str | int | None
    classes: int
    words: str = ""

    def __call__(self, output: Any) -> Tensor:
        """Return the logits, ``(image, class)``.

        A model that squeezes its maps returns (class,) for one image alone; as several images had
        given (image, class), that is told apart and becomes (1, class).
        """
        logits: Tensor = output if self.key is None else _member(output, self.key)
        if logits.ndim == 1 and len(logits) == self.classes:
            return logits.unsqueeze(0)
        return logits


def find_logits(output: Any, rows: int) -> Pick:
    """Return how to take the logits out of a model's output.

    They are the output itself, or its member called "logits" (of a mapping, a named tuple, a
    dataclass, any object with such an attribute), or the only floating-point tensor
    ``(image, class)`` of a tuple or list. A mapping without "logits" is refused, though it hold a
    single such tensor: under a name of its own that may well be an embedding.

    Parameters
    ----------
    output
        What the model returned for several images.
    rows
        How many images these were.

    Raises
    ------
    ValueError
        If the output holds no logits that can be told from the rest.
    """
    if isinstance(output, Tensor):
        if not _fits(output, rows):
            raise ValueError(_refusal(rows, _shape(output), WAY_OUT))
        return Pick(None, output.shape[1])
    named = _member(output, "logits")
    if isinstance(named, Tensor):
        if not _fits(named, rows):
            raise ValueError(_refusal(rows, f"'logits' as {_shape(named)}", WAY_OUT))
        return Pick("logits", named.shape[1], "the output's 'logits'")
    if isinstance(output, (tuple, list)):
        fitting = [i for i, member in enumerate(output) if _fits(member, rows)]
        if len(fitting) == 1:
            number = fitting[0]
            words = f"output {number + 1} of {len(output)}"
            return Pick(number, output[number].shape[1], words if len(output) > 1 else "")
        count = "no member" if not fitting else f"{len(fitting)} members"
        found = f"{_described(output)}, of which {count} could be the logits"
        raise ValueError(_refusal(rows, found, WAY_OUT))
    way_out = "Return the logits alone, or under the name 'logits', from a module around the model."
    raise ValueError(_refusal(rows, _described(output), way_out))


def _member(output: Any, key: str | int) -> Any:
    if isinstance(key, int) or isinstance(output, Mapping):
        return output.get(key) if isinstance(output, Mapping) else output[key]
    return getattr(output, key, None)


def _fits(member: Any, rows: int) -> bool:
    return (
        isinstance(member, Tensor)
        and member.ndim == 2
        and len(member) == rows
        and member.is_floating_point()
    )


def _refusal(rows: int, found: str, way_out: str) -> str:
    return (
        f"The model maps {rows} images to logits ({rows}, class), floating-point numbers; "
        f"found {found}. {way_out}"
    )


def _described(output: Any) -> str:
    kind = type(output).__name__
    article = "an" if kind[:1].lower() in "aeiou" else "a"
    if isinstance(output, Mapping):
        members = [f"{key!r}: {_brief(value)}" for key, value in output.items()]
    elif isinstance(output, (tuple, list)):
        names = getattr(output, "_fields", None)
        members = [
            f"{names[i]}: {_brief(value)}" if names else _brief(value)
            for i, value in enumerate(output)
        ]
    elif dataclasses.is_dataclass(output):
        members = [
            f"{field.name}: {_brief(getattr(output, field.name))}"
            for field in dataclasses.fields(output)
        ]
    else:
        return f"{article} {kind}"
    shown = ", ".join(members[:6]) + (", …" if len(members) > 6 else "")
    return f"{article} {kind} of {len(members)} ({shown})"


def _brief(value: Any) -> str:
    return _shape(value) if isinstance(value, Tensor) else f"{type(value).__name__}"


def _shape(tensor: Tensor) -> str:
    kind = "" if tensor.is_floating_point() else f" of {str(tensor.dtype).removeprefix('torch.')}"
    return f"a tensor of shape {tuple(tensor.shape)}{kind}"
