"""Who reads a convolution in a network without a graph: watched while one image runs through."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

LOOKS = {"shape", "dtype", "device", "ndim", "size", "dim", "is_floating_point", "layout",
         "requires_grad", "is_cuda", "__len__", "numel", "is_quantized"}  # fmt: skip
"""What asks a tensor about itself without reading its numbers."""


class _Readers(TorchFunctionMode):
    """Note every call that is given one of the watched tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.watched: list[Tensor] = []
        self.calls: list[str] = []

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        name = getattr(func, "__name__", str(func))
        if name == "__get__":  # an attribute: torch hands over its getter
            name = getattr(getattr(func, "__self__", None), "__name__", name)
        leaves = tree_leaves((args, kwargs or {}))
        if name not in LOOKS and any(leaf is w for leaf in leaves for w in self.watched):
            self.calls.append(name)
        return func(*args, **(kwargs or {}))


def own_batch_norm(model: nn.Module, layer: str, image: Tensor) -> str:
    """Return the BatchNorm that alone reads the convolution `layer`, or `layer` itself.

    Raises
    ------
    ValueError
        If the forward pass never calls the convolution.
    """
    readers, norms = _Readers(), []
    called = []

    def after_convolution(_module: nn.Module, _args: Any, output: Tensor) -> None:
        called.append(layer)
        readers.watched.append(output)

    def after_norm(name: str) -> Callable[[nn.Module, Any, Tensor], None]:
        def note(_module: nn.Module, args: Any, _output: Tensor) -> None:
            if any(args[0] is w for w in readers.watched):
                norms.append(name)

        return note

    hooks = [model.get_submodule(layer).register_forward_hook(after_convolution)]
    hooks += [
        module.register_forward_hook(after_norm(name))
        for name, module in model.named_modules()
        if isinstance(module, nn.BatchNorm2d)
    ]
    try:
        with readers:
            model(image)
    finally:
        for hook in hooks:
            hook.remove()
    if not called:
        raise ValueError(
            "layer names a convolution that the forward pass uses; "
            f"{layer!r} is in the model, but never called in evaluation mode."
        )
    alone = len(norms) == len(called) == len(readers.calls) and len(set(norms)) == 1
    return norms[0] if alone else layer
