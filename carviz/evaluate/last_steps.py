"""What a network's last step was given: the logits, where it turns them into probabilities."""

from __future__ import annotations

from collections import deque
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

REMEMBERED = 4
"""Steps that are remembered; the last one of a pass is among them."""
MOST = 2**16
"""Numbers an image has at most in a step that could be the last; attention maps have more."""
APART = 8
"""How far probabilities may lie from those of a step done again, in units of the last place of
1: it may have been done on another shape."""

STEPS = {"softmax": "softmax", "sigmoid": "sigmoid", "sigmoid_": "sigmoid", "expit": "sigmoid"}
"""Functions that make probabilities of logits, in torch, torch.nn.functional, torch.special."""
RESHAPING = frozenset(
    {
        *("squeeze", "unsqueeze", "flatten", "view", "reshape", "contiguous", "clone", "detach"),
        *("float", "double", "half", "bfloat16", "to", "type"),
    }
)
"""What may follow: it moves no number from one image to another, and changes none."""
SELECTING = frozenset({"__getitem__", "select"})
"""What may follow a sigmoid, which looks at each number alone; a softmax looks at all of them."""


class _Step(NamedTuple):
    """What a step made of what; `exact` is the last place of 1 in its numbers."""

    made: Tensor
    given: Tensor
    step: str
    exact: float


class LastSteps(TorchFunctionMode):
    """Remembers what the last softmaxes and sigmoids of a forward pass were given."""

    def __init__(self) -> None:
        super().__init__()
        # Tensors are held, so that no later one can have an earlier one's identity.
        self._steps: deque[_Step] = deque(maxlen=REMEMBERED)

    def find(self, output: Any) -> tuple[Tensor, str] | None:
        """Return what the step was given whose result an output is, and the step's name.

        A result that was changed in place afterwards (weighted, limited, masked) is no step's.
        """
        found = self._made(output)
        if found is None or not _is_result(output, found):
            return None
        return found.given, found.step

    def _made(self, output: Any) -> _Step | None:
        return next((found for found in reversed(self._steps) if found.made is output), None)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run a function, and note what a step was given."""
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name not in STEPS and not (self._steps and name in RESHAPING | SELECTING):
            return func(*args, **kwargs)
        first = args[0] if args else kwargs.get("input")
        step = STEPS.get(name)
        if step is None:
            made = func(*args, **kwargs)
            found = self._made(first)
            if found is not None and (name in RESHAPING or found.step == "sigmoid"):
                given = func(found.given, *args[1:], **kwargs)
                self._steps.append(found._replace(made=made, given=given))
            return made
        given = first.clone() if name == "sigmoid_" else first
        made = func(*args, **kwargs)
        # One image alone, squeezed, is a number without an axis.
        small = isinstance(made, Tensor) and (made.ndim == 0 or made[:1].numel() <= MOST)
        if small and (step == "sigmoid" or _over_classes(made, args, kwargs)):
            self._steps.append(_Step(made, given, step, torch.finfo(made.dtype).eps))
        return made


def _over_classes(made: Tensor, args: Any, kwargs: Any) -> bool:
    """Whether a softmax is one over classes, axis 1 or the last of two; axis 0 would be images."""
    dim = args[1] if len(args) > 1 else kwargs.get("dim")
    if made.ndim == 0 or isinstance(dim, str):
        return False
    if made.ndim == 1:  # of one image alone, squeezed
        return True
    # torch itself takes axis 1 of (image, class) where none is said.
    return dim is None or dim % made.ndim == 1


def _is_result(output: Tensor, found: _Step) -> bool:
    """Whether numbers ``(image, class)``, or those of one image, are what a step makes of others.

    Which tensor it is does not tell: it may have been written into, and so may what was given.
    """
    given = found.given.to(output.dtype)
    if given.shape != output.shape:
        return False
    again = given.sigmoid() if found.step == "sigmoid" else given.softmax(min(1, given.ndim - 1))
    apart = APART * max(found.exact, torch.finfo(output.dtype).eps)
    return torch.allclose(again, output, rtol=0, atol=apart, equal_nan=True)


def log_probability(share: Tensor) -> Tensor:
    """Return logs of probabilities; of zero that of the least positive number, which is finite."""
    wide = share if share.dtype in (torch.float32, torch.float64) else share.float()
    return wide.clamp_min(torch.finfo(wide.dtype).tiny).log()
