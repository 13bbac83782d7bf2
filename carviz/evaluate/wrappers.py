"""Wrappers that hand a model on as it is: torch.compile, DataParallel, DistributedDataParallel."""

from __future__ import annotations

import sys

from torch import nn


def wrapped(module: nn.Module) -> nn.Module | None:
    """Return the module that a wrapper wraps; None if `module` is no wrapper.

    A subclass of DataParallel with a forward pass of its own may compute something else, and
    counts as a module like any other.
    """
    # Who never imported the compiler cannot hold a compiled module; importing it takes seconds.
    compiler = sys.modules.get("torch._dynamo.eval_frame")
    inner: nn.Module | None = None
    if compiler is not None and isinstance(module, compiler.OptimizedModule):
        inner = module._modules["_orig_mod"]
    elif any(
        # Not isinstance: DistributedDataParallel is an abstract class, which asks at length.
        kind in type(module).__mro__ and type(module).forward is kind.forward
        for kind in (nn.DataParallel, nn.parallel.DistributedDataParallel)
    ):
        inner = module._modules["module"]
    return inner


def unwrap(model: nn.Module) -> nn.Module:
    """Return the model inside all its outer wrappers: the given object itself, not a copy."""
    while (inner := wrapped(model)) is not None:
        model = inner
    return model


def names_in_copy(model: nn.Module) -> dict[str, str]:
    """Return, for each module's name in `model`, its name in `shadow(model)`, without wrappers.

    Modules that stand under several names are there under each of them.

    Examples
    --------
    >>> names_in_copy(nn.DataParallel(nn.Sequential(nn.Conv2d(1, 2, 3))))
    {'': '', 'module': '', 'module.0': '0'}
    """
    names: dict[str, str] = {}
    # A parent is told before its children.
    for name, module in model.named_modules(remove_duplicate=False):
        parent, _, own = name.rpartition(".")
        if not name:
            names[name] = ""
        elif wrapped(model.get_submodule(parent)) is module:
            names[name] = names[parent]
        else:
            names[name] = f"{names[parent]}.{own}".lstrip(".")
    return names


def name_in_copy(model: nn.Module, layer: str | nn.Module) -> str | None:
    """Return the name that a layer of the given model has in `shadow(model)`.

    Parameters
    ----------
    model
        The user's model, wrapped or not.
    layer
        A name in the model as it was given ("module.conv"), a name in the copy ("conv", returned
        as it is, whether there is such a layer or not), or a module of the model.

    Returns
    -------
    name
        None for a module that is not one of the model's.
    """
    names = names_in_copy(model)
    if isinstance(layer, str):
        return names.get(layer, layer)
    places = [n for n, m in model.named_modules(remove_duplicate=False) if m is layer]
    return names[places[0]] if places else None
