"""Which hooks are part of a network: those that torch itself put there. All others watch it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from torch import nn
from torch.nn.modules import module as torch_module

HOOKS = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")
"""Where a module keeps what runs around its forward and backward passes, by hook number."""

FLAGS = (
    "_forward_pre_hooks_with_kwargs",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
)
"""Where a module keeps how hooks are called, by the same numbers."""


def belongs(hook: Callable[..., Any]) -> bool:
    """Whether a hook is part of the network: put there by torch's own layers, or by carviz.

    Weight and spectral normalisation, pruning masks (a user's own pruning method, too), lazy
    layers and fake quantisation compute with their hooks, and a network that carviz pruned may.
    """
    kinds = [kind.__module__ for kind in type(hook).__mro__]
    written_in = getattr(hook, "__module__", None) or ""
    return any(m.startswith(("torch.nn.utils.", "carviz.")) for m in kinds) or (
        not isinstance(hook, nn.Module) and written_in.startswith(("torch.nn.", "torch.ao."))
    )


def own_hooks(module: nn.Module) -> dict[str, OrderedDict[int, Any]]:
    """Return the dictionaries of a module's hooks and their flags without those that watch it."""
    held = vars(module)
    kept = {
        name: OrderedDict((n, hook) for n, hook in held[name].items() if belongs(hook))
        for name in HOOKS
        if name in held
    }
    numbers = {n for hooks in kept.values() for n in hooks}
    for name in FLAGS:
        if name in held:
            kept[name] = OrderedDict((n, v) for n, v in held[name].items() if n in numbers)
    return kept


def foreign_hooks(model: nn.Module) -> list[str]:
    """Return the names of the modules whose hooks are left off the copy, "" for the model itself.

    Only hooks of the forward pass count: those of the backward pass change no logits.
    """
    return [
        name
        for name, module in model.named_modules()
        if any(
            not belongs(hook)
            for hook in [*module._forward_pre_hooks.values(), *module._forward_hooks.values()]
        )
    ]


def hooks_remark(model: nn.Module) -> str:
    """Return in words which hooks are left off, and which of torch's global hooks run; "" if none.

    A global hook stays in force: taking it off for the copy would take it from every model of the
    process, also from one that trains in another thread meanwhile.
    """
    remarks = []
    if names := foreign_hooks(model):
        shown = ", ".join(repr(n) if n else "the model itself" for n in names[:3])
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        hooks = "hook" if len(names) == 1 else "hooks"
        remarks.append(
            f"measured without the {hooks} on {shown}{more}; put what a hook changes into a forward"
        )
    running = [
        getattr(hook, "__qualname__", type(hook).__name__)
        for hook in [
            *torch_module._global_forward_pre_hooks.values(),
            *torch_module._global_forward_hooks.values(),
        ]
    ]
    if running:
        remarks.append(
            f"torch's global forward hooks ran in every pass ({', '.join(running)}): they are the "
            "process's, not the model's"
        )
    return "; ".join(remarks)
