"""What a network's last step was given: the logits, where it turns them into probabilities."""

from __future__ import annotations

from collections import deque
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

REMEMBERED = 4
"""Steps that are remembered; the last one of a pass is among them."""
MOST = 2**16
"""Numbers an image has at most in a step that could be the last; attention maps have more."""

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


class LastSteps(TorchFunctionMode):
    """Remembers what the last softmaxes and sigmoids of a forward pass were given."""

    def __init__(self) -> None:
        super().__init__()
        # Tensors are held, so that no later one can have an earlier one's identity.
        self._steps: deque[tuple[Tensor, Tensor, str]] = deque(maxlen=REMEMBERED)

    def find(self, output: Any) -> tuple[Tensor, str] | None:
        """Return what the step was given whose result an output is, and the step's name."""
        for made, given, step in reversed(self._steps):
            if made is output:
                return given, step
        return None

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
            found = self.find(first)
            if found is not None and (name in RESHAPING or found[1] == "sigmoid"):
                self._steps.append((made, func(found[0], *args[1:], **kwargs), found[1]))
            return made
        given = first.clone() if name == "sigmoid_" else first
        made = func(*args, **kwargs)
        small = isinstance(made, Tensor) and made.ndim > 0 and made[:1].numel() <= MOST
        if small and (step == "sigmoid" or _over_classes(made, args, kwargs)):
            self._steps.append((made, given, step))
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


def log_probability(share: Tensor) -> Tensor:
    """Return logs of probabilities; of zero that of the least positive number, which is finite."""
    wide = share if share.dtype in (torch.float32, torch.float64) else share.float()
    return wide.clamp_min(torch.finfo(wide.dtype).tiny).log()
